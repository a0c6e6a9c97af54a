//! A service behind a proxy that cuts its connections, holds them back, or makes them silent.

mod commits;
mod delays;
mod sweep;

use std::fmt::Write;

use postgres::Client;

use crate::support::home::{Home, drop_file};
use crate::support::proxy::Proxy;
use crate::support::scene::Watcher;
use crate::support::{TestDatabase, database};

/// Records of a file.
const RECORDS: usize = 40;

/// A database, a proxy before it, and a home of a service that knows the proxy only.
pub struct Behind {
    pub database: TestDatabase,
    pub proxy: Proxy,
    pub home: Home,
    files: usize,
}

/// A table that shows whatever is written twice: its key is no key to the server where the pipeline has none.
fn table(keyed: bool) -> String {
    let key = if keyed { "primary key" } else { "not null" };
    format!(
        "create table items (id bigint {key}, amount integer check (amount >= 0), span interval)"
    )
}

impl Behind {
    /// A home with an empty inbox: `service` and `pipeline` are keys of these sections.
    pub fn new(keyed: bool, service: &str, pipeline: &str) -> Behind {
        let database = database();
        let proxy = Proxy::before(&database.url);
        database
            .client()
            .batch_execute(&table(keyed))
            .expect("a table");
        let key = if keyed { "key = [\"id\"]\n" } else { "" };
        let text = format!(
            "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"public.items\"\nsettle = \"10ms\"\n\
             partitions = 1\n{key}{pipeline}"
        );
        let home = Home::new(Some(&proxy.url(&database.name)), service, &text);
        home.directory("inbox");
        Behind {
            database,
            proxy,
            home,
            files: 0,
        }
    }

    /// Brings the ledger and the table of migrations into being, past the proxy.
    pub fn migrate(&self) {
        let migrated = self.home.ask(&["migrate"]);
        assert!(migrated.status.success(), "{migrated:?}");
    }

    /// Drops a file, of which a record is no row and the server refuses one where it is a bad one.
    pub fn drop_file(&mut self, bad: bool) {
        let number = self.files;
        self.files += 1;
        let mut text = "id,amount,span\n".to_owned();
        for record in 1..=RECORDS {
            let id = number * 100 + record;
            match record {
                11 if bad => writeln!(text, "{id}"),
                21 if bad => writeln!(text, "{id},-1,1 hour"),
                // Only the server knows what that is.
                31 => writeln!(text, "{id},{record},a fortnight"),
                _ => writeln!(text, "{id},{record},{record} hours"),
            }
            .expect("text");
        }
        drop_file(&self.home.directory("inbox"), &name(number, bad), text);
    }

    /// Waits until all files that were dropped are archived.
    pub fn wait_for_all(&self) {
        let records = (self.files * RECORDS) as i64;
        Watcher::new(&self.database.url).wait_for(|now| now.is_all() && now.records == records);
    }

    /// Fails unless what the files hold is there once, and every file is whole in the archive.
    pub fn assert_exactly_once(&self) {
        let mut client = self.database.client();
        let archive = self.home.data().join("archive/items");
        let archived = crate::support::home::names_in(&archive);
        assert_eq!(archived.len(), self.files, "{archived:?}");
        let (mut rows, mut letters) = (Vec::new(), Vec::new());
        for number in 0..self.files {
            let bad = archived.contains(&name(number, true));
            for record in 1..=RECORDS {
                let id = (number * 100 + record) as i64;
                match record {
                    11 if bad => letters.push((name(number, bad), 11, "field_count".to_owned())),
                    21 if bad => letters.push((name(number, bad), 21, "refused".to_owned())),
                    31 => letters.push((name(number, bad), 31, "invalid_value".to_owned())),
                    _ => rows.push((id, record as i32)),
                }
            }
        }
        assert_eq!(items(&mut client), rows);
        assert_eq!(dead_letters(&mut client), letters);
        let sums = "select count(*) from ingestd.files
                    where state = 'ARCHIVED' and records = $1
                      and records = inserted + updated + unchanged + duplicate + deleted + filtered
                                    + rejected
                      and updated + unchanged + duplicate + deleted + filtered = 0";
        let sums = client.query_one(sums, &[&(RECORDS as i64)]).expect("sums");
        assert_eq!(sums.get::<_, i64>(0), self.files as i64);
        let left = "select count(*) from ingestd.checkpoints";
        let left = client.query_one(left, &[]).expect("a count");
        assert_eq!(
            left.get::<_, i64>(0),
            0,
            "checkpoints of finished files are left"
        );
    }
}

fn name(number: usize, bad: bool) -> String {
    let kind = if bad { "bad" } else { "good" };
    format!("{number:04}-{kind}.csv")
}

fn items(client: &mut Client) -> Vec<(i64, i32)> {
    let rows = client.query("select id, amount from items order by id, amount", &[]);
    let rows = rows.expect("rows").into_iter();
    rows.map(|row| (row.get(0), row.get(1))).collect()
}

fn dead_letters(client: &mut Client) -> Vec<(String, i64, String)> {
    let sql = "select regexp_replace(f.path, '^.*/', ''), d.record, d.reason
               from ingestd.dead_letters d join ingestd.files f using (file_id) order by 1, 2";
    let rows = client.query(sql, &[]).expect("letters").into_iter();
    rows.map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}
