//! What a reload finds to be different.

use super::*;
use crate::settings::Change;

const OLD: &str = "
[service]
data_dir = \"/data\"
[database]
url = \"postgresql://one@localhost/shop\"
[pipelines.stays]
directory = \"stays\"
table = \"a\"
[pipelines.changes]
directory = \"changes\"
table = \"b\"
[pipelines.goes]
directory = \"goes\"
table = \"c\"
";

fn settings(text: &str) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ingestd.toml");
    std::fs::write(&path, text).expect("written");
    let nothing = Environment::from_iter(Vec::<(String, String)>::new());
    let sources = Sources::new(ConfigFile::Path(path), nothing).as_root(true);
    Settings::load(&sources).expect("a configuration")
}

fn change(replace: &[(&str, &str)]) -> Change {
    let new = replace.iter().fold(OLD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from));
        text.replace(from, to)
    });
    Change::between(&settings(OLD), &settings(&new))
}

#[test]
fn the_same_is_no_change() {
    let names = ["changes", "goes", "stays"].map(str::to_owned).to_vec();
    let none = Change {
        unchanged: names,
        ..Change::default()
    };
    assert_eq!(change(&[]), none);
}

#[test]
fn pipelines_come_go_change_and_stay() {
    let found = change(&[
        ("pipelines.goes", "pipelines.comes"),
        ("table = \"b\"", "table = \"b\"\nkey = [\"id\"]"),
    ]);
    assert_eq!(found.added, ["comes"]);
    assert_eq!(found.removed, ["goes"]);
    assert_eq!(found.changed, ["changes"]);
    assert_eq!(found.unchanged, ["stays"]);
    assert_eq!((found.impossible, found.later), (vec![], vec![]));
}

#[test]
fn what_takes_a_restart_is_told_apart() {
    let found = change(&[
        ("/data", "/elsewhere"),
        ("/shop", "/other"),
        (
            "[database]",
            "stuck_after = \"2m\"\nlease = \"20s\"\nshutdown_timeout = \"9s\"\n[log]\nlevel = \"debug\"\n[http]\nlisten = \"off\"\n[database]",
        ),
    ]);
    assert_eq!(found.impossible, ["service.data_dir", "[database]"]);
    let later = [
        "service.shutdown_timeout",
        "service.stuck_after",
        "service.lease",
        "[log]",
        "[http]",
    ];
    assert_eq!(found.later, later);
    // Every path below the data directory is another one.
    assert_eq!(found.changed.len(), 3);
}
