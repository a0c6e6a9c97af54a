//! Files in dialects of their own, from the inbox into the table.

use std::fs;
use std::path::PathBuf;

use postgres::Client;

use crate::support::home::{Home, drop_file, replaced};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

/// A configured pipeline with a table of three columns: id, name, amount.
struct Place {
    client: Client,
    home: Home,
    inbox: PathBuf,
    // The last to go: the others are connected to it.
    _database: TestDatabase,
}

impl Place {
    /// `keys` are the pipeline's keys beside directory and table.
    fn new(keys: &str) -> Place {
        let database = database();
        let mut client = database.client();
        client
            .batch_execute("create table things (id integer, name text, amount numeric)")
            .expect("a table");
        let pipeline = format!(
            "[pipelines.things]
             directory = \"inbox/things\"
             table = \"public.things\"
             scan_interval = \"100ms\"
             {keys}"
        );
        let home = Home::new(Some(&database.url), "", &pipeline);
        Place {
            client,
            inbox: home.directory("inbox/things"),
            home,
            _database: database,
        }
    }

    fn wait_for(&mut self, files: i64, state: &str) {
        let query = "select count(*) from ingestd.files where state = $1";
        wait_until(PATIENCE, || {
            let count = self.client.query_one(query, &[&state]);
            count.is_ok_and(|row| row.get::<_, i64>(0) >= files)
        });
    }

