//! The inbox on a real directory.

use super::*;
use crate::plan::{Dialect, TableName, WriteMode, WriteRules};
use crate::settings::{ArchiveRules, Mapping, Redropped, Tolerance};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const LONG: Duration = Duration::from_secs(3600);

fn pipeline(directory: &Path) -> Pipeline {
    Pipeline {
        name: "events".into(),
        directory: directory.to_owned(),
        pattern: "*.csv".into(),
        recursive: false,
        order: FileOrder::Name,
        settle: Duration::ZERO,
        scan_interval: LONG,
        table: TableName {
            schema: None,
            name: "events".into(),
        },
        key: Vec::new(),
        mode: WriteMode::Append,
        rules: WriteRules::default(),
        create: false,
        columns: Vec::new(),
        generated: Vec::new(),
        indexes: Vec::new(),
        dialect: Dialect::default(),
        mapping: Mapping::default(),
        partitions: 1,
        batch_rows: 1,
        batch_bytes: 1,
        memory: 1,
        archive: None,
        quarantine: None,
        archive_rules: ArchiveRules::default(),
        redropped: Redropped::default(),
        companions: Companions::default(),
        tolerance: Tolerance::default(),
        letters: crate::settings::LetterRules::default(),
    }
}

fn inbox(pipeline: &Pipeline) -> FsInbox {
    let log = Logger::root(slog::Discard, slog::o!());
    FsInbox::new(pipeline, Handle::current(), log).unwrap()
}

fn names(scan: &Scan) -> Vec<String> {
    scan.ready
        .iter()
        .map(|file| path_text(Path::new(file.path.file_name().unwrap())))
        .collect()
}

#[tokio::test]
async fn a_pattern_may_have_an_empty_alternative() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a.csv", "b.csv.gz", "c.csv.zst", "d.gz"] {
        std::fs::write(directory.path().join(name), "x").unwrap();
    }
    let mut pipeline = pipeline(directory.path());
    pipeline.pattern = "*.csv{,.gz,.zst}".into();
    let found = inbox(&pipeline).scan().await.unwrap();
    assert_eq!(names(&found), ["a.csv", "b.csv.gz", "c.csv.zst"]);
}

