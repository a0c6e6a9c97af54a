//! What has no bound by itself: each ends in a clear state of its file, leaves the others going on,
//! and takes no more memory than is documented.
//!
//! Ordinary runs try it in small. With `BOUNDS=full` the same tests take the sizes that
//! `docs/reliability.md` speaks of; each says how long it took, and what the service had resident.

mod archives;
mod entries;
mod many;
mod meanwhile;
mod records;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use postgres::{Client, Transaction};

use crate::support::home::{Home, Service, drop_file, names_in};
use crate::support::{TestDatabase, database, wait_until};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What the pipeline may have in flight.
const MEMORY: u64 = 8 * MIB;
/// What the buffers of one file, of its largest record and of the connections take beside that.
const BESIDE: u64 = 8 * MIB;

/// Whether everything is to be tried in the size that it may have.
fn full() -> bool {
    std::env::var("BOUNDS").is_ok_and(|it| it == "full")
}

/// A size: of ordinary runs, or of those in full.
fn sized(small: u64, large: u64) -> u64 {
    if full() { large } else { small }
}

fn patience() -> Duration {
    Duration::from_secs(sized(180, 7200))
}

/// A running service with one pipeline without a key: what is loaded twice is there twice.
struct Place {
    client: Client,
    service: Option<Service>,
    home: Home,
    inbox: PathBuf,
    since: Instant,
    // The last to go: the others are connected to it.
    database: TestDatabase,
}

/// What the ledger says of a file.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    state: String,
    size: i64,
    records: i64,
    inserted: i64,
    rejected: i64,
    reason: String,
}

impl Account {
    /// The state, and the records: how many, of them inserted and refused.
    fn counts(&self) -> (&str, i64, i64, i64) {
        (&self.state, self.records, self.inserted, self.rejected)
    }
}

/// A dead letter: record, line, reason, the record's length, and how much of it is kept.
type Letter = (i64, i64, String, i64, i64);

impl Place {
    /// `keys` are further keys of the pipeline.
    fn new(keys: &str) -> Place {
        let mut place = Place::prepared("", keys);
        place.start();
        place
    }

    /// One that was not started yet. `service` are keys of its section.
    fn prepared(service: &str, keys: &str) -> Place {
        let database = database();
        let home = Home::new(Some(&database.url), service, &pipeline("things", keys));
        Place {
            client: database.client(),
            service: None,
            inbox: home.directory("inbox/things"),
            home,
            since: Instant::now(),
            database,
        }
    }

    fn start(&mut self) {
        self.service = Some(self.home.run());
        wait_until(patience(), || self.home.log().contains("pipeline starts"));
        self.since = Instant::now();
    }

    fn service(&self) -> &Service {
        self.service.as_ref().expect("it was started")
    }

    fn drop_file(&self, name: &str, content: impl AsRef<[u8]>) {
        drop_file(&self.inbox, name, content);
    }

    /// Drops a file that is too large to be held.
    fn drop_written(&self, name: &str, write: impl FnOnce(&mut BufWriter<File>)) -> u64 {
        let hidden = self.inbox.join(".being-written");
        let file = File::create(&hidden).expect("a file");
        let mut file = BufWriter::with_capacity(1 << 20, file);
        write(&mut file);
        let file = file.into_inner().expect("written");
        let size = file.metadata().expect("a file").len();
        fs::rename(hidden, self.inbox.join(name)).expect("renamed");
        size
    }

    /// Waits until the newest file of a name has come to an end, and returns what the ledger says.
    fn end_of(&mut self, name: &str) -> Account {
        let ends = ["ARCHIVED", "QUARANTINED", "SKIPPED", "FAILED"];
        let mut found = None;
        wait_until(patience(), || {
            found = self.account(name);
            found.as_ref().is_some_and(|it| ends.contains(&&*it.state))
        });
        found.expect("it was found")
    }

    fn account(&mut self, name: &str) -> Option<Account> {
        let query = "select state, size, coalesce(records, 0), coalesce(inserted, 0),
                            coalesce(rejected, 0), coalesce(reason, '')
                     from ingestd.file_status where regexp_replace(path, '^.*/', '') = $1
                     order by file_id desc limit 1";
        let row = self.client.query_opt(query, &[&name]).ok()??;
        Some(Account {
            state: row.get(0),
            size: row.get(1),
            records: row.get(2),
            inserted: row.get(3),
            rejected: row.get(4),
            reason: row.get(5),
        })
    }