    /// The answer of a query: a line a row, `|` between columns, `NULL` for NULL.
    fn ask(&mut self, columns: &str, rest: &str) -> Vec<String> {
        let query = format!("select concat_ws('|', {columns}) {rest}");
        let rows = self.client.query(&query, &[]).expect("an answer");
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn things(&mut self) -> Vec<String> {
        let columns = "id, coalesce('<' || name || '>', 'NULL'), coalesce(amount::text, 'NULL')";
        self.ask(columns, "from things order by id")
    }

    fn dead_letters(&mut self) -> Vec<String> {
        let columns = "record, line, byte_offset, reason, column_name";
        self.ask(columns, "from ingestd.dead_letters order by record")
    }
}

#[test]
fn a_report_with_a_dialect_of_its_own_is_loaded_to_its_last_byte() {
    let mut place = Place::new(
        r#"delimiter = "||"
           quote = "'"
           escape = '\'
           comment = "%"
           trim = true
           skip_lines = 2
           null = ["", "NA"]
           quoted_null = ["?"]
           columns = [
               { name = "id", required = true },
               { name = "name" },
               { name = "amount", null = ["-"], minimum = 0 },
           ]"#,
    );
    let service = place.home.run();
    let preamble = "\u{FEFF}Things, \"all of them\r\nas of today\r\n% by hand\r\n\r\n";
    // More than is read at once.
    let remarks = "% not a record, 'even so\r\n".repeat(20_000);
    let records = format!(
        "id || name ||amount\r\n\
                   1 || 'it\\'s ' || 1.5\r\n\
                   {remarks}\
                   2 || NA || -\r\n\
                   \t\r\n\
                   3 || 'two\r\n% lines' || '0'\r\n\
                   NA || x || 1\r\n\
                   5 || '?' ||\r\n\
                   6 || a|b || 7"
    );
    drop_file(&place.inbox, "report.csv", format!("{preamble}{records}"));
    place.wait_for(1, "ARCHIVED");
    let expected = [
        "1|<it's >|1.5",
        "2|NULL|NULL",
        "3|<two\r\n% lines>|0",
        "6|<a|b>|7",
    ];
    assert_eq!(place.things(), expected);
    // An empty field is no NULL where the column has spellings of its own.
    let at = |text: &str| preamble.len() + records.find(text).expect("written above");
    let letters = [
        format!("4|20011|{}|missing_value|id", at("NA || x")),
        format!("5|20012|{}|invalid_value|amount", at("5 ||")),
    ];
    assert_eq!(place.dead_letters(), letters);
    let counts = place.ask("records, inserted, rejected", "from ingestd.files");
    assert_eq!(counts, ["6|4|2"]);
    service.stop();
}

#[test]
fn a_file_without_header_and_last_line_end_is_loaded_whole() {
    let mut place = Place::new(
        r#"delimiter = "tab"
           quote = false
           header = false
           skip_lines = 1
           null = ["\\N"]
           columns = [{ name = "id" }, { name = "name" }, { name = "amount" }]"#,
    );
    let service = place.home.run();
    drop_file(
        &place.inbox,
        "a.csv",
        "-- a dump\n1\t5\" pipe\t\\N\n2\t\"\t2\n3\t\t3",
    );
    drop_file(&place.inbox, "b.csv", "-- an empty one");
    place.wait_for(2, "ARCHIVED");
    assert_eq!(place.things(), ["1|<5\" pipe>|NULL", "2|<\">|2", "3|<>|3"]);
    let counts = place.ask("records, inserted", "from ingestd.files order by path");
    assert_eq!(counts, ["3|3", "0|0"]);
    service.stop();
}

#[test]
fn an_unfinished_file_ends_in_the_dialect_it_was_begun_in() {
    let keys =
        "delimiter = \"; \"\ncomment = \"#\"\nnull = [\"-\"]\nbatch_rows = 100\npartitions = 1";
    let mut place = Place::new(keys);
    // The 2,000th row waits for a lock, so that the service is killed in the middle.
    let gate = "create function gate() returns trigger language plpgsql as $$
                begin perform pg_advisory_xact_lock_shared(1); return new; end $$;
                create trigger gate before insert on things for each row
                when (new.id = 2000) execute function gate();
                select pg_advisory_lock(1)";
    place.client.batch_execute(gate).expect("a gate");
    let records = (1..=4_000).map(|id| match id % 10 {
        0 => format!("# {id}; -; 1\n{id}; -; 1\n"),
        5 => format!("{id}; \"na;\nme\"; 1\n"),
        _ => format!("{id}; name; 1\n"),
    });
    let content: String = std::iter::once("id; name; amount\n".into())
        .chain(records)
        .collect();
    drop_file(&place.inbox, "a.csv", content);
    let service = place.home.run();
    let waits = "from pg_locks where locktype = 'advisory' and objid = 1 and not granted
                 and database = (select oid from pg_database where datname = current_database())";
    wait_until(PATIENCE, || !place.ask("pid", waits).is_empty());
    service.kill();
    assert!((1..2_000).contains(&place.things().len()));

    let path = place.home.data().with_file_name("ingestd.toml");
    let written = fs::read_to_string(&path).expect("a configuration");
    let other = "delimiter = \"|\"\nnull = [\"name\"]\nbatch_rows = 100\npartitions = 1";
    fs::write(&path, replaced(&written, keys, other)).expect("written");
    place
        .client
        .batch_execute("select pg_advisory_unlock_all()")
        .expect("opened");
    drop_file(
        &place.inbox,
        "b.csv",
        "id|name|amount\n4001|name|1\n# 4002|-|1\n",
    );
    let service = place.home.run();
    place.wait_for(2, "ARCHIVED");
    let things = place.things();
    let expected = (1..=4_001).map(|id| match id {
        4_001 => format!("{id}|NULL|1"),
        _ if id % 10 == 0 => format!("{id}|NULL|1"),
        _ if id % 10 == 5 => format!("{id}|<na;\nme>|1"),
        _ => format!("{id}|<name>|1"),
    });
    assert!(
        things.iter().cloned().eq(expected),
        "{} things",
        things.len()
    );
    let counts = place.ask(
        "records, inserted, rejected",
        "from ingestd.files order by path",
    );
    assert_eq!(counts, ["4000|4000|0", "2|1|1"]);
    service.stop();
}
