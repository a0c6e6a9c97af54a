//! Four pipelines in one service, which pass every step between them, and what must be there at the end.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use postgres::{Client, Statement};

use crate::support::home::{Home, Service, drop_file, names_in};
use crate::support::{TestDatabase, database};

/// `items` has a key, two partitions, records that are no rows and rows that the server refuses; `whole`
/// is loaded file by file, all or nothing, into an archive that is compressed; the files of `log` are
/// deleted after a while; of `kept`, some are quarantined, and the archive forgets the others.
const CONFIGURATION: &str = r#"
[alerting]
interval = "100ms"

[pipelines.items]
directory = "inbox/items"
pattern = "*.csv{,.gz}"
table = "items"
key = ["id"]
partitions = 2
batch_rows = 20
archive = "archive/items"
quarantine = false
settle = "10ms"
scan_interval = "200ms"

[pipelines.whole]
directory = "inbox/whole"
table = "whole"
key = ["id"]
partitions = 1
all_or_nothing = true
archive = "archive/whole"
archive_compression = "zstd"
settle = "10ms"
scan_interval = "200ms"

[pipelines.log]
directory = "inbox/log"
table = "log"
partitions = 1
finished = "delete"
delete_after = "1s"
settle = "10ms"
scan_interval = "200ms"

[pipelines.kept]
directory = "inbox/kept"
table = "kept"
partitions = 1
max_errors = 2
archive = "archive/kept"
archive_retention = "1s"
quarantine = "quarantine/kept"
settle = "10ms"
scan_interval = "200ms"
"#;

/// At any port that is free.
const LISTEN: (&str, &str) = ("INGESTD__HTTP__LISTEN", "127.0.0.1:0");

/// So many of them.
pub const PIPELINES: usize = 4;

const TABLES: &str = "
    create table items (id int primary key, amount int check (amount >= 0), source text);
    create table whole (id int primary key, amount int, source text);
    create table log (id int, amount int, source text);
    create table kept (id int, amount int, source text);";

/// How many files have come to their end.
const LOADED: &str = "
    select count(*) from ingestd.files
    where state = 'ARCHIVED'
       or state = 'QUARANTINED' and archived_at is not null
       or state = 'COMMITTED' and pipeline = 'log'";
/// How much there is left to do, of whatever kind.
const LEFT: &str = "
    select (select count(*) from ingestd.deferred_indexes)
         + (select count(*) from ingestd.files
            where archived_at is null
               or pipeline = 'kept' and state = 'ARCHIVED' and archive_removed_at is null)";

/// How many records a file has.
const MANY: usize = 60;
const FEW: usize = 30;
/// So many at the start of a file that are all refused are enough to quarantine it.
const HOPELESS: usize = 1_000;
/// Where the first file of a wave has a record that is no row, one of another type, and one that a
/// constraint refuses.
const BAD: [usize; 3] = [10, 30, 20];

/// The scene.
pub struct Place {
    pub home: Home,
    client: Client,
    /// What is asked again and again: how many files are loaded, and how much is left to do.
    loaded: Statement,
    left: Statement,
    _database: TestDatabase,
    waves: usize,
}

impl Place {
    /// With the ledger there and nothing to load; `service` are keys of the service.
    pub fn new(service: &str) -> Place {
        let database = database();
        let mut client = database.client();
        client.batch_execute(TABLES).expect("tables");
        let home = Home::new(Some(&database.url), service, CONFIGURATION);
        for name in ["items", "whole", "log", "kept"] {
            home.directory(&format!("inbox/{name}"));
        }
        let migrated = home.ask(&["migrate"]);
        let said = String::from_utf8_lossy(&migrated.stderr);
        assert!(migrated.status.success(), "{said}");
        let (loaded, left) = (client.prepare(LOADED), client.prepare(LEFT));
        Place {
            home,
            loaded: loaded.expect("a question"),
            left: left.expect("a question"),
            client,
            _database: database,
            waves: 0,
        }
    }

    /// Starts the service with these failpoints.
    pub fn start(&self, failpoints: &str) -> Service {
        // A panic on purpose needs no backtrace, which takes the service a quarter of a second and more.
        let variables = [("FAILPOINTS", failpoints), ("RUST_BACKTRACE", "0"), LISTEN];
        self.home.start_with(&["run"], &variables)
    }

    fn inbox(&self, name: &str) -> PathBuf {
        self.home.data().join("inbox").join(name)
    }

