//! What `config show` prints means what was configured.

use super::*;
use crate::settings::show::{as_json, as_toml, show};

const TEXT: &str = r#"
[database]
url = "postgresql://me:s3cret@db/shop"

[pipelines.events]
directory = "in \"quoted\" ä\t\u0007"
table = "events"
key = ["id"]
delete_when = { field = "op", values = ["D"] }

[[pipelines.events.columns]]
name = "id"
type = "bigint"
minimum = -1.5

[[pipelines.events.columns]]
name = "op"
type = "text"

[pipelines.plain]
directory = "plain"
table = "plain"
"#;

fn sources(text: &'static str) -> Sources {
    let environment = [
        ("INGESTD__LOG__LEVEL", "debug"),
        ("INGESTD__PIPELINES__PLAIN__PARTITIONS", "3"),
    ];
    let file = ConfigFile::Embedded {
        name: "shop.toml",
        text,
    };
    Sources::new(file, environment.into_iter().collect()).as_root(true)
}

fn again(text: String) -> Settings {
    let file = ConfigFile::Embedded {
        name: "again.toml",
        text: text.leak(),
    };
    let sources = Sources::new(file, Environment::default()).as_root(true);
    Settings::load(&sources).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn it_loads_as_the_same_with_and_without_the_defaults() {
    for text in [
        TEXT,
        include_str!("../../../config/ingestd.toml"),
        include_str!("../../../config/ecommerce.toml"),
    ] {
        let wanted = match text == TEXT {
            true => sources(text),
            false => Sources::new(
                ConfigFile::Embedded { name: "x", text },
                Environment::default(),
            )
            .as_root(true),
        };
        let settings = Settings::load(&wanted).unwrap_or_else(|error| panic!("{error}"));
        for all in [false, true] {
            let toml = as_toml(&show(&wanted, all).unwrap());
            let shown = again(toml.clone());
            assert_eq!(shown.pipelines, settings.pipelines, "{toml}");
            assert_eq!(shown.service.log, settings.service.log, "{toml}");
        }
    }
}

#[test]
fn every_value_has_its_source_and_no_password_is_shown() {
    let shown = show(&sources(TEXT), true).unwrap();
    let toml = as_toml(&shown);
    assert!(!toml.contains("s3cret") && !as_json(&shown).to_string().contains("s3cret"));
    let source = |key: &str| {
        let found = shown
            .iter()
            .find(|it| format!("{}.{}", it.section, it.key) == key);
        found.map(|it| it.source.as_str())
    };
    assert_eq!(source("database.url"), Some("shop.toml:3"));
    assert_eq!(source("pipelines.events.key"), Some("shop.toml:8"));
    assert_eq!(source("log.level"), Some("INGESTD__LOG__LEVEL"));
    assert_eq!(
        source("pipelines.plain.partitions"),
        Some("INGESTD__PIPELINES__PLAIN__PARTITIONS")
    );
    assert_eq!(source("service.data_dir"), Some("default"));
    assert_eq!(source("pipelines.plain.memory"), Some("default"));
    assert!(toml.contains("mode = \"append\" # default"), "{toml}");
    assert!(
        toml.contains("archive = \"archive/plain\" # default"),
        "{toml}"
    );
}
