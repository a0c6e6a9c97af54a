//! `check`: what is found, and that nothing is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Said, run};
use crate::support::{Scratch, TestDatabase, database, ingestd};

/// A pipeline with its directories, before anything was loaded.
struct Shop {
    scratch: Scratch,
    database: TestDatabase,
}

impl Shop {
    fn new(keys: &str, table: &str) -> Shop {
        let shop = Shop {
            scratch: Scratch::new(),
            database: database(),
        };
        let root = shop.scratch.path().display().to_string();
        for name in ["in", "data"] {
            fs::create_dir(shop.scratch.path().join(name)).expect("a directory");
        }
        shop.scratch.write(
            "shop.toml",
            format!(
                "[service]\ndata_dir = \"{root}/data\"\n[database]\nurl = \"{}\"\n\
                 [pipelines.events]\ndirectory = \"{root}/in\"\ntable = \"events\"\n{keys}",
                shop.database.url
            ),
        );
        shop.database.client().batch_execute(table).expect(table);
        shop
    }

    fn migrate(&self) {
        assert_eq!(self.ask(&["migrate"]).code, Some(0));
    }

    fn ask(&self, arguments: &[&str]) -> Said {
        run(ingestd()
            .args(arguments)
            .args(["--config", "shop.toml"])
            .current_dir(self.scratch.path()))
    }

    /// What `check` says, as JSON, and its exit code.
    fn check(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let said = self.ask(&[&["check", "--json"], arguments].concat());
        let value = serde_json::from_str(&said.out);
        (
            value.unwrap_or_else(|_| panic!("{}{}", said.out, said.err)),
            said.code,
        )
    }
}

/// The findings of a level whose place ends so, in words.
fn found(report: &Value, level: &str, place: &str) -> String {
    let findings = report["findings"].as_array().expect("a list");
    let wanted = findings.iter().filter(|it| {
        it["level"] == level && it["where"].as_str().is_some_and(|it| it.ends_with(place))
    });
    let words = wanted.map(|it| format!("{} {}", it["what"], it["advice"]));
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pipeline_that_is_as_it_should_be_has_no_errors_and_nothing_is_changed() {
    let shop = Shop::new(
        "key = [\"id\"]\n",
        "create table events (id int primary key)",
    );
    let (report, code) = shop.check(&[]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(
        (&report["errors"], &report["good"]),
        (&0.into(), &true.into())
    );
    assert!(found(&report, "ok", "ledger").contains("would be migrated"));
    let sql = "select to_regnamespace('ingestd') is null";
    let row = shop.database.client().query_one(sql, &[]).expect("a row");
    assert!(row.get::<_, bool>(0), "the ledger was made");
    assert_eq!(
        fs::read_dir(shop.scratch.path().join("data"))
            .expect("there")
            .count(),
        0
    );

    shop.migrate();
    let said = shop.ask(&["check"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("ledger"), "{}", said.out);
    assert!(said.out.contains("\n0 errors, "), "{}", said.out);
}

#[test]
fn a_private_server_that_is_not_there_is_not_made() {
    let scratch = Scratch::new();
    let root = scratch.path().display();
    let config = format!(
        "[service]\ndata_dir = \"{root}/data\"\n[pipelines.a]\ndirectory = \"in\"\ntable = \"t\"\n"
    );
    let config = scratch.write("a.toml", config);
    let said = run(ingestd().arg("check").arg("--config").arg(config));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("there is none yet"), "{}", said.out);
    assert!(!scratch.path().join("data").exists());
}

/// Each of them made a server of 46 MB first, to say that nothing is in it.
#[test]
fn what_only_asks_makes_no_private_server() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    for arguments in [
        &["status"][..],
        &["files"],
        &["alerts"],
        &["why", "1"],
        &["dead-letters", "list"],
        &["pause"],
    ] {
        let said = run(ingestd().args(arguments).arg("--data-dir").arg(&data));
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.err);
        let words = "there is no ledger: no database is configured";
        assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
        assert!(!data.exists(), "{arguments:?}");
    }
}

#[test]
fn the_table_is_held_against_the_mapping() {
    let shop = Shop::new(
        "key = [\"id\"]\ncolumns = [{ name = \"id\", type = \"bigint\" }, { name = \"nam\" }, { name = \"twice\" }]\n",
        "create table events (id int, name text, must int not null,
                              twice int generated always as (must * 2) stored);
         create unique index partly on events (id) where must > 0;
         create unique index computed on events ((id + 1))",
    );
    let (report, code) = shop.check(&[]);
    assert_eq!(code, Some(1));
    let error = |place: &str| found(&report, "error", place);
    assert!(
        error("columns.nam").contains("did you mean \\\"name\\\"?"),
        "{report:#}"
    );
    assert!(
        error("events.columns").contains("\\\"must\\\""),
        "{report:#}"
    );
    assert!(
        error("columns.twice").contains("the server computes"),
        "{report:#}"
    );
    let key = error("events.key");
    assert!(key.contains("partly is partial"), "{key}");
    assert!(key.contains("computed is on expressions"), "{key}");
    assert!(found(&report, "warning", "columns.id").contains("bigint, the table has integer"));
}

