//! The service: whether it puts indexes off depends on what waits when it creates the table.

use std::fs::{File, rename};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{FEW, Place};
use crate::support::database;
use crate::support::home::drop_file;

/// More than the backlog from which on a service puts indexes off.
const MUCH: u64 = (256 << 20) + 1;

impl Place {
    /// Moves the file into the inbox.
    fn drop_in(&self) {
        age(&self.file);
        let inbox = self.home.directory("inbox/ecommerce");
        rename(&self.file, inbox.join(self.generator.file_name(1))).expect("renamed");
    }
}

/// Makes a file as old as one that has settled, so that the first scan finds it ready.
fn age(file: &Path) {
    let file = File::options().write(true).open(file).expect("a file");
    let old = SystemTime::now() - Duration::from_secs(60);
    file.set_modified(old).expect("aged");
}

#[test]
fn a_backlog_above_the_threshold_puts_them_off_and_loading_goes_on_while_they_are_built() {
    let database = database();
    let mut place = Place::new(&database.url, FEW);
    // Much of nothing: it is quarantined for its header, and takes no room on the disk.
    let inbox = place.home.directory("inbox/ecommerce");
    let hidden = inbox.join(".much");
    std::fs::write(&hidden, "nothing\n").expect("written");
    let much = File::options().write(true).open(&hidden).expect("a file");
    much.set_len(MUCH).expect("a sparse file");
    age(&hidden);
    rename(&hidden, inbox.join("much.csv")).expect("renamed");
    place.drop_in();

    let old = place.old_transaction();
    let service = place.home.run();
    place.wait_for_builder();
    assert_eq!(place.missing().len(), 3);
    place.assert_rows();

    // A file that comes now does not wait for the index, nor for what that waits for.
    let event = "event_id,event_time,event_type\n\
                 00000000-0000-0000-0000-000000000000,2020-01-01 00:00:00Z,view\n";
    drop_file(&inbox, "later.csv", event);
    let there = "select from raw_events where event_id = '00000000-0000-0000-0000-000000000000'";
    place.wait_for(|client| client.query_opt(there, &[]).expect("a table"));
    assert_eq!(place.missing().len(), 3);
    drop(old);
    place.wait_until_built();
    place.assert_indexed();
    service.stop();
}

#[test]
fn a_backlog_below_the_threshold_does_not() {
    let database = database();
    let mut place = Place::new(&database.url, FEW);
    place.drop_in();
    let service = place.home.run();
    place.wait_for(|client| {
        let done = "select from ingestd.files where state = 'ARCHIVED'";
        client.query_opt(done, &[]).ok().flatten()
    });
    place.assert_indexed();
    place.assert_rows();
    service.stop();
    let log = place.home.log();
    assert!(!log.contains("building an index"), "{log}");
}
