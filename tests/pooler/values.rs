//! Values mean the same through it, whatever a session happens to be set to; and so do the modes.

use super::{assert_sessions_clean, home};
use crate::support::home::{Home, drop_file};
use crate::support::{Pooler, TestDatabase, database};

/// Times that only the server can read, or that depend on what a session is set to.
const FILE: &str = "\
id,version,day,at,span,amount
1,1,2024-03-02,2024-03-02 10:00,1 day 02:00,1.5
2,1,03/02/2024,Mar 2 2024 10:00,P1DT2H,2
1,2,2024-03-04,2024-03-04 10:00+02,-1 day,3
3,5,2024-03-02,yesterday noon maybe,1 day,4
2,0,2024-01-01,2024-01-01,1 day,5
4,1,2024-07-01,2024-07-01 00:00,3 mons,200
5,1,2024-07-01,2024-07-01 00:00,3 mons,6
5,3,2024-07-02,2024-07-01 12:00,3 mons,7
";

fn prepare(database: &TestDatabase) {
    let sql = format!(
        "alter database {name} set timezone = 'America/New_York';
         alter database {name} set datestyle = 'SQL, DMY';
         alter database {name} set intervalstyle = 'sql_standard'",
        name = database.name
    );
    database.client().batch_execute(&sql).expect("set");
    let table = "create table things (id bigint primary key, version int, day date,
                     at timestamptz, span interval, amount numeric check (amount < 100))";
    database.client().batch_execute(table).expect("a table");
}

/// What is in the table and among the dead letters after all files.
fn loaded(database: &TestDatabase, home: &Home) -> Vec<String> {
    let given = home.directory("given");
    for (name, text) in [
        ("a.csv", FILE.to_owned()),
        (
            "b.csv",
            FILE.replace(",1,", ",4,")
                .replace("2024-03-04", "2024-03-05"),
        ),
    ] {
        drop_file(&given, name, text);
        let file = given.join(name);
        let file = file.to_str().expect("a plain path");
        let said = home.ask(&["load", "--pipeline", "things", file]);
        let err = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(0), "{err}");
    }
    let sql = "set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'";
    let mut client = database.client();
    client.batch_execute(sql).expect("set");
    let sql = "select t::text from things t
               union all
               select format('%s %s %s %s', f.path ~ 'a.csv$', d.record, d.reason, d.sqlstate)
               from ingestd.dead_letters d join ingestd.files f using (file_id)
               order by 1";
    let rows = client.query(sql, &[]).expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

fn compare(keys: &str) {
    let pipeline = format!(
        "[pipelines.things]\ndirectory = \"inbox\"\ntable = \"public.things\"\n\
         key = [\"id\"]\n{keys}\n"
    );
    let direct = database();
    prepare(&direct);
    let expected = loaded(&direct, &Home::new(Some(&direct.url), "", &pipeline));
    assert!(expected.len() > 4, "{expected:?}");
    let pooled = database();
    prepare(&pooled);
    let pooler = Pooler::start_new(&pooled.url, 1, "");
    let actual = loaded(&pooled, &home(&pooler, &pooled, &pipeline));
    assert_eq!(actual, expected);
    assert_sessions_clean(&pooler, &pooled);
}

#[test]
fn upsert() {
    compare("");
}

#[test]
fn ignore() {
    compare("mode = \"ignore\"");
}

#[test]
fn newest_with_deletions() {
    compare(
        "mode = \"newest\"\nversion = \"version\"\n\
         delete_when = { field = \"amount\", values = [\"6\"] }",
    );
}

#[test]
fn a_time_zone_of_a_column() {
    compare(
        "other_columns = \"load\"\ncolumns = [{ name = \"at\", time_zone = \"Europe/Berlin\" }]",
    );
}

/// Rows are tried under the formats that they are loaded under.
#[test]
fn a_dry_run() {
    let database = database();
    prepare(&database);
    // What it says depends on the time zone that it is asked in.
    let check = "alter table things add check (extract(hour from at) < 12)";
    database.client().batch_execute(check).expect("a check");
    let pipeline =
        "[pipelines.things]\ndirectory = \"inbox\"\ntable = \"things\"\nkey = [\"id\"]\n";
    let pooler = Pooler::start_new(&database.url, 1, "");
    let said = [
        Home::new(Some(&database.url), "", pipeline),
        home(&pooler, &database, pipeline),
    ]
    .map(|home| {
        home.directory("inbox");
        assert!(home.ask(&["migrate"]).status.success());
        let file = home.directory("given").join("a.csv");
        std::fs::write(&file, FILE).expect("written");
        let file = file.to_str().expect("a plain path");
        let said = home.ask(&["check", "--json", "--dry-run", "--pipeline", "things", file]);
        let report: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
        let look = &report["files"][0];
        let seen = ["good", "bad", "rejects", "dry_run", "not_tried"].map(|key| look[key].clone());
        (seen, said.status.code(), said.stderr)
    });
    assert_eq!(said[0].1, Some(1), "{:?}", said[0]);
    let days = &said[0].0[2].to_string();
    assert!(
        days.contains("\"day\""),
        "one is refused by its format: {days}"
    );
    assert_eq!(said[0], said[1]);
    assert_sessions_clean(&pooler, &database);
}

#[test]
fn as_a_whole() {
    compare("all_or_nothing = true\nmax_errors = 20");
}

#[test]
fn as_a_whole_with_deletions() {
    compare(
        "all_or_nothing = true\nmax_errors = 20\nmode = \"newest\"\nversion = \"version\"\n\
         delete_when = { field = \"amount\", values = [\"6\"] }",
    );
}
