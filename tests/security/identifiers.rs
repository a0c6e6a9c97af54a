//! Names in the configuration are names in SQL, whatever stands in them.

use postgres::{Client, NoTls};

use super::{run, toml, url_part};
use crate::support::home::Home;
use crate::support::{OwnServer, database, ingestd};

/// Each holds what would end a name, a text or a statement where it is not quoted.
const NAMES: [&str; 7] = [
    r#"a"; drop table canary; --"#,
    r#"'; drop table canary; --"#,
    r"\'; drop table canary; --",
    "$$; drop table canary; $$ %s {0} $1",
    "a\n\"; drop table canary;\n--",
    "名前'\"\u{202e}; drop table canary; --",
    "\"x\" int); drop table canary; create table y (\"z",
];

/// How rows are written: each mode has statements of its own.
const MODES: [&str; 6] = [
    "mode = \"append\"",
    "mode = \"upsert\"",
    "mode = \"ignore\"",
    "mode = \"newest\"\nversion = VERSION\ndelete_when = { field = OP, values = [\"D'\\\"\"] }",
    "mode = \"upsert\"\nall_or_nothing = true\nmax_errors = 10",
    "mode = \"newest\"\nversion = VERSION\nall_or_nothing = true\nmax_errors = 10\ndelete_when = { field = OP, values = [\"D'\\\"\"] }",
];

const CANARY: &str = "create table canary (alive boolean); insert into canary values (true)";

fn assert_canary_lives(client: &mut Client) {
    let alive = client.query_one("select alive from canary", &[]);
    assert!(alive.expect("the canary").get::<_, bool>(0));
}

