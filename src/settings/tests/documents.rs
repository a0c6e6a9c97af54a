//! The configurations that are shipped, and the page that explains them, against the code.

use super::*;
use crate::settings::keys::all_sections;

const DEFAULT: &str = include_str!("../../../config/ingestd.toml");
const EVENTS: &str = include_str!("../../../config/events.toml");
const PAGE: &str = include_str!("../../../docs/configuration.md");
const CSV_PAGE: &str = include_str!("../../../docs/csv.md");
const README: &str = include_str!("../../../README.md");
const ALERTS_PAGE: &str = include_str!("../../../docs/alerts.md");
const TUNING_PAGE: &str = include_str!("../../../docs/tuning.md");

fn ecommerce() -> Settings {
    let sources = Sources::new(ECOMMERCE, Environment::default())
        .as_root(true)
        .database_by_flag_only();
    Settings::load(&sources).unwrap_or_else(|error| panic!("{error}"))
}

fn names(pipeline: &Pipeline) -> Vec<(&str, &str)> {
    let columns = pipeline.columns.iter();
    columns
        .map(|column| (column.name.as_str(), column.sql_type.as_str()))
        .collect()
}

#[test]
fn the_demo_runs_what_was_asked_for() {
    let settings = ecommerce();
    let pipeline = settings.pipeline("ecommerce").unwrap();
    assert_eq!(pipeline.table, TableName::parse("raw_events").unwrap());
    assert_eq!(
        pipeline.directory,
        Path::new("/var/lib/ingestd/inbox/ecommerce")
    );
    assert!(pipeline.create);
    assert_eq!(pipeline.key, ["event_id"]);
    assert_eq!(
        pipeline.indexes,
        [["event_time"], ["event_type"], ["user_id"]]
    );
    assert_eq!(
        names(pipeline),
        [
            ("event_id", "uuid"),
            ("event_time", "timestamptz"),
            ("event_type", "text"),
            ("user_id", "text"),
            ("product_id", "text"),
            ("category", "text"),
            ("session_id", "text"),
            ("price", "numeric(10,2)"),
            ("quantity", "integer"),
        ]
    );
    let column = |name: &str| {
        let mut columns = pipeline.columns.iter();
        columns.find(|column| column.name == name).unwrap()
    };
    assert!(column("event_time").finite);
    let kind = column("event_type");
    assert!(kind.trim && kind.case == Some(Case::Lower));
    assert_eq!(
        kind.allowed.join(" "),
        "view click add_to_cart remove_from_cart purchase buy"
    );
    assert_eq!(column("price").minimum.as_deref(), Some("0"));
    assert!(column("price").finite);
    assert_eq!(column("quantity").minimum.as_deref(), Some("1"));
    let generated = pipeline.generated.iter().map(|column| column.name.as_str());
    assert_eq!(generated.collect::<Vec<_>>(), ["total_price", "event_date"]);
}

#[test]
fn the_events_are_as_asked_for() {
    let settings = load(EVENTS);
    let pipeline = settings.pipeline("events").unwrap();
    assert_eq!(pipeline.table, TableName::parse("events").unwrap());
    assert_eq!(pipeline.key, ["event_id"]);
    assert_eq!(
        names(pipeline),
        [
            ("event_id", "uuid"),
            ("event_type", "varchar(50)"),
            ("product_id", "varchar(50)"),
            ("user_id", "varchar(50)"),
            ("event_timestamp", "timestamp"),
            ("quantity", "integer"),
            ("price", "numeric"),
            ("created_at", "timestamp"),
        ]
    );
    let created = pipeline.columns.last().unwrap();
    assert_eq!(created.sql_default.as_deref(), Some("current_timestamp"));
    assert_eq!(
        pipeline.indexes,
        [
            ["event_type"],
            ["user_id"],
            ["product_id"],
            ["event_timestamp"]
        ]
    );
}

/// The default with every commented default made real.
fn uncommented() -> String {
    let lines = DEFAULT.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_commented_defaults_are_the_defaults() {
    assert_ne!(uncommented(), DEFAULT);
    assert_eq!(load(&uncommented()), load(DEFAULT));
}

#[test]
fn the_default_names_every_key() {
    for (section, keys) in all_sections() {
        for key in keys {
            let named = DEFAULT.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                line.split_whitespace()
                    .next()
                    .is_some_and(|word| word.trim_end_matches(',') == *key)
            });
            let inline = DEFAULT.contains(&format!(" {key} = "))
                || DEFAULT.contains(&format!(" {key}   "))
                || *key == "maximum";
            assert!(named || inline, "config/ingestd.toml lacks {section}.{key}");
        }
    }
}

/// The keys that a section of the page lists: the first cell of each row of its table.
fn listed(section: &str) -> Vec<&'static str> {
    let heading = format!("## `[{section}]`");
    let list = format!("## `[[{section}]]`");
    let start = PAGE
        .lines()
        .position(|line| line == heading || line == list)
        .unwrap_or_else(|| panic!("docs/configuration.md lacks the section {section}"));
    PAGE.lines()
        .skip(start + 1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key)
        .collect()
}

#[test]
fn the_page_lists_every_key_and_no_other() {
    for (section, keys) in all_sections() {
        let mut listed = listed(section);
        listed.sort_unstable();
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        assert_eq!(listed, keys, "{section} in docs/configuration.md");
    }
}

/// Every block of TOML on a page.
fn examples(page: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut lines = page.lines();
    while lines.by_ref().any(|line| line == "```toml") {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        examples.push(block.join("\n"));
    }
    examples
}

#[test]
fn the_examples_of_the_pages_load() {
    for page in [README, PAGE, CSV_PAGE, TUNING_PAGE, ALERTS_PAGE] {
        let examples = examples(page);
        assert!(!examples.is_empty(), "{page}");
        for example in examples {
            if let Err(error) = load_with(&example, &[]) {
                panic!("{example}\n{error}");
            }
        }
    }
}
