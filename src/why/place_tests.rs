use std::fs;
use std::time::{Duration, SystemTime};

use super::*;
use crate::settings::{ConfigFile, Environment, Settings, Sources};

/// A directory with the inbox of a pipeline with further keys.
fn scene(keys: &str) -> (tempfile::TempDir, PathBuf, Vec<Pipeline>) {
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path().canonicalize().expect("there");
    let inbox = root.join("in");
    fs::create_dir(&inbox).expect("a directory");
    let text = format!(
        "[pipelines.one]\ndirectory = {:?}\ntable = \"one\"\nsettle = \"1h\"\n{keys}\n",
        inbox.display().to_string()
    );
    let config = root.join("ingestd.toml");
    fs::write(&config, text).expect("written");
    let sources = Sources::new(ConfigFile::Path(config), Environment::default());
    let settings = Settings::load(&sources).expect("a configuration");
    (place, inbox, settings.pipelines)
}

/// A file that was written long ago.
fn write(path: &Path) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, "id\n1\n").expect("written");
    let file = fs::File::options().append(true).open(path).expect("opened");
    let old = SystemTime::now() - Duration::from_secs(86_400);
    file.set_modified(old).expect("touched");
}

fn told(pipelines: &[Pipeline], path: &Path) -> Place {
    place(pipelines, path).expect("looked").0
}

fn passed_over(pipelines: &[Pipeline], path: &Path) -> PassedOver {
    match told(pipelines, path) {
        Place::PassedOver { by, .. } => by,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn a_path_is_where_it_is() {
    let (scratch, inbox, pipelines) = scene("");
    let file = |name: &str| {
        let path = inbox.join(name);
        write(&path);
        path
    };
    assert_eq!(told(&pipelines, &inbox.join("none.csv")), Place::Missing);
    let outside = scratch.path().canonicalize().expect("there").join("o.csv");
    write(&outside);
    assert!(matches!(told(&pipelines, &outside), Place::Outside(it) if it.len() == 1));
    assert!(matches!(
        told(&pipelines, &file("a.csv")),
        Place::Ready { .. }
    ));
    assert_eq!(
        passed_over(&pipelines, &file("a.txt")),
        PassedOver::NotMatched
    );
    for name in [".a.csv", "a.csv.part", "a.csv.tmp"] {
        assert_eq!(
            passed_over(&pipelines, &file(name)),
            PassedOver::UnfinishedName
        );
    }
    assert_eq!(
        passed_over(&pipelines, &file("sub/a.csv")),
        PassedOver::Below
    );
    let link = inbox.join("link.csv");
    std::os::unix::fs::symlink(inbox.join("a.csv"), &link).expect("a link");
    assert_eq!(passed_over(&pipelines, &link), PassedOver::NoFile);
    // Its directory's links are followed, as the service does.
    let alias = scratch.path().join("alias");
    std::os::unix::fs::symlink(&inbox, &alias).expect("a link");
    assert_eq!(as_found(&alias.join("a.csv")), inbox.join("a.csv"));
}

#[test]
fn a_directory_and_what_a_forgotten_file_has_left_are_told_as_what_they_are() {
    let (scratch, inbox, mut pipelines) = scene("");
    let root = scratch.path().canonicalize().expect("there");
    pipelines[0].quarantine = Some(root.join("bad"));
    pipelines[0].archive = Some(root.join("done"));
    for (directory, word) in [("bad", "quarantine"), ("done", "archive")] {
        let path = root.join(directory).join("a.csv");
        write(&path);
        match told(&pipelines, &path) {
            Place::Elsewhere { why, advice } => {
                assert!(
                    why.contains(&format!("the {word} of pipeline one")),
                    "{why}"
                );
                assert!(advice.contains(&inbox.display().to_string()), "{advice}");
            }
            other => panic!("{other:?}"),
        }
    }
    match told(&pipelines, &inbox) {
        Place::Elsewhere { why, .. } => assert_eq!(why, "it is a directory"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_young_file_settles() {
    let (_scratch, inbox, pipelines) = scene("");
    let path = inbox.join("a.csv");
    fs::write(&path, "id\n").expect("written");
    match told(&pipelines, &path) {
        Place::Unfinished {
            by: Unfinished::Settling,
            left: Some(left),
            ..
        } => assert!(left > Duration::from_secs(3000), "{left:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_to_come_with_a_file_is_named() {
    let (_scratch, inbox, pipelines) = scene("done_marker = \".done\"\nmanifest = \".manifest\"");
    let path = inbox.join("a.csv");
    write(&path);
    let waits = |path: &Path| match told(&pipelines, path) {
        Place::Unfinished { by, why, .. } => (by, why),
        other => panic!("{other:?}"),
    };
    let (by, why) = waits(&path);
    assert_eq!(
        (by, &why[..]),
        (Unfinished::Manifest, "a.csv.manifest is not there yet")
    );
    fs::write(inbox.join("a.csv.manifest"), "1").expect("written");
    assert_eq!(waits(&path).0, Unfinished::Marker);
    fs::write(inbox.join("a.csv.done"), "").expect("written");
    assert!(matches!(told(&pipelines, &path), Place::Ready { .. }));
    assert_eq!(
        passed_over(&pipelines, &inbox.join("a.csv.done")),
        PassedOver::NotMatched
    );
}

#[test]
fn of_two_pipelines_with_one_directory_the_one_that_takes_the_file_counts() {
    let (_scratch, inbox, mut pipelines) = scene("pattern = \"x-*.csv\"");
    let mut other = pipelines[0].clone();
    (other.name, other.pattern) = ("two".into(), "y-*.csv".into());
    pipelines.push(other);
    let path = inbox.join("y-1.csv");
    write(&path);
    let (found, pipeline) = place(&pipelines, &path).expect("looked");
    assert!(matches!(found, Place::Ready { .. }));
    assert_eq!(pipeline.expect("one").name, "two");
}
