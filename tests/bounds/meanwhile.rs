//! What happens to a file, or to its directory, while the file is read.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::*;

/// Of 200 bytes each more than may be in flight, so that a part is read while the table is held, and the rest
/// after it.
const IDS: i32 = 70_000;

fn large() -> String {
    let lines = (1..=IDS).map(|id| format!("{id},{id:0>200}\n"));
    format!("id,name\n{}", lines.collect::<String>())
}

/// Drops a large file, waits until no more of it can be read, and lets `meanwhile` happen; then the
/// rows can be written.
fn read_while(place: &mut Place, meanwhile: impl FnOnce(&mut Place, &Path)) {
    place.others_go_on();
    let mut other = place.database.client();
    let holding = Place::hold_the_table(&mut other);
    place.drop_file("large.csv", large());
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

/// Waits until the pipeline is held up by this; what it says.
fn waits_for(place: &mut Place, words: &str) -> String {
    let query = "select coalesce(max(degraded), '') from ingestd.live_instances
                 where pipeline = 'things'";
    let mut degraded = String::new();
    wait_until(patience(), || {
        let row = place.client.query_one(query, &[]).expect("a line");
        degraded = row.get(0);
        degraded.contains(words)
    });
    degraded
}

/// Waits until the inbox is empty; each row of the large file has to be there once.
fn assert_large_once(place: &mut Place) {
    wait_until(patience(), || place.left().is_empty());
    let ids = place.ids();
    let large = ids.iter().copied().filter(|id| *id > 0);
    assert!(large.eq(1..=IDS), "{}", ids.len());
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
    let degraded = waits_for(&mut place, "the inbox");
    assert!(degraded.contains("put it back"), "{degraded}");
    let neighbours = place.home.directory("inbox/neighbours");
    drop_file(&neighbours, "b.csv", csv([1]));
    assert_eq!(place.end_of("b.csv").counts(), ("ARCHIVED", 1, 1, 0));

    fs::rename(&aside, &place.inbox).expect("renamed");
    let account = place.end_of("large.csv");
    let count = i64::from(IDS);
    assert_eq!(account.counts(), ("ARCHIVED", count, count, 0));
    assert_eq!(account.reason, "", "it was not missing");
    place.others_go_on();
    assert_large_once(&mut place);
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
    // An empty mount point is no inbox that somebody has emptied.
    let degraded = waits_for(&mut place, "not mounted any more");
    assert!(degraded.contains("mount it"), "{degraded}");
    assert!(bind(&()));
    let account = place.end_of("large.csv");
    let count = i64::from(IDS);
    assert_eq!(account.counts(), ("ARCHIVED", count, count, 0));
    assert_eq!(account.reason, "", "it was not missing");
    place.others_go_on();
    assert_large_once(&mut place);
    drop(place.service.take());
    unmount();
}

/// It was QUARANTINED, with nothing for anybody to do.
#[test]
fn a_file_that_is_replaced_while_it_waits_for_its_turn_is_skipped_and_the_other_is_loaded() {
    let mut place = Place::prepared("", "");
    let table = "create table things (id integer, name text)";
    place.client.batch_execute(table).expect("a table");
    let mut other = place.database.client();
    // Nobody writes to it, and whoever plans may look at it.
    let mut holding = other.transaction().expect("a transaction");
    let held = holding.batch_execute("lock table things in share mode");
    held.expect("held");
    place.drop_file("large.csv", large());
    place.drop_file("later.csv", csv([-11]));
    // So that both are found by one scan: what is found while a file is read is decided after it.
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for name in ["large.csv", "later.csv"] {
        let file = OpenOptions::new().write(true).open(place.inbox.join(name));
        let dated = file.and_then(|file| file.set_modified(long_ago));
        dated.expect("dated");
    }
    place.start();
    wait_until(patience(), || place.account("later.csv").is_some());
    place.drop_file("later.csv", csv([-12, -13]));
    holding.rollback().expect("let go");
    wait_until(patience(), || place.left().is_empty());
    // It leaves before the ledger says that it has.
    assert_eq!(place.end_of("later.csv").state, "ARCHIVED");
    let query = "select array_agg(state || ' ' || coalesce(reason, '') order by file_id)
                 from ingestd.files where path ~ 'later'";
    let states: Vec<String> = place.client.query_one(query, &[]).expect("a line").get(0);
    assert_eq!(
        states,
        [
            "SKIPPED other content took its place before any of it was loaded",
            "ARCHIVED "
        ]
    );
    assert!(!place.ids().contains(&-11));
    place.others_go_on();
    assert_large_once(&mut place);
}
