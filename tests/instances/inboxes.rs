//! One pipeline by its name, but an inbox for each instance: hosts with disks of their own. A mistake;
//! nothing is lost by it.

use std::path::PathBuf;
use std::time::Duration;

use ingestd::generate::Generator;
use ingestd::generate::files::FileWriter;
use rustix::process::Signal;

use super::{LEASE, SMALL, make_slow_table};
use crate::support::answer::assert_loaded_once;
use crate::support::home::{ECOMMERCE, Home, Service, names_in, replaced};
use crate::support::scene::{Watcher, answer_to};
use crate::support::{TestDatabase, database, wait_until};

const FILES: u64 = 8;
const ROWS_PER_FILE: u64 = 3_000;

struct Place {
    database: TestDatabase,
    generator: Generator,
    /// The files with odd numbers are in the first one's inbox, the others in the second one's.
    homes: [Home; 2],
    watcher: Watcher,
}

impl Place {
    fn new(keyed: bool) -> Place {
        let database = database();
        make_slow_table(&mut database.client(), keyed);
        let create = "create = true\n";
        let mut text = replaced(ECOMMERCE, create, &format!("{create}{SMALL}"));
        if !keyed {
            text = replaced(&text, "key = [\"event_id\"]\n", "");
        }
        let (_, generator) = answer_to(FILES, ROWS_PER_FILE);
        let homes = [(); 2].map(|()| Home::new(Some(&database.url), LEASE, &text));
        for file in 1..=FILES {
            let inbox = homes[(file as usize + 1) % 2].directory("inbox/ecommerce");
            let mut writer = FileWriter::new(&inbox).expect("a directory");
            writer.write(&generator, file).expect("written");
        }
        Place {
            watcher: Watcher::new(&database.url),
            database,
            generator,
            homes,
        }
    }

    /// The first host dies, and nobody sees its disk any more; where that is now.
    fn lose(&self, first: Service) -> PathBuf {
        // Stopped, it lives until its disk is gone.
        first.signal(Signal::STOP);
        let data = self.homes[0].data();
        let hidden = data.with_extension("hidden");
        std::fs::rename(&data, &hidden).expect("renamed");
        first.kill();
        hidden
    }

    /// Its disk is back.
    fn find(&self, hidden: PathBuf) {
        std::fs::rename(hidden, self.homes[0].data()).expect("renamed");
    }

    /// How many files are in a state.
    fn count(&self, state: &str) -> i64 {
        let sql = "select count(*) from ingestd.files where state = $1";
        let row = self.database.client().query_one(sql, &[&state]);
        row.expect("a count").get(0)
    }

    fn assert_complete(&self, keyed: bool) {
        assert_loaded_once(&mut self.database.client(), &self.generator, keyed);
        for (index, home) in self.homes.iter().enumerate() {
            let mut expected: Vec<String> = (1..=FILES)
                .filter(|file| (*file as usize + 1) % 2 == index)
                .map(|file| self.generator.file_name(file))
                .collect();
            expected.sort();
            assert_eq!(names_in(&home.data().join("archive/ecommerce")), expected);
            assert_eq!(names_in(&home.data().join("inbox/ecommerce")), [""; 0]);
        }
    }
}

#[test]
fn where_both_load_each_loads_what_it_sees() {
    let mut place = Place::new(false);
    let first = place.homes[0].run();
    let second = place.homes[1].run();
    let last = place
        .watcher
        .wait_for(|now| now.is_all() || now.records > 600);
    assert!(!last.is_all());
    let hidden = place.lose(first);
    // What the first has left is not to be seen by the second, and so it stays as it is.
    let half = FILES as i64 / 2;
    place
        .watcher
        .wait_for(|now| now.records > 0 && now.unfinished <= half);
    assert_eq!(place.count("FAILED"), 0);
    place.find(hidden);
    let first = place.homes[0].run();
    place.watcher.wait_for(|now| now.is_all());
    first.stop();
    second.stop();
    place.assert_complete(false);
}

#[test]
fn where_one_loads_the_others_files_wait_for_its_turn() {
    let mut place = Place::new(true);
    let first = place.homes[0].run();
    place.watcher.wait_for(|now| now.records > 0);
    let second = place.homes[1].run();
    let hidden = place.lose(first);
    let half = FILES as i64 / 2;
    wait_until(Duration::from_secs(60), || place.count("ARCHIVED") >= half);
    assert_eq!(place.count("FAILED"), 0);
    second.stop();
    place.find(hidden);
    let first = place.homes[0].run();
    place
        .watcher
        .wait_for(|now| now.is_all() && now.records == (FILES * ROWS_PER_FILE) as i64);
    first.stop();
    // The order between the two is not the files': so the rows are compared without that.
    let sums = "select count(*), sum(records)::bigint from ingestd.files where state = 'ARCHIVED'";
    let row = place.database.client().query_one(sums, &[]).expect("sums");
    assert_eq!(row.get::<_, i64>(0), FILES as i64);
    assert_eq!(row.get::<_, i64>(1), (FILES * ROWS_PER_FILE) as i64);
    let mut client = place.database.client();
    let rows = client.query_one("select count(*) from raw_events", &[]);
    let mut expected = Vec::new();
    let expected = place.generator.write_expected_table(&mut expected);
    assert_eq!(
        rows.expect("a count").get::<_, i64>(0).cast_unsigned(),
        expected.expect("counted")
    );
}
