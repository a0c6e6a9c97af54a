//! What stands in the cells of files is in no log, no message and no table of the ledger but that of
//! the dead letters.

use postgres::Client;

use super::{PATIENCE, run};
use crate::support::home::{Home, drop_file};
use crate::support::{OwnServer, wait_until};

/// What is looked for; a part of it, since texts are cut.
const CANARY: &str = "c4n4ry";

const TABLES: &str = "
create table plain (id integer primary key, name varchar(20) check (name <> 'c4n4ry-check'),
                    at timestamptz, kind text, doc jsonb);
create table refusing (id integer, name text, at timestamptz, kind text, doc jsonb);
create function refuse() returns trigger language plpgsql as $$
begin
    raise notice 'a notice with %', new.name;
    raise warning 'a warning with %', new.name;
    if new.kind = 'dynamic' then
        execute format('select * from %I', new.name);
    elsif new.kind <> '' then
        raise exception 'no %', new.name using errcode = new.kind,
            detail = new.name, hint = new.name, column = new.name, constraint = new.name;
    end if;
    return new;
end $$;
create trigger refuse before insert on refusing for each row execute function refuse();
";

/// The whole of the ledger, but for the dead letters themselves.
fn ledger(client: &mut Client) -> String {
    let dump = "select coalesce(string_agg(query_to_xml('select * from ' || c.oid::regclass,
                                                        true, true, '')::text, ''), '')
                from pg_class c
                where c.relnamespace = 'ingestd'::regnamespace and c.relkind = 'r'
                  and c.relname <> 'dead_letters'";
    client.query_one(dump, &[]).expect("a dump").get(0)
}

fn assert_no_canary(what: &str, text: &str) {
    let line = text.lines().find(|line| line.contains(CANARY));
    assert_eq!(line, None, "{what}");
}

/// Codes with which a trigger may refuse a row, of every kind that the classifier knows.
const CODES: [&str; 8] = [
    "P0001", "22023", "23514", "MY001", "55000", "42704", "XX001", "dynamic",
];

