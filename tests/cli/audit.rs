//! `audit`: what holds, and what does not once somebody has tampered with it.

use std::fs;

use serde_json::Value;

use crate::support::home::{Home, names_in};
use crate::support::{TestDatabase, database, wait_until};

struct Shop {
    home: Home,
    database: TestDatabase,
}

impl Shop {
    /// A file of 100 records, of which two are none, the server refuses one, one is filtered, and
    /// one comes twice.
    fn loaded() -> Shop {
        Shop::loaded_with("")
    }

    fn loaded_with(keys: &str) -> Shop {
        let database = database();
        let mut client = database.client();
        client
            .batch_execute(
                "create table events (id int primary key, price int check (price > 0), at text)",
            )
            .expect("a table");
        let home = Home::new(
            Some(&database.url),
            "",
            &format!(
                "[pipelines.events]\ndirectory = \"inbox\"\ntable = \"events\"\nkey = [\"id\"]\n\
             settle = \"10ms\"\nscan_interval = \"50ms\"\nother_columns = \"load\"\n\
             columns = [{{ name = \"at\", from = \"load_time\" }}]\n\
             filters = [{{ field = \"id\", not_in = [\"50\"] }}]\n{keys}"
            ),
        );
        let mut text = "id,price\n".to_owned();
        for id in 1..=100 {
            text.push_str(&match id {
                10 => "10,x\n".to_owned(),
                20 => "20\n".to_owned(),
                30 => "30,-1\n".to_owned(),
                40 => "39,5\n".to_owned(),
                _ => format!("{id},1\n"),
            });
        }
        fs::write(home.directory("inbox").join("a.csv"), text).expect("written");
        let service = home.run();
        wait_until(std::time::Duration::from_secs(60), || {
            let sql = "select count(*) from ingestd.files where state = 'ARCHIVED'";
            client
                .query_one(sql, &[])
                .is_ok_and(|row| row.get::<_, i64>(0) == 1)
        });
        service.stop();
        Shop { home, database }
    }

