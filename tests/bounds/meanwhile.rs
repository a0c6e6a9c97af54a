//! What happens to a file, or to its directory, while the file is read.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;

use super::*;

/// More than may be in flight, so that a part is read while the table is held, and the rest after it.
const IDS: i32 = 700_000;

/// Drops a large file, waits until no more of it can be read, and lets `meanwhile` happen; then the
/// rows can be written.
fn read_while(place: &mut Place, meanwhile: impl FnOnce(&mut Place, &Path)) {
    place.others_go_on();
    let mut other = place.database.client();
    let holding = Place::hold_the_table(&mut other);
    place.drop_file("large.csv", csv(1..=IDS));
    wait_until(patience(), || {
        let account = place.account("large.csv");
        account.is_some_and(|it| it.state == "READING")
    });
    place.service().wait_until_reading_rests();
    let path = place.inbox.join("large.csv");
    meanwhile(place, &path);
    drop(holding);
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_quarantined() {
    for left in [0, 100, 10 * MIB] {
        let mut place = Place::new("");
        read_while(&mut place, |_, path| {
            let file = OpenOptions::new().write(true).open(path).expect("there");
            assert!(file.metadata().expect("a file").len() > 10 * MIB);
            file.set_len(left).expect("cut");
        });
        let cut = "select reason, inserted from ingestd.file_status
                   where path ~ 'large' and state = 'QUARANTINED' order by file_id limit 1";
        let mut rows = Vec::new();
        wait_until(patience(), || {
            rows = place.client.query(cut, &[]).expect("the ledger");
            !rows.is_empty()
        });
        let reason: &str = rows[0].get(0);
        let shrank = format!("to {left} bytes while it was read");
        assert!(reason.contains(&shrank), "{reason}");
        leaves_once(&mut place, left, rows[0].get(1));
        place.others_go_on();
    }
}

/// Once, what was left of it was loaded as a new file: without a key its rows were there twice.
fn leaves_once(place: &mut Place, left: u64, inserted: i64) {
    wait_until(patience(), || !place.inbox.join("large.csv").exists());
    let loaded = place.ids().into_iter().filter(|id| *id > 0).count();
    assert_eq!(i64::try_from(loaded).expect("a count"), inserted);
    if left > 0 {
        let account = place.end_of("large.csv");
        assert_eq!(account.state, "QUARANTINED", "{account:?}");
        assert!(
            account.reason.contains("what is left of file"),
            "{}",
            account.reason
        );
    }
}

#[test]
fn a_file_that_a_directory_replaces_while_it_is_read_is_loaded_and_the_directory_stays() {
    let mut place = Place::new("");
    read_while(&mut place, |_, path| {
        fs::remove_file(path).expect("removed");
        fs::create_dir(path).expect("a directory");
        fs::write(path.join("theirs"), "theirs").expect("written");
    });
    let account = place.end_of("large.csv");
    let count = i64::from(IDS);
    assert_eq!(account.counts(), ("ARCHIVED", count, count, 0));
    assert!(place.inbox.join("large.csv/theirs").exists());
    place.others_go_on();
}

#[test]
fn an_inbox_that_vanishes_holds_up_its_own_pipeline_until_it_is_back() {
    let mut place = Place::prepared("", "");
    place.home.configure(&format!(
        "{}{}",
        place.home.config(),
        pipeline("neighbours", "")
    ));
    place.start();
    let aside = place.home.data().join("aside");
    read_while(&mut place, |place, _| {
        fs::rename(&place.inbox, &aside).expect("renamed");
    });
    let query = "select coalesce(max(degraded), '') from ingestd.live_instances
                 where pipeline = 'things'";
    let mut degraded = String::new();
    wait_until(patience(), || {
        let row = place.client.query_one(query, &[]).expect("a line");
        degraded = row.get(0);
        degraded.contains("the inbox")
    });
    assert!(degraded.contains("create it"), "{degraded}");
    let neighbours = place.home.directory("inbox/neighbours");
    drop_file(&neighbours, "b.csv", csv([1]));
    assert_eq!(place.end_of("b.csv").counts(), ("ARCHIVED", 1, 1, 0));

    fs::rename(&aside, &place.inbox).expect("renamed");
    let account = place.end_of("large.csv");
    let count = i64::from(IDS);
    assert_eq!(account.counts(), ("ARCHIVED", count, count, 0));
    assert_eq!(account.reason, "", "it was not missing");
    place.others_go_on();
    wait_until(patience(), || place.left().is_empty());
    let ids = place.ids();
    assert!(
        ids.iter().copied().filter(|id| *id > 0).eq(1..=IDS),
        "{}",
        ids.len()
    );
}

#[test]
fn a_mount_that_goes_away_and_comes_back_loses_and_doubles_nothing() {
    let mut place = Place::prepared("", "");
    let inbox = place.inbox.clone();
    // The same content under both mounts: as of a disk that comes back.
    let disk = place.home.directory("disk");
    let mount = |arguments: &[&Path]| {
        let output = Command::new("mount").args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let bind = |_: &()| mount(&[Path::new("--bind"), &disk, &inbox]);
    if !bind(&()) {
        eprintln!("SKIPPED: no right to mount");
        return;
    }
    let unmount = || {
        let status = Command::new("umount").arg("-l").arg(&inbox).status();
        assert!(status.expect("umount").success());
    };
    place.start();
    read_while(&mut place, |_, _| unmount());
    let count = i64::from(IDS);
    let counts = ("ARCHIVED", count, count, 0);
    assert_eq!(place.end_of("large.csv").counts(), counts);
    assert!(bind(&()));
    place.others_go_on();
    wait_until(patience(), || place.left().is_empty());
    let ids = place.ids();
    assert!(
        ids.iter().copied().filter(|id| *id > 0).eq(1..=IDS),
        "{}",
        ids.len()
    );
    drop(place.service.take());
    unmount();
}