    /// The ids in the table, in order.
    fn ids(&mut self) -> Vec<i32> {
        let rows = self.client.query("select id from things order by id", &[]);
        let rows = rows.unwrap_or_default();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The first dead letters of a file, of at most ten.
    fn letters(&mut self, name: &str) -> Vec<Letter> {
        let query = "select record, line, d.reason, d.length, length(raw)::bigint
                     from ingestd.dead_letters d join ingestd.files using (file_id)
                     where path like '%/' || $1 order by record limit 10";
        let rows = self.client.query(query, &[&name]).expect("dead letters");
        let letter =
            |row: &postgres::Row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
        rows.iter().map(letter).collect()
    }

    /// How many files the ledger knows.
    fn files(&mut self) -> i64 {
        let count = "select count(*) from ingestd.files";
        self.client.query_one(count, &[]).expect("a count").get(0)
    }

    /// Drops a good file, and waits until it is loaded; nothing has had to start again for that.
    fn others_go_on(&mut self) {
        let id = -i32::try_from(self.files()).expect("a few") - 1;
        let name = format!("other{id}.csv");
        self.drop_file(&name, csv([id]));
        assert_eq!(self.end_of(&name).counts(), ("ARCHIVED", 1, 1, 0));
        let log = self.home.log();
        assert!(!log.contains("restarts"), "{log}");
        assert!(!log.contains("makes no progress"), "{log}");
    }

    /// Fails where the service took more memory than it may; `more` is what is expected beside
    /// what it may always have.
    fn assert_bounded(&self, what: &str, more: u64) {
        let peak = self.service().peak_memory() << 10;
        let rest = at_rest();
        let most = rest + MEMORY + BESIDE + more;
        let spent = self.since.elapsed();
        eprintln!(
            "bounds: {what}: {spent:.1?}, peak {} MiB, {} at rest, at most {}",
            peak / MIB,
            rest / MIB,
            most / MIB
        );
        assert!(peak < most, "{what}: {peak} bytes resident, {rest} at rest");
    }

    fn archived(&self) -> Vec<String> {
        names_in(&self.home.directory("archive/things"))
    }

    fn quarantined(&self) -> Vec<String> {
        names_in(&self.home.directory("quarantine/things"))
    }

    fn left(&self) -> Vec<String> {
        names_in(&self.inbox)
    }

    /// Waits until the log has a line with all of these words.
    fn wait_for_line(&self, words: &[&str]) -> String {
        let mut found = None;
        wait_until(patience(), || {
            let log = self.home.log();
            let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
            found = log.lines().find(has_all).map(str::to_owned);
            found.is_some()
        });
        found.expect("it was found")
    }

    /// A transaction that lets nobody write into the table.
    fn hold_the_table(client: &mut Client) -> Transaction<'_> {
        let mut holding = client.transaction().expect("a transaction");
        let lock = holding.batch_execute("lock table things in exclusive mode");
        lock.expect("the table");
        holding
    }
}

/// A pipeline by this name, into a table by its name.
fn pipeline(name: &str, keys: &str) -> String {
    format!(
        "[pipelines.{name}]
         directory = \"inbox/{name}\"
         table = \"{name}\"
         create = true
         scan_interval = \"100ms\"
         partitions = 2
         memory = \"{MEMORY}\"
         {keys}
         columns = [
             {{ name = \"id\", type = \"integer\", required = true }},
             {{ name = \"name\", type = \"text\" }},
         ]\n"
    )
}

/// What the program has resident that loads a file of a few rows: it is large where it is not
/// optimised.
fn at_rest() -> u64 {
    static AT_REST: OnceLock<u64> = OnceLock::new();
    *AT_REST.get_or_init(|| {
        let mut place = Place::new("");
        place.others_go_on();
        place.service().peak_memory() << 10
    })
}

/// A file of some ids.
fn csv(ids: impl IntoIterator<Item = i32>) -> String {
    let lines = ids.into_iter().map(|id| format!("{id},name {id}\n"));
    format!("id,name\n{}", lines.collect::<String>())
}

/// Writes so many bytes, by writing a text again and again; the last time perhaps a part of it.
fn repeat(out: &mut impl Write, text: &[u8], bytes: u64) {
    let block = text.repeat((1 << 18) / text.len() + 1);
    let mut left = bytes;
    while left > 0 {
        let now = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        out.write_all(&block[..now]).expect("written");
        left -= now as u64;
    }
}