#[test]
fn a_key_that_is_deferrable_and_a_table_that_is_none_are_told() {
    let deferrable = "create table events (id int unique deferrable)";
    let shop = Shop::new("key = [\"id\"]\n", deferrable);
    let (report, _) = shop.check(&[]);
    assert!(found(&report, "error", ".key").contains("deferrable"));
    for (sql, hint) in [
        ("create view events as select 1 as id", "it is a view"),
        (
            "create materialized view events as select 1 as id",
            "a materialized view",
        ),
        ("create table event (id int)", "did you mean \\\"event\\\"?"),
    ] {
        let shop = Shop::new("", sql);
        let (report, code) = shop.check(&[]);
        assert_eq!(code, Some(1), "{sql}");
        let said = found(&report, "error", ".table");
        assert!(said.contains(hint), "{sql}: {said}");
    }
}

#[test]
fn what_makes_a_table_load_otherwise_is_listed() {
    let shop = Shop::new(
        "",
        "create unlogged table events (id int generated always as identity primary key,
                                       parent int references events (id));
         create function f() returns trigger language plpgsql as 'begin return new; end';
         create trigger looked before insert on events for each row execute function f();
         create rule also as on insert to events do also notify here;
         alter table events enable row level security;
         alter table events force row level security",
    );
    let (report, _) = shop.check(&[]);
    let warnings = found(&report, "warning", ".table");
    for hint in [
        "unlogged",
        "looked",
        "also",
        "row-level",
        "GENERATED ALWAYS",
    ] {
        let concerned = hint != "row-level" || !is_superuser(&shop);
        assert!(warnings.contains(hint) || !concerned, "{hint}: {warnings}");
    }
    assert!(found(&report, "ok", ".table").contains("one writer"));
    assert!(
        found(&report, "warning", ")").contains("fsync is off"),
        "{report:#}"
    );

    let empty = Shop::new("", "create table events (id int) partition by list (id)");
    let (report, code) = empty.check(&[]);
    assert_eq!(code, Some(1));
    assert!(found(&report, "error", ".table").contains("no partition"));
}

fn is_superuser(shop: &Shop) -> bool {
    let sql = "select rolsuper from pg_roles where rolname = current_user";
    let row = shop.database.client().query_one(sql, &[]);
    row.expect("a role").get(0)
}

#[test]
fn rights_that_are_lacking_are_named() {
    let shop = Shop::new(
        "key = [\"id\"]\nall_or_nothing = true\n",
        "create table events (id int primary key)",
    );
    shop.migrate();
    let role = format!("poor_{}", shop.database.name);
    let mut client = shop.database.client();
    client
        .batch_execute(&format!(
            "create role {role} login; grant insert on events to {role}"
        ))
        .expect("a role");
    let url = shop
        .database
        .url
        .replace("user=tester", &format!("user={role}"));
    let (report, code) = shop.check(&["--database-url", &url]);
    client
        .batch_execute(&format!("drop owned by {role}; drop role {role}"))
        .expect("dropped");
    assert_eq!(code, Some(1));
    let said = found(&report, "error", ".table");
    assert!(
        said.contains("SELECT on public.events, UPDATE on public.events"),
        "{said}"
    );
    let said = report.to_string();
    assert!(said.contains("CREATE on schema ingestd"), "{said}");
    assert!(
        found(&report, "error", "ledger").contains("GRANT"),
        "{report:#}"
    );
}

#[test]
fn directories_are_looked_at() {
    let shop = Shop::new(
        "archive = \"/dev/null/x\"\n",
        "create table events (id int)",
    );
    shop.scratch.write("in/a.txt", "id\n");
    let (report, code) = shop.check(&[]);
    assert_eq!(code, Some(1));
    assert!(found(&report, "error", ".archive").contains("/dev/null is no directory"));
    assert!(found(&report, "warning", ".pattern").contains("matches nothing"));

    let inbox = shop.scratch.path().join("in");
    fs::remove_dir_all(&inbox).expect("removed");
    fs::write(&inbox, "").expect("a file");
    let (report, _) = shop.check(&[]);
    assert!(found(&report, "error", ".directory").contains("no directory"));
    fs::remove_file(&inbox).expect("removed");
    let (report, _) = shop.check(&[]);
    assert!(found(&report, "ok", ".directory").contains("would be made"));
    assert!(!inbox.exists());
    if !rustix::process::geteuid().is_root() {
        fs::create_dir(&inbox).expect("a directory");
        fs::set_permissions(&inbox, fs::Permissions::from_mode(0o500)).expect("ours");
        let (report, _) = shop.check(&[]);
        assert!(found(&report, "error", ".directory").contains("no file can leave it"));
    }
}