    fn audit(&self) -> (Value, Option<i32>) {
        let output = self.home.ask(&["audit", "1", "--json"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let report: Value = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
        (report[0].clone(), output.status.code())
    }

    fn execute(&self, sql: &str) {
        self.database.client().batch_execute(sql).expect(sql);
    }

    fn assert_fails(&self, hint: &str) {
        let (report, code) = self.audit();
        assert_eq!(
            (code, &report["holds"]),
            (Some(1), &false.into()),
            "{report:#}"
        );
        let problems = report["problems"].to_string();
        assert!(problems.contains(hint), "{hint}: {problems}");
    }
}

#[test]
fn what_was_loaded_holds_and_its_figures_are_shown() {
    let shop = Shop::loaded();
    let (report, code) = shop.audit();
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["problems"], Value::Array(Vec::new()));
    let number = |key: &str| report[key].as_u64().expect("a number");
    assert_eq!(
        (number("records"), number("rejected"), number("filtered")),
        (100, 3, 1)
    );
    assert_eq!((number("inserted"), number("duplicate")), (95, 1));
    assert_eq!(report["read_again"]["dead_letters"], 2);
    let output = shop.home.ask(&["audit", "a.csv"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("100 = 95 inserted + 0 updated"), "{text}");
    assert!(text.contains("verdict       holds"), "{text}");
    let output = shop.home.ask(&["audit", "--all"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("1 file audited, 0 of which") || text.contains("holds"),
        "{text}"
    );
}

#[test]
fn a_ledger_that_was_tampered_with_does_not_hold() {
    let shop = Shop::loaded();
    for (wrong, right, hint) in [
        (
            "inserted = inserted - 1",
            "inserted = inserted + 1",
            "accounts for 99",
        ),
        (
            "filtered = 0, inserted = inserted + 1",
            "filtered = 1, inserted = inserted - 1",
            "1 were found again",
        ),
        (
            "records = 99, inserted = inserted - 1",
            "records = 100, inserted = inserted + 1",
            "100 were read again",
        ),
        ("state = 'FAILED'", "state = 'ARCHIVED'", "it is FAILED"),
        (
            "content_hash = head_hash",
            "content_hash = content_hash",
            "other content",
        ),
    ] {
        let was: Vec<u8> = {
            let row = shop
                .database
                .client()
                .query_one("select content_hash from ingestd.files", &[]);
            row.expect("a row").get(0)
        };
        shop.execute(&format!("update ingestd.files set {wrong}"));
        shop.assert_fails(hint);
        shop.execute(&format!("update ingestd.files set {right}"));
        let mut client = shop.database.client();
        client
            .execute("update ingestd.files set content_hash = $1", &[&was])
            .expect("restored");
        assert_eq!(shop.audit().1, Some(0), "{right}");
    }
    shop.execute("update ingestd.dead_letters set reason = 'nul_byte' where record = 20");
    shop.assert_fails("record 20 has a dead letter with another reason");
    shop.execute("delete from ingestd.dead_letters where record = 20");
    shop.assert_fails("has 2 dead letters");
    shop.assert_fails("record 20 is no row, and has no dead letter");
}

#[test]
fn a_file_that_was_tampered_with_or_is_gone_does_not_hold() {
    let shop = Shop::loaded();
    let path = shop.home.data().join("archive/events/a.csv");
    let whole = fs::read(&path).expect("archived");
    let mut changed = whole.clone();
    changed[12] = b'7';
    fs::write(&path, &changed).expect("written");
    shop.assert_fails("has other content than was loaded");
    fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    shop.assert_fails("bytes, and other content");
    fs::write(&path, [&whole[..], b"x\n"].concat()).expect("written");
    shop.assert_fails("behind them 2 that nobody has loaded");
    fs::remove_file(&path).expect("removed");
    shop.assert_fails("its content is gone");
}

/// It was called a fault of each file, and `audit --all` of such a pipeline never held.
#[test]
fn what_was_removed_as_the_configuration_says_holds_by_the_ledger() {
    let deleted = Shop::loaded_with("finished = \"delete\"\ndelete_after = \"0s\"\n");
    let expired = Shop::loaded_with("archive_retention = \"1h\"\n");
    expired.execute("update ingestd.files set archived_at = archived_at - interval '2 hours'");
    let service = expired.home.run();
    let archive = expired.home.data().join("archive/events");
    let noted = "select count(*) from ingestd.files where archive_removed_at is not null";
    wait_until(std::time::Duration::from_secs(60), || {
        let row = expired.database.client().query_one(noted, &[]);
        row.is_ok_and(|row| row.get::<_, i64>(0) == 1) && names_in(&archive).is_empty()
    });
    service.stop();
    for shop in [&deleted, &expired] {
        let (report, code) = shop.audit();
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!(report["content_removed"], true, "{report:#}");
        shop.execute("delete from ingestd.dead_letters where record = 10");
        shop.assert_fails("has 2 dead letters");
    }
    // One that somebody else has taken away is no such file.
    deleted.execute("update ingestd.files set reason = 'missing'");
    deleted.assert_fails("its content is gone");
}

#[test]
fn an_archive_that_was_compressed_is_read_all_the_same() {
    let shop = Shop::loaded();
    let archive = shop.home.data().join("archive/events");
    let whole = fs::read(archive.join("a.csv")).expect("archived");
    let packed = zstd::encode_all(&whole[..], 0).expect("in memory");
    fs::write(archive.join("a.csv.zst"), packed).expect("written");
    fs::remove_file(archive.join("a.csv")).expect("removed");
    shop.execute("update ingestd.files set archive_path = archive_path || '.zst'");
    let (report, code) = shop.audit();
    assert_eq!(code, Some(0), "{report:#}");
    let other = zstd::encode_all(&b"id,price\n"[..], 0).expect("in memory");
    fs::write(archive.join("a.csv.zst"), other).expect("written");
    shop.assert_fails("other content");
    assert_eq!(names_in(&archive), ["a.csv.zst"]);
}