    /// One more set of files, of which each passes some of the steps, and an index to be built.
    pub fn drop_wave(&mut self) {
        let wave = self.waves;
        self.waves += 1;
        let index = format!(
            "insert into ingestd.pipelines (name) values ('items') on conflict do nothing;
             insert into ingestd.deferred_indexes (pipeline, relation, name, columns)
             values ('items', 'items'::regclass, 'items_{wave}', array['amount'])"
        );
        self.client.batch_execute(&index).expect("written down");
        let text = |name: &str, count| text(ids(wave, name, count), name, wave);
        let mut first: Vec<String> = text("a", MANY).lines().map(str::to_owned).collect();
        let id = |number: usize| wave * 1_000 + number;
        first[BAD[0]] = format!("{},1,a,what,is,this", id(BAD[0]));
        first[BAD[1]] = format!("{},many,a", id(BAD[1]));
        first[BAD[2]] = format!("{},-1,a", id(BAD[2]));
        let items = self.inbox("items");
        drop_file(&items, &format!("{wave}a.csv"), first.join("\n") + "\n");
        drop_file(&items, &format!("{wave}b.csv.gz"), gzip(&text("b", FEW)));
        for name in ["c", "d"] {
            let whole = self.inbox("whole");
            drop_file(&whole, &format!("{wave}{name}.csv"), text(name, FEW));
        }
        for name in ["e", "f"] {
            let log = self.inbox("log");
            drop_file(&log, &format!("{wave}{name}.csv"), text(name, FEW));
        }
        let kept = self.inbox("kept");
        drop_file(&kept, &format!("{wave}g.csv"), text("g", FEW));
        drop_file(&kept, &format!("{wave}h.csv"), text("h", FEW));
        let mut bad: Vec<String> = text("x", FEW).lines().map(str::to_owned).collect();
        for (number, line) in bad.iter_mut().enumerate().take(6).skip(1) {
            *line = format!("{},none,x", id(number));
        }
        let bad = bad.join("\n") + "\n";
        drop_file(&kept, &format!("{wave}x.csv"), bad);
        let hopeless = format!("id,amount,source\n{}", "1,none,z\n".repeat(HOPELESS));
        drop_file(&kept, &format!("{wave}z.csv"), hopeless);
    }

    fn files(&self) -> i64 {
        self.waves as i64 * 10
    }

    /// Whether every file has come to its end.
    pub fn is_loaded(&mut self) -> bool {
        self.answer(|place| &place.loaded) == self.files()
    }

    /// Whether there is nothing left to do for anybody.
    pub fn is_at_rest(&mut self) -> bool {
        self.is_loaded() && self.answer(|place| &place.left) == 0
    }

    fn answer(&mut self, question: impl Fn(&Place) -> &Statement) -> i64 {
        let question = question(self).clone();
        let row = self.client.query_one(&question, &[]);
        row.expect("an answer").get(0)
    }

    /// What the ledger says of files that have not come to their end.
    pub fn unfinished(&mut self) -> String {
        self.lines(
            "select f::text from ingestd.files f
             where archived_at is null or state not in ('ARCHIVED', 'QUARANTINED')
             union all select d::text from ingestd.deferred_indexes d",
        )
        .join("\n")
    }

    pub fn number(&mut self, query: &str) -> i64 {
        let row = self.client.query_one(query, &[]).expect(query);
        row.get(0)
    }

    /// The first column of the first row; nothing where there is none.
    pub fn text(&mut self, query: &str) -> String {
        let row = self.client.query_opt(query, &[]).expect(query);
        let text = row.and_then(|row| row.get::<_, Option<String>>(0));
        text.unwrap_or_default()
    }