#[test]
fn files_are_decoded_and_grouped_by_what_is_wrong_and_no_value_is_shown() {
    let shop = Shop::new("", "create table events (id int, name text)");
    shop.migrate();
    shop.scratch
        .write("new.csv", "id,name\n1,a\nsecret,b\n3\nsecret2,c\n4,d\n");
    let (report, code) = shop.check(&["new.csv"]);
    assert_eq!(code, Some(1));
    let file = &report["files"][0];
    assert_eq!(
        (&file["good"], &file["bad"]),
        (&2.into(), &3.into()),
        "{file:#}"
    );
    assert_eq!(file["whole"], true);
    let worst = &file["rejects"][0];
    assert_eq!(worst["reason"], "invalid_value");
    assert_eq!(
        (&worst["column"], &worst["count"]),
        (&"id".into(), &2.into())
    );
    assert_eq!(worst["first"]["line"], 3);
    let said = shop.ask(&["check", "new.csv"]);
    assert!(said.out.contains("line 3, record 2"), "{}", said.out);
    assert!(!said.out.contains("secret") && !report.to_string().contains("secret"));
    let row = shop
        .database
        .client()
        .query_one("select count(*) from events", &[]);
    assert_eq!(row.expect("a row").get::<_, i64>(0), 0);
}

#[test]
fn a_dry_run_lets_the_constraints_speak_and_leaves_nothing() {
    let shop = Shop::new(
        "key = [\"id\"]\n",
        "create table events (id int primary key, price int check (price > 0));
         insert into events values (1, 5)",
    );
    shop.migrate();
    shop.scratch
        .write("new.csv", "id,price\n1,6\n2,-1\n3,1\n4,2\n");
    let (report, code) = shop.check(&["--dry-run", "new.csv"]);
    assert_eq!(code, Some(1));
    let file = &report["files"][0];
    assert_eq!(
        (&file["good"], &file["bad"]),
        (&3.into(), &1.into()),
        "{file:#}"
    );
    let done = &file["dry_run"];
    assert_eq!(
        (&done["inserted"], &done["updated"]),
        (&2.into(), &1.into()),
        "{file:#}"
    );
    let refused = &file["rejects"][0];
    assert_eq!(refused["sqlstate"], "23514");
    let message = refused["message"].as_str().expect("a message");
    assert!(message.contains("events_price_check"), "{message}");

    let (report, code) = shop.check(&["--dry-run", "--limit", "1", "new.csv"]);
    assert_eq!(code, Some(0));
    assert_eq!(report["files"][0]["dry_run"]["rows"], 1);
    let mut client = shop.database.client();
    let rows = client
        .query("select id, price from events", &[])
        .expect("rows");
    assert_eq!((rows.len(), rows[0].get::<_, i32>(1)), (1, 5));
    let left =
        "select (select count(*) from ingestd.files) + (select count(*) from ingestd.writers)
                       + (select count(*) from ingestd.pipelines)";
    let row = client.query_one(left, &[]).expect("a row");
    assert_eq!(row.get::<_, i64>(0), 0, "the ledger knows of it");
}

#[test]
fn a_table_that_would_be_created_is_tried_and_taken_back() {
    let shop = Shop::new(
        "create = true\nkey = [\"id\"]\ncolumns = [{ name = \"id\", type = \"int\" }]\n",
        "select 1",
    );
    shop.migrate();
    shop.scratch.write("new.csv", "id\n1\nx\n");
    let (report, code) = shop.check(&["new.csv"]);
    assert_eq!(code, Some(1));
    assert!(found(&report, "ok", ".table").contains("would be created"));
    assert_eq!(report["files"][0]["good"], 1);
    let row = shop
        .database
        .client()
        .query_one("select to_regclass('events') is null", &[]);
    assert!(row.expect("a row").get::<_, bool>(0), "the table was made");

    let wrong = Shop::new(
        "create = true\ncolumns = [{ name = \"id\", type = \"no_such_type\" }]\n",
        "select 1",
    );
    let (report, code) = wrong.check(&[]);
    assert_eq!(code, Some(1));
    assert!(
        found(&report, "error", ".table").contains("no_such_type"),
        "{report:#}"
    );
}

#[test]
fn a_wrong_configuration_is_exit_code_2_with_every_problem() {
    let shop = Shop::new("patern = \"x\"\npartitions = 0\n", "select 1");
    let (report, code) = shop.check(&[]);
    assert_eq!(code, Some(2));
    assert_eq!(report["errors"], 2, "{report:#}");
    let said = shop.ask(&["check"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("did you mean \"pattern\"?"),
        "{}",
        said.err
    );
    let shop = Shop::new("", "select 1");
    let said = shop.ask(&["check", "--pipeline", "event"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("did you mean \"events\"?"),
        "{}",
        said.err
    );
}

/// What only the server can read is asked by a function of the ledger.
#[test]
fn a_file_that_takes_the_ledger_to_be_read_says_so() {
    let shop = Shop::new(
        "key = [\"id\"]\n",
        "create table events (id int primary key, day date)",
    );
    let file = shop.scratch.write("new.csv", "id,day\n1,03/02/2024\n");
    let check = ["check", file.to_str().expect("a plain path")];
    let said = shop.ask(&check);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(
        said.out.contains("run `ingestd migrate` first"),
        "{}",
        said.out
    );
    shop.migrate();
    let said = shop.ask(&check);
    assert!(said.out.contains("1 bad"), "{}", said.out);
}