#[tokio::test]
async fn only_regular_files_of_the_right_name_are_ready() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for name in [
        "b.csv",
        "a.csv",
        ".hidden.csv",
        "c.csv.tmp",
        "d.txt",
        "';drop table x;--.csv",
    ] {
        std::fs::write(root.join(name), "x").unwrap();
    }
    std::fs::write(root.join(OsStr::from_bytes(b"z\xff\n.csv")), "x").unwrap();
    std::fs::create_dir(root.join("sub.csv")).unwrap();
    std::fs::write(root.join("sub.csv/e.csv"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", root.join("passwd.csv")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let fifo = root.join("fifo.csv");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();

    let flat = inbox(&pipeline(root)).scan().await.unwrap();
    assert_eq!(
        names(&flat),
        ["';drop table x;--.csv", "a.csv", "b.csv", "z\\xFF\n.csv"]
    );
    let mut deep = pipeline(root);
    deep.recursive = true;
    let deep = inbox(&deep).scan().await.unwrap();
    assert_eq!(deep.ready.len(), 5);
}

#[tokio::test]
async fn the_order_may_be_by_time() {
    let directory = tempfile::tempdir().unwrap();
    for (name, age) in [("a.csv", 10), ("b.csv", 20)] {
        let file = std::fs::File::create(directory.path().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
    }
    let mut by_time = pipeline(directory.path());
    by_time.order = FileOrder::Modified;
    let scan = inbox(&by_time).scan().await.unwrap();
    assert_eq!(names(&scan), ["b.csv", "a.csv"]);
}

#[tokio::test]
async fn a_closed_file_is_ready_before_it_settles() {
    let directory = tempfile::tempdir().unwrap();
    let mut slow = pipeline(directory.path());
    slow.settle = LONG;
    let inbox = inbox(&slow);
    assert!(inbox.scan().await.unwrap().ready.is_empty());

    let path = directory.path().join("a.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    inbox.changed().await.unwrap();
    let scan = inbox.scan().await.unwrap();
    assert!(scan.ready.is_empty());
    assert!(scan.settles_in.is_some_and(|left| left <= LONG));

    std::io::Write::write_all(&mut file, b"a\n1\n").unwrap();
    drop(file);
    let hidden = directory.path().join(".b");
    std::fs::write(&hidden, "b\n").unwrap();
    std::fs::rename(hidden, directory.path().join("b.csv")).unwrap();
    let mut scan = Scan::default();
    while scan.ready.len() < 2 {
        inbox.changed().await.unwrap();
        scan = inbox.scan().await.unwrap();
    }
    assert_eq!(names(&scan), ["a.csv", "b.csv"]);
    let again = inbox.scan().await.unwrap();
    assert_eq!(
        names(&again),
        ["a.csv", "b.csv"],
        "a hint lasts until the file settles"
    );
}

/// Once, a service that was started between two files loaded the second one first.
#[tokio::test]
async fn a_file_that_came_before_the_watch_is_not_overtaken() {
    let directory = tempfile::tempdir().unwrap();
    let (mut slow, now) = (pipeline(directory.path()), SystemTime::now());
    slow.settle = LONG;
    let drop_in = |name: &str, age: u64| {
        let hidden = directory.path().join(format!(".{name}"));
        let file = std::fs::File::create(&hidden).unwrap();
        file.set_modified(now - Duration::from_secs(age)).unwrap();
        std::fs::rename(hidden, directory.path().join(name)).unwrap();
    };
    drop_in("b.csv", 2);
    let inbox = inbox(&slow);
    inbox.scan().await.unwrap();
    // The first is before it in the order, the second behind it, the third older than it.
    for (name, age) in [("a.csv", 1), ("c.csv", 1), ("d.csv", 3)] {
        drop_in(name, age);
    }
    let seen = async |wanted: &[&str]| {
        let mut scan = inbox.scan().await.unwrap();
        while scan.ready.len() < wanted.len() {
            inbox.changed().await.unwrap();
            scan = inbox.scan().await.unwrap();
        }
        assert_eq!(names(&scan), wanted);
    };
    seen(&["a.csv", "d.csv"]).await;
    // The first one is closed before our eyes now.
    drop(
        std::fs::OpenOptions::new()
            .append(true)
            .open(directory.path().join("b.csv"))
            .unwrap(),
    );
    seen(&["a.csv", "b.csv", "c.csv", "d.csv"]).await;
}

#[tokio::test]
async fn a_directory_is_created_where_only_it_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let inbox_path = directory.path().join("in");
    inbox(&pipeline(&inbox_path));
    assert!(inbox_path.is_dir());

    let log = Logger::root(slog::Discard, slog::o!());
    let nowhere = pipeline(&directory.path().join("no/where"));
    let error = FsInbox::new(&nowhere, Handle::current(), log)
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.advice().is_some());
}

#[tokio::test]
async fn a_directory_that_was_replaced_is_watched_again() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("in");
    let mut slow = pipeline(&root);
    slow.settle = LONG;
    let inbox = inbox(&slow);
    inbox.scan().await.unwrap();
    std::fs::rename(&root, directory.path().join("old")).unwrap();
    let error = inbox.scan().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    std::fs::create_dir(&root).unwrap();
    inbox.scan().await.unwrap();
    std::fs::write(root.join("a.csv"), "a\n").unwrap();
    let mut scan = inbox.scan().await.unwrap();
    while scan.ready.is_empty() {
        inbox.changed().await.unwrap();
        scan = inbox.scan().await.unwrap();
    }
}

#[tokio::test]
async fn nothing_is_remembered_of_files_that_have_settled() {
    let directory = tempfile::tempdir().unwrap();
    let settled = inbox(&pipeline(directory.path()));
    settled.scan().await.unwrap();
    for number in 0..2000 {
        std::fs::write(directory.path().join(format!("{number}.csv")), "x").unwrap();
    }
    let scan = settled.scan().await.unwrap();
    assert_eq!(scan.ready.len(), 2000);
    let memory = settled.inner.memory.lock().unwrap();
    assert_eq!(
        format!("{:?}", memory.settling),
        format!("{:?}", Settling::default())
    );
}

