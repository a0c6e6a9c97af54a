//! Files that grow after they were loaded.

use ingestd_actors::port::{Committed, Left, Verdict};

use super::world::World;

#[tokio::test]
async fn what_is_added_after_a_line_end_is_a_tail() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n");
    let parent = world.claim(&ledger, &path).await;
    world.load(&ledger, &parent).await;

    let mut last = parent.file;
    for (content, offset, line) in [("x\n1\n2\n3\n", 6, 4), ("x\n1\n2\n3\n4\n5\n", 8, 5)] {
        world.write("a.csv", content);
        let tail = world.claim(&ledger, &path).await;
        assert_eq!(
            (tail.base.record, tail.base.offset, tail.base.line),
            (0, offset, line)
        );
        assert_eq!(tail.resume_at(), tail.base);
        let query = format!(
            "select parent_id from ingestd.files where file_id = {}",
            tail.file.0
        );
        assert_eq!(world.ask(&query).await, format!("({})", last.0));
        let done = world.load(&ledger, &tail).await;
        assert!(matches!(done, Committed::Done { .. }), "{done:?}");
        assert!(matches!(
            world.admit(&ledger, &path).await,
            Verdict::Ignore(_)
        ));
        last = tail.file;
    }
    let copy = world.write("copy.csv", "x\n1\n2\n3\n4\n5\n");
    assert!(matches!(
        world.admit(&ledger, &copy).await,
        Verdict::Skip(_)
    ));
}

#[tokio::test]
async fn what_is_added_within_a_record_is_quarantined() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    world.write("a.csv", "x\n1\n23\n");
    let Verdict::Quarantine(quarantined) = world.admit(&ledger, &path).await else {
        panic!("2 became 23");
    };
    assert!(quarantined.reason.contains("in the middle of a record"));
}

#[tokio::test]
async fn what_is_added_to_a_file_that_has_to_be_decoded_is_quarantined() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    // Each ends with the byte of a line end, so that only its form keeps its tail from being read.
    let forms: [(&str, &[u8]); 2] = [
        ("a.csv.gz", b"\x1F\x8B\x08\0\n1\n"),
        ("b.csv", b"\xFE\xFF\0x\0\n\x001\0\n"),
    ];
    for (name, content) in forms {
        let path = world.write(name, content);
        let claim = world.claim(&ledger, &path).await;
        world.load(&ledger, &claim).await;
        world.write(name, [content, content].concat());
        let Verdict::Quarantine(quarantined) = world.admit(&ledger, &path).await else {
            panic!("its tail is not loaded");
        };
        let reason = &quarantined.reason;
        assert!(reason.contains("it grew after it was loaded"), "{reason}");
    }
}

#[tokio::test]
async fn other_content_at_the_path_is_another_file() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let first = world.claim(&ledger, &path).await;
    world.load(&ledger, &first).await;
    world.write("a.csv", "x\n5\n6\n");
    let second = world.claim(&ledger, &path).await;
    assert_eq!(second.base.offset, 0);
    assert_eq!(world.state(first.file.0).await, "ARCHIVED");
}

#[tokio::test]
async fn a_tail_takes_its_parent_into_the_archive() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let parent = world.claim(&ledger, &path).await;
    world.load(&ledger, &parent).await;
    world.write("a.csv", "x\n1\n2\n");
    let tail = world.claim(&ledger, &path).await;
    world.load(&ledger, &tail).await;
    let Verdict::Archive(file) = world.admit(&ledger, &path).await else {
        panic!("it is committed");
    };
    let to = world.archive_one(file).await.unwrap();
    assert_eq!(to, Left::To(world.archive.join("a.csv")));
    for file in [parent.file, tail.file] {
        assert_eq!(world.state(file.0).await, "ARCHIVED");
    }
}
