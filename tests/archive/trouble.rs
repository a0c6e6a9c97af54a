//! A move that fails loses no file, loads none again, and keeps none of the others back.

use super::*;
use crate::support::Mounted;

/// Waits until the service says what holds the pipeline up.
fn wait_until_held_up(depot: &mut Depot, pipeline: &str, by: &str) {
    depot.wait_for(&format!(
        "select exists (select from ingestd.live_instances
                        where pipeline = '{pipeline}' and degraded like '%{by}%')"
    ));
}

#[test]
fn a_full_disk_is_waited_out() {
    for form in ["none", "zstd"] {
        let keys = format!("archive = \"archive/small\"\narchive_compression = \"{form}\"");
        let mut depot = Depot::new(&[("things", &keys)]);
        let archive = depot.home.data().join("archive/small");
        let Some(small) = Mounted::new(&archive, "size=128k") else {
            return;
        };
        fs::write(archive.join("ballast"), vec![1; 120 << 10]).expect("written");
        depot.start();
        // Numbers that don't compress well, and a file that has room.
        let large =
            csv((0..6_000).map(|id: i64| id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)));
        depot.drop_file("things", "large.csv", &large);
        wait_until_held_up(&mut depot, "things", "No space left");
        depot.drop_file("things", "b.csv", &csv([7]));
        depot.wait_until_said("things", "b.csv", "ARCHIVED", "");
        assert_eq!(depot.said("things", "large.csv").0, "COMMITTED");
        fs::remove_file(archive.join("ballast")).expect("removed");
        depot.wait_until_said("things", "large.csv", "ARCHIVED", "");
        assert_eq!(names_in(&depot.inbox("things")), [""; 0]);
        assert_eq!(names_in(&archive).len(), 2, "and nothing half-way");
        assert_eq!(depot.ids("things").len(), 6_001);
        depot.stop();
        drop(small);
    }
}

#[test]
fn a_read_only_archive_and_a_read_only_inbox_are_waited_out() {
    for (keys, read_only) in [
        ("archive = \"archive/things\"", "archive/things"),
        ("archive = \"archive/things\"", "inbox/things"),
        (
            "finished = \"delete\"\ndelete_after = \"0s\"",
            "inbox/things",
        ),
        (
            "finished = \"delete\"\ndelete_after = \"1s\"",
            "inbox/things",
        ),
    ] {
        let mut depot = Depot::new(&[("things", keys)]);
        let Some(mounted) = Mounted::new(&depot.home.data().join(read_only), "size=1m") else {
            return;
        };
        depot.drop_file("things", "a.csv", &csv([1]));
        mounted.remount("ro");
        depot.start();
        wait_until_held_up(&mut depot, "things", "Read-only file system");
        assert_eq!(
            depot.said("things", "a.csv").0,
            "COMMITTED",
            "{keys} {read_only}"
        );
        mounted.remount("rw");
        depot.wait_until_said("things", "a.csv", "ARCHIVED", "");
        assert_eq!(names_in(&depot.inbox("things")), [""; 0]);
        assert_eq!(depot.ids("things"), [1]);
        depot.stop();
    }
}

#[test]
fn an_archive_that_is_a_file_or_vanishes_is_waited_out() {
    let mut depot = Depot::new(&[("things", "archive = \"archive/things\"")]);
    let archive = depot.home.directory("archive").join("things");
    fs::write(&archive, "no directory").expect("written");
    depot.drop_file("things", "a.csv", &csv([1]));
    depot.start();
    wait_until_held_up(&mut depot, "things", "moving");
    assert_eq!(depot.said("things", "a.csv").0, "COMMITTED");
    fs::remove_file(&archive).expect("removed");
    depot.wait_until_said("things", "a.csv", "ARCHIVED", "");
    assert_eq!(names_in(&archive), ["a.csv"]);
    fs::remove_dir_all(&archive).expect("removed");
    depot.drop_file("things", "b.csv", &csv([2]));
    depot.wait_until_said("things", "b.csv", "ARCHIVED", "");
    assert_eq!(names_in(&archive), ["b.csv"], "it is made anew");
    assert_eq!(depot.ids("things"), [1, 2]);
    depot.stop();
}

#[test]
fn an_archive_may_be_a_link_or_below_the_inbox() {
    let mut depot = Depot::new(&[
        ("linked", "archive = \"link\"\narchive_retention = \"7d\""),
        (
            "below",
            "archive = \"inbox/below/done\"\narchive_dates = \"%Y\"",
        ),
    ]);
    let real = depot.home.directory("real");
    std::os::unix::fs::symlink(&real, depot.home.data().join("link")).expect("a link");
    let long = format!("{}.csv", "x".repeat(251));
    depot.start();
    for pipeline in ["linked", "below"] {
        depot.drop_file(pipeline, "a.csv", &csv([1]));
        let hidden = depot.inbox(pipeline).join(".long");
        fs::write(&hidden, csv([2])).expect("written");
        fs::rename(hidden, depot.inbox(pipeline).join(&long)).expect("renamed");
    }
    depot.wait_for("select count(*) = 4 from ingestd.files where state = 'ARCHIVED'");
    // The same name once more: 255 bytes are cut to make room for the number.
    for pipeline in ["linked", "below"] {
        let hidden = depot.inbox(pipeline).join(".long");
        fs::write(&hidden, csv([3])).expect("written");
        fs::rename(hidden, depot.inbox(pipeline).join(&long)).expect("renamed");
    }
    depot.wait_for("select count(*) = 6 from ingestd.files where state = 'ARCHIVED'");
    assert_eq!(names_in(&real).len(), 3);
    assert_eq!(all_below(&depot.inbox("below").join("done")).len(), 3);
    for pipeline in ["linked", "below"] {
        assert_eq!(depot.ids(pipeline), [1, 2, 3]);
    }
    depot.age(24 * 8);
    depot.stop();
    depot.start();
    wait_until(PATIENCE, || names_in(&real).is_empty());
    assert!(real.is_dir() && depot.home.data().join("link").exists());
    depot.stop();
}

/// It was called missing for good where its commit came while the directory was not mounted, and stood
/// in the inbox until the next start once that was back. Found by `ingestd chaos --faults inbox`.
#[test]
fn a_file_is_not_missing_whose_inbox_is_gone_for_a_while() {
    let mut depot = Depot::new(&[("things", "archive = \"archive/things\"")]);
    let mut other = depot._database.client();
    let mut lock = other.transaction().expect("a transaction");
    lock.batch_execute("lock table numbers in share mode")
        .expect("locked");
    depot.drop_file("things", "a.csv", &csv([1, 2]));
    depot.start();
    depot.wait_until_said("things", "a.csv", "COMPLETED", "");
    let inbox = depot.inbox("things");
    let aside = inbox.with_file_name("aside");
    fs::rename(&inbox, &aside).expect("moved away");
    lock.rollback().expect("unlocked");
    depot.wait_until_said("things", "a.csv", "COMMITTED", "");
    wait_until_held_up(&mut depot, "things", "is gone");
    assert_eq!(depot.said("things", "a.csv").0, "COMMITTED");
    fs::rename(&aside, &inbox).expect("put back");
    depot.wait_until_said("things", "a.csv", "ARCHIVED", "");
    assert_eq!(names_in(&depot.home.directory("archive/things")), ["a.csv"]);
    assert_eq!(names_in(&inbox), [""; 0]);
    assert_eq!(depot.ids("things"), [1, 2]);
    depot.stop();
}