/// A pipeline that wants companions, and long patience with what doesn't have them.
fn with_companions(directory: &Path, done_marker: bool, manifest: bool) -> Pipeline {
    let mut pipeline = pipeline(directory);
    pipeline.pattern = "*".into();
    pipeline.settle = LONG;
    pipeline.companions = Companions {
        done_marker: done_marker.then(|| ".done".into()),
        manifest: manifest.then(|| ".manifest".into()),
    };
    pipeline
}

#[tokio::test]
async fn a_file_is_ready_at_once_when_its_marker_is_there_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut pipeline = with_companions(root, true, false);
    pipeline.settle = Duration::ZERO;
    for name in ["a.csv", "b.csv", "z.csv.done"] {
        std::fs::write(root.join(name), "x").unwrap();
    }
    let settled = inbox(&pipeline);
    assert_eq!(names(&settled.scan().await.unwrap()), [""; 0]);
    pipeline.settle = LONG;
    let inbox = inbox(&pipeline);
    std::fs::write(root.join("b.csv.done"), "").unwrap();
    let scan = inbox.scan().await.unwrap();
    assert_eq!(names(&scan), ["b.csv"], "young, and no event was seen");
    assert_eq!(scan.settles_in, None);
}

#[tokio::test]
async fn a_marker_of_the_version_before_does_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let path = root.join("a.csv");
    std::fs::write(&path, "x").unwrap();
    std::fs::write(root.join("a.csv.done"), "").unwrap();
    let inbox = inbox(&with_companions(root, true, false));
    assert_eq!(names(&inbox.scan().await.unwrap()), ["a.csv"]);
    let modified = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let marked = modified(&root.join("a.csv.done"));
    // Written once more: until the clock of the file system has moved on.
    while modified(&path) <= marked {
        std::fs::write(&path, "the next version").unwrap();
    }
    assert_eq!(names(&inbox.scan().await.unwrap()), [""; 0]);
    while names(&inbox.scan().await.unwrap()).is_empty() {
        std::fs::write(root.join("a.csv.done"), "").unwrap();
    }
}

#[tokio::test]
async fn a_manifest_settles_itself() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    std::fs::write(root.join("a.csv"), "x").unwrap();
    std::fs::write(root.join("a.csv.manifest"), "").unwrap();
    let alone = inbox(&with_companions(root, false, true));
    let scan = alone.scan().await.unwrap();
    assert_eq!(names(&scan), [""; 0], "it may be being written");
    assert!(scan.settles_in.is_some());
    std::fs::write(root.join("a.csv.manifest"), "1").unwrap();
    loop {
        alone.changed().await.unwrap();
        let scan = alone.scan().await.unwrap();
        if !scan.ready.is_empty() {
            assert_eq!(names(&scan), ["a.csv"], "it was closed before our eyes");
            break;
        }
    }

    let both = inbox(&with_companions(root, true, true));
    assert_eq!(names(&both.scan().await.unwrap()), [""; 0]);
    std::fs::write(root.join("a.csv.done"), "").unwrap();
    let scan = both.scan().await.unwrap();
    assert_eq!(names(&scan), ["a.csv"], "the marker came last");
}

#[tokio::test]
async fn what_is_renamed_into_place_came_whatever_it_looks_like() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, outside) = (directory.path().join("a.csv"), directory.path().join("out"));
    std::fs::write(&inside, "x").unwrap();
    let inbox = inbox(&pipeline(directory.path()));
    let first = inbox.scan().await.unwrap();
    std::fs::rename(&inside, &outside).unwrap();
    std::fs::rename(&outside, &inside).unwrap();
    loop {
        inbox.changed().await.unwrap();
        let scan = inbox.scan().await.unwrap();
        assert_eq!(scan.ready, first.ready);
        if scan.came.contains(&first.ready[0].path) {
            break;
        }
    }
    assert!(inbox.scan().await.unwrap().came.is_empty());
}