/// An identifier as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn cell(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A pipeline that creates its table under such names. Its generated column refuses a quantity of 0,
/// on the server alone, so that rows are looked for by bisection.
fn pipeline(number: usize, name: &str, mode: &str) -> String {
    let column = |addition: &str| toml(&format!("{name}{addition}"));
    let keys = mode
        .replace("VERSION", &column("v"))
        .replace("OP", &column("op"));
    let table = format!("{}.{}", quoted(name), quoted(&format!("{name}{number}")));
    format!(
        "[pipelines.p{number}]
         directory = \"in{number}\"
         table = {}
         create = true
         partitions = 1
         key = [{}]
         indexes = [[{}, {}]]
         {keys}
         columns = [
             {{ name = {}, type = \"integer\", required = true }},
             {{ name = {}, type = \"integer\", default = \"1\" }},
             {{ name = {}, type = \"text\", constant = {} }},
             {{ name = {}, type = \"text\", from = \"file_name\" }},
         ]
         generated = [{{ name = {}, type = \"integer\", expression = {} }}]\n",
        toml(&table),
        column(""),
        column("v"),
        column("c"),
        column(""),
        column("v"),
        column("c"),
        column(""),
        column("f"),
        column("g"),
        toml(&format!("100 / {}", quoted(&format!("{name}v")))),
    )
}

/// A file with rows that are new, one that comes again, one that deletes, one that the server
/// refuses, and one that is no row.
fn file(name: &str) -> String {
    let header: Vec<String> = ["", "v", "op"]
        .iter()
        .map(|addition| cell(&format!("{name}{addition}")))
        .collect();
    let mut text = format!("{}\n", header.join(","));
    for (id, version, op) in [
        (1, 1, "I"),
        (2, 2, "I"),
        (3, 0, "I"),
        (2, 5, "I"),
        (1, 9, "D'\""),
    ] {
        text.push_str(&format!("{id},{version},{}\n", cell(op)));
    }
    text + "no number,1,I\n"
}

#[test]
fn names_of_tables_columns_and_indexes_are_quoted_in_every_mode() {
    let database = database();
    let mut client = database.client();
    client.batch_execute(CANARY).expect(CANARY);
    // The one name that all of it is in goes through every mode, the others through one each.
    let all = "a\"'\\$$%s\n; drop table canary; --";
    let cases: Vec<(&str, &str)> = MODES
        .iter()
        .map(|mode| (all, *mode))
        .chain(NAMES.into_iter().zip(MODES.into_iter().cycle().skip(3)))
        .collect();
    let pipelines: String = cases
        .iter()
        .enumerate()
        .map(|(number, (name, mode))| pipeline(number, name, mode))
        .collect();
    let home = Home::new(Some(&database.url), "", &pipelines);
    for (number, (name, mode)) in cases.iter().enumerate() {
        let path = home.directory(&format!("in{number}")).join("a.csv");
        std::fs::write(&path, file(name)).expect("written");
        let (path, pipeline) = (path.to_str().expect("text"), format!("p{number}"));
        let said = run(&mut home.command(&["load", path, "--pipeline", &pipeline]));
        assert_eq!(
            said.code,
            Some(0),
            "{name:?} {mode}: {}{}",
            said.out,
            said.err
        );
        let table = format!("{}.{}", quoted(name), quoted(&format!("{name}{number}")));
        let query = format!("select count(*) from {table} where {} = 2", quoted(name));
        let rows: i64 = client.query_one(&query, &[]).expect("the table").get(0);
        assert_eq!(rows, 1, "{name:?} {mode}");
        let letters = "select count(*) from ingestd.dead_letters where pipeline = $1";
        let letters: i64 = client
            .query_one(letters, &[&pipeline])
            .expect("them")
            .get(0);
        assert!(letters >= 2, "{name:?} {mode}: {letters} dead letters");
    }
    for arguments in [
        &["check"][..],
        &["status"],
        &["files"],
        &["files", "show", "1"],
        &["dead-letters", "list"],
        &["dead-letters", "list", "--by", "column"],
        &["audit", "--all"],
        &["config", "show"],
    ] {
        let said = run(&mut home.command(arguments));
        assert_eq!(
            said.code,
            Some(0),
            "{arguments:?}: {}{}",
            said.out,
            said.err
        );
        assert_eq!(
            said.out.chars().find(|&c| super::steers(c)),
            None,
            "{arguments:?}"
        );
    }
    // As if it had not been loaded: the same rows, tried and taken back.
    let path = home.directory("in0").join("a.csv");
    let path = path.to_str().expect("text");
    for number in ["p0", "p3"] {
        let said = run(&mut home.command(&["check", "--dry-run", path, "--pipeline", number]));
        assert!(said.code < Some(2), "{}{}", said.out, said.err);
    }
    for number in 0..cases.len() {
        let name = format!("p{number}");
        let said = run(&mut home.command(&["reset", &name, "--drop-table", "--yes"]));
        assert_eq!(said.code, Some(0), "{name}: {}{}", said.out, said.err);
    }
    assert_canary_lives(&mut client);
}

#[test]
fn names_on_the_command_line_are_names() {
    let database = database();
    let mut client = database.client();
    client.batch_execute(CANARY).expect(CANARY);
    let home = Home::new(Some(&database.url), "", "");
    let path = home.directory("").join("a.csv");
    for name in NAMES {
        // The longest name that PostgreSQL keeps.
        let mut name = name.to_owned();
        while name.len() < 63 {
            name.push('x');
        }
        let table = quoted(&name);
        let sql = format!("create table {table} ({table} int primary key, n int check (n > 0))");
        client.batch_execute(&sql).expect(&sql);
        std::fs::write(&path, format!("{},n\n1,1\n2,0\nx,1\n", cell(&name))).expect("written");
        let file = path.to_str().expect("text");
        let key = if name.contains(',') {
            None
        } else {
            Some(name.as_str())
        };
        let mut command = home.command(&["load", file, "--again", "--table", &table]);
        let said = run(command.args(key.map(|key| ["--key", key]).into_iter().flatten()));
        assert_eq!(said.code, Some(0), "{name:?}: {}{}", said.out, said.err);
        let rows = format!("select count(*) from {table}");
        assert_eq!(
            client.query_one(&rows, &[]).expect("rows").get::<_, i64>(0),
            1
        );
    }
    for name in NAMES {
        // None of them is a pipeline's, a state's, or a file's.
        for arguments in [
            &["pause", name][..],
            &["files", "--pipeline", name],
            &["files", "--state", name],
            &["files", "--name", name],
            &["files", "--since", name],
            &["files", "--reason", name],
            &["files", "show", name],
            &["audit", name],
            &["retry", name],
            &["reset", name, "--yes"],
            &["dead-letters", "list", "--reason", name],
            &["dead-letters", "list", "--column", name],
            &["dead-letters", "list", "--sqlstate", name],
        ] {
            let said = run(&mut home.command(arguments));
            assert!(
                matches!(said.code, Some(0 | 2)),
                "{arguments:?}: {}{}",
                said.out,
                said.err
            );
            for text in [&said.out, &said.err] {
                assert_eq!(text.chars().find(|&c| super::steers(c)), None, "{text:?}");
            }
        }
        let known = client.query_one(
            "select count(*) from ingestd.pipelines where name = $1",
            &[&name],
        );
        assert_eq!(known.expect("a count").get::<_, i64>(0), 0, "{name:?}");
        // By SQL, too.
        assert!(
            client
                .execute("select ingestd.pause($1)", &[&name])
                .is_err()
        );
    }
    assert_canary_lives(&mut client);
}

/// Names of pipelines are part of paths, of locks and of the ledger: none is taken that would have to
/// be quoted anywhere.
#[test]
fn a_pipeline_has_a_plain_name() {
    for name in NAMES
        .into_iter()
        .chain(["../x", "a b", "Ä", &"x".repeat(64)])
    {
        let pipeline = format!(
            "[pipelines.{}]\ndirectory = \"in\"\ntable = \"t\"\n",
            toml(name)
        );
        let home = Home::new(Some("postgresql:///none?host=/nowhere"), "", &pipeline);
        let said = run(&mut home.command(&["check"]));
        assert_eq!(said.code, Some(2), "{name:?}: {}", said.err);
        assert!(
            said.err.contains("lower-case letters"),
            "{name:?}: {}",
            said.err
        );
        assert_eq!(
            said.err.chars().find(|&c| super::steers(c)),
            None,
            "{:?}",
            said.err
        );
    }
}

/// The server has names of its own that the program meets: of databases, roles and sessions; and
/// settings that change what quotes mean.
#[test]
fn databases_roles_and_sessions_have_any_name() {
    let server = OwnServer::start_new();
    let mut admin = server.client();
    // A name ends at 63 bytes.
    let names: Vec<&str> = NAMES.into_iter().filter(|name| name.len() <= 63).collect();
    for (number, name) in names.into_iter().enumerate() {
        let sql = quoted(name);
        let literal = name.replace('\'', "''");
        for statement in [
            format!("create role {sql} login createrole"),
            format!("create database {sql} owner {sql}"),
            format!("alter role {sql} set standard_conforming_strings = off"),
        ] {
            admin.batch_execute(&statement).expect(&statement);
        }
        let url = server
            .url()
            .replace("/postgres?", &format!("/{}?", url_part(name)));
        let url = url.replace("user=tester", &format!("user={}", url_part(name)));
        let url = format!("{url}&application_name={}", url_part(name));
        let mut client = Client::connect(&url, NoTls).expect("a connection");
        client.batch_execute(CANARY).expect(CANARY);
        let ask = |arguments: &[&str]| {
            let said = run(ingestd().args(arguments).args(["--database-url", &url]));
            assert_eq!(
                said.code,
                Some(0),
                "{name:?} {arguments:?}: {}{}",
                said.out,
                said.err
            );
            said
        };
        if number == 0 {
            // By somebody of that name, in a database of that name.
            admin
                .batch_execute(&format!("alter role {sql} superuser"))
                .expect("superuser");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/roles.sql");
            let said = run(ingestd()
                .args(["psql", "--database-url", &url, "--", "-q", "-f", script])
                .env("PGCLIENTENCODING", "UTF8"));
            assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        }
        ask(&["migrate"]);
        let home = Home::new(Some(&url), "", "");
        let path = home.directory("").join("a.csv");
        std::fs::write(&path, "id,name\n1,'\n2,\\\n3,\\'; drop table canary; --\n")
            .expect("written");
        client
            .batch_execute("create table plain (id int primary key, name text)")
            .expect("a table");
        let file = path.to_str().expect("text");
        ask(&["load", file, "--table", "plain", "--key", "id"]);
        let query = "select current_database() = current_user";
        let said = run(ingestd().args(["psql", "--database-url", &url, "--", "-XAtc", query]));
        assert_eq!(said.out, "t\n");
        ask(&["status"]);
        ask(&["files"]);
        ask(&["audit", "--all"]);
        assert_canary_lives(&mut client);
        let query = format!(
            "select count(*) from plain where name like '%canary%' and current_user = '{literal}'"
        );
        client
            .batch_execute("set standard_conforming_strings = on")
            .expect("set");
        let rows: i64 = client.query_one(&query, &[]).expect("rows").get(0);
        assert_eq!(rows, 1, "{name:?}");
    }
}