    fn lines(&mut self, query: &str) -> Vec<String> {
        let rows = self.client.query(query, &[]).expect(query);
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Fails unless everything is there exactly once, and nothing else is.
    pub fn assert_exactly_once(&mut self) {
        for (table, names) in [
            ("items", &["a", "b"][..]),
            ("whole", &["c", "d"]),
            ("log", &["e", "f"]),
            ("kept", &["g", "h"]),
        ] {
            let rows = format!("select concat_ws(',', id, amount, source) from {table}");
            let mut rows = self.lines(&rows);
            rows.sort();
            assert_eq!(rows, self.expected_rows(names), "the rows of {table}");
        }
        self.assert_ledger();
        self.assert_places();
    }

    fn expected_rows(&self, names: &[&str]) -> Vec<String> {
        let mut rows = BTreeSet::new();
        for wave in 0..self.waves {
            for name in names {
                let count = if *name == "a" { MANY } else { FEW };
                for (number, id) in ids(wave, name, count).enumerate() {
                    let replaced = *name == "a" && number < FEW;
                    let refused = *name == "a" && BAD.contains(&(number + 1));
                    if !replaced && !refused {
                        rows.insert(format!("{id},{},{name}", amount(number, wave)));
                    }
                }
            }
        }
        rows.into_iter().collect()
    }

    fn assert_ledger(&mut self) {
        let states = self.lines(
            "select regexp_replace(path, '^.*/', '') || ' ' || state from ingestd.files order by path",
        );
        let mut expected = Vec::new();
        for wave in 0..self.waves {
            let archived = [
                "a.csv", "b.csv.gz", "c.csv", "d.csv", "e.csv", "f.csv", "g.csv", "h.csv",
            ];
            expected.extend(archived.map(|name| format!("{wave}{name} ARCHIVED")));
            expected.extend(["x.csv", "z.csv"].map(|name| format!("{wave}{name} QUARANTINED")));
        }
        expected.sort();
        let mut states = states;
        states.sort();
        assert_eq!(states, expected, "the files");
        let letters = self.lines(
            "select concat_ws(' ', regexp_replace(f.path, '^.*/', ''), d.record)
             from ingestd.dead_letters d join ingestd.files f using (file_id)
             where f.pipeline = 'items' order by d.record",
        );
        let mut bad = BAD;
        bad.sort();
        let expected = bad
            .iter()
            .flat_map(|record| (0..self.waves).map(move |wave| format!("{wave}a.csv {record}")));
        let (mut letters, mut expected): (Vec<_>, Vec<_>) = (letters, expected.collect());
        letters.sort();
        expected.sort();
        assert_eq!(letters, expected, "the dead letters");
        let wrong = "select count(*) from ingestd.files
                     where state = 'ARCHIVED' and records is distinct from inserted + updated
                           + unchanged + duplicate + deleted + filtered + rejected";
        assert_eq!(self.number(wrong), 0, "the counts don't add up");
        let left = "select count(*) from ingestd.checkpoints join ingestd.files f using (file_id)
                    where f.state <> 'QUARANTINED'";
        assert_eq!(self.number(left), 0, "checkpoints are left");
        let staged = "select count(*) from pg_class where relname like 'staged\\_%'";
        assert_eq!(self.number(staged), 0, "staging tables are left");
        let indexes =
            "select count(*) from pg_index where indrelid = 'items'::regclass and indisvalid";
        assert_eq!(self.number(indexes), 1 + self.waves as i64, "the indexes");
    }

    fn assert_places(&self) {
        let data = self.home.data();
        let names = |place: &str| names_in(&data.join(place));
        for inbox in ["items", "whole", "log", "kept"] {
            assert_eq!(
                names(&format!("inbox/{inbox}")),
                [""; 0],
                "inbox of {inbox}"
            );
        }
        let of_waves = |endings: &[&str]| {
            let name = |wave| endings.iter().map(move |ending| format!("{wave}{ending}"));
            let mut names: Vec<String> = (0..self.waves).flat_map(name).collect();
            names.sort();
            names
        };
        assert_eq!(names("archive/items"), of_waves(&["a.csv", "b.csv.gz"]));
        assert_eq!(
            names("archive/whole"),
            of_waves(&["c.csv.zst", "d.csv.zst"])
        );
        assert_eq!(names("archive/kept"), [""; 0]);
        let quarantined = ["x.csv", "x.csv.reason", "z.csv", "z.csv.reason"];
        assert_eq!(names("quarantine/kept"), of_waves(&quarantined));
        for wave in 0..self.waves {
            let packed = std::fs::File::open(data.join(format!("archive/whole/{wave}c.csv.zst")));
            let whole = zstd::stream::decode_all(packed.expect("archived")).expect("zstd");
            assert!(whole == text(ids(wave, "c", FEW), "c", wave).as_bytes());
            let plain = read(&data.join(format!("archive/items/{wave}b.csv.gz")));
            assert!(plain == gzip(&text(ids(wave, "b", FEW), "b", wave)));
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("archived")
}

/// The ids of a file: `b` comes after `a`, and has the same.
fn ids(wave: usize, name: &str, count: usize) -> impl Iterator<Item = usize> {
    let after = match name {
        "a" | "b" => 0,
        name => usize::from(name.as_bytes()[0] - b'b') * 100,
    };
    (1..=count).map(move |number| wave * 1_000 + after + number)
}

fn amount(number: usize, wave: usize) -> usize {
    number + 1 + wave
}

fn text(ids: impl Iterator<Item = usize>, name: &str, wave: usize) -> String {
    let lines = ids.enumerate().map(|(number, id)| {
        let amount = amount(number, wave);
        format!("{id},{amount},{name}\n")
    });
    format!("id,amount,source\n{}", lines.collect::<String>())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).expect("in memory");
    gzip.finish().expect("in memory")
}