#[test]
fn no_cell_is_in_a_log_or_a_message_or_the_ledger() {
    let mut server = OwnServer::start_new();
    let mut client = server.client();
    client.batch_execute(TABLES).expect(TABLES);
    let mut config = String::new();
    let mut pipeline = |name: &str, table: &str, keys: &str| {
        config += &format!(
            "[pipelines.{name}]
             directory = \"{name}\"
             table = \"{table}\"
             partitions = 1
             scan_interval = \"50ms\"
             settle = \"50ms\"
             {keys}\n"
        );
    };
    pipeline("good", "plain", "key = [\"id\"]");
    pipeline("budget", "plain", "key = [\"id\"]\nmax_errors = 1");
    pipeline(
        "whole",
        "plain",
        "key = [\"id\"]\nall_or_nothing = true\nmax_errors = 100",
    );
    for code in CODES {
        pipeline(&format!("t{}", code.to_lowercase()), "refusing", "");
    }
    // One that is tried again and again.
    pipeline("again", "refusing", "");
    let home = Home::new(Some(&server.url()), "", &config);
    home.replace("format = \"json\"", "format = \"json\"\nlevel = \"debug\"");
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("\"ready\""));

    let header = "id,name,at,kind,doc\n";
    let c = CANARY;
    // What is good, what no type takes (in each column), what a constraint and a length refuse, what is
    // no record, what is of no encoding; the same key again, and rows of one key with one another.
    let rows = format!(
        "1,{c},2024-01-01,{c},\"{{\"\"a\"\": \"\"{c}\"\"}}\"\n{c},x,2024-01-01,,{{}}\n3,{c}{c}{c}{c}{c},2024-01-01,,{{}}\n\
         4,x,{c},,{{}}\n5,x,2024-01-01 {c},,{{}}\n6,x,2024-01-01,,{c}\n7,c4n4ry-check,2024-01-01,,{{}}\n\
         8,x,2024-01-01,,{{}},{c}\n9,\"{c}\"x,2024-01-01,,{{}}\n1,{c}2,2024-01-01,,{{}}\n"
    );
    let mut bytes = format!("{header}{rows}").into_bytes();
    bytes.extend(b"10,c4n4ry\xff,2024-01-01,,{}\n11,\"c4n4ry never closed,2024-01-01,,{}\n");
    for name in ["good", "budget", "whole"] {
        drop_file(&home.directory(name), "a.csv", &bytes);
    }
    for code in CODES {
        let text = format!("{header}1,ok,2024-01-01,,{{}}\n2,{c},2024-01-01,{code},{{}}\n");
        drop_file(
            &home.directory(&format!("t{}", code.to_lowercase())),
            "a.csv",
            text,
        );
    }
    let text = format!("{header}2,{c},2024-01-01,40001,{{}}\n");
    drop_file(&home.directory("again"), "a.csv", text);

    let states = "select count(*) from ingestd.files where state in ('ARCHIVED', 'QUARANTINED')
                  and pipeline in ('good', 'budget', 'whole', 'tp0001', 't22023', 't23514')";
    wait_until(PATIENCE, || {
        let count = client.query_one(states, &[]);
        count.is_ok_and(|row| row.get::<_, i64>(0) >= 6)
    });
    // The others wait, and say why; so that what they say is written down.
    wait_until(PATIENCE, || {
        let said = run(&mut home.command(&["status", "--json"]));
        let status: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_default();
        let pipelines = status.as_array().into_iter().flatten();
        pipelines.filter(|it| it["state"] == "degraded").count() >= 5
    });
    // A file of the wrong header is quarantined; a row that is locked, and an outage in the middle.
    drop_file(&home.directory("good"), "b.csv", format!("nope\n{c}\n"));
    let mut locker = server.client();
    locker
        .batch_execute("begin; lock table plain in access exclusive mode")
        .expect("locked");
    drop_file(
        &home.directory("good"),
        "c.csv",
        format!("{header}20,{c},2024-01-01,,{{}}\n"),
    );
    let blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
    wait_until(PATIENCE, || {
        client
            .query_one(blocked, &[])
            .expect("a count")
            .get::<_, i64>(0)
            > 0
    });
    let activity = "select coalesce(string_agg(query, E'\\n'), '') from pg_stat_activity
                    where pid <> pg_backend_pid()";
    let activity: String = client.query_one(activity, &[]).expect("queries").get(0);
    assert_no_canary("pg_stat_activity", &activity);
    let ready = home.log().len();
    server.stop_immediate();
    wait_until(PATIENCE, || home.log()[ready..].contains("connection"));
    server.start();
    let mut client = server.client();
    let loaded = "select count(*) from plain where id = 20";
    wait_until(PATIENCE, || {
        client
            .query_one(loaded, &[])
            .expect("rows")
            .get::<_, i64>(0)
            == 1
    });

    let said = |arguments: &[&str]| {
        let said = run(&mut home.command(arguments));
        assert!(said.code.is_some(), "{arguments:?}: {}", said.err);
        (said.out, said.err)
    };
    let path = home.directory("named").join("d.csv");
    std::fs::write(&path, &bytes).expect("written");
    let path = path.to_str().expect("text");
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["files"],
        &["files", "--json"],
        &["files", "show", "1"],
        &["dead-letters", "list", "--by", "reason"],
        &["dead-letters", "list", "--by", "file"],
        &["audit", "--all"],
        &["check"],
        &["check", path, "--pipeline", "good"],
        &["check", path, "--pipeline", "good", "--dry-run"],
        &["retry", "--all"],
        &["pause"],
        &["rescan"],
        &["config", "show"],
    ] {
        let (out, err) = said(arguments);
        assert_no_canary(&format!("{arguments:?}"), &out);
        assert_no_canary(&format!("{arguments:?}"), &err);
    }
    // It would wait for what can't be committed.
    service.kill();
    for arguments in [
        &["resume"][..],
        // While the service has the pipeline, this one would wait.
        &["load", path, "--pipeline", "good", "--verbose"],
        &["load", path, "--again", "--table", "plain", "--verbose"],
    ] {
        let (out, err) = said(arguments);
        assert_no_canary(&format!("{arguments:?}"), &out);
        assert_no_canary(&format!("{arguments:?}"), &err);
    }
    let log = home.log();
    assert!(log.contains("\"level\":\"debug\""), "it is the whole log");
    assert_no_canary("the log", &log);
    assert_no_canary("the ledger", &ledger(&mut client));
    // It was there to be seen.
    let kept =
        "select count(*) from ingestd.dead_letters where position('c4n4ry'::bytea in raw) > 0";
    let kept: i64 = client.query_one(kept, &[]).expect("a count").get(0);
    assert!(kept > 10, "{kept} dead letters");
}
