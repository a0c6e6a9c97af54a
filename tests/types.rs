//! Values of all types, through the program: as COPY … CSV would have them.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use postgres::Client;

use crate::support::{Scratch, database, ingestd, wait_until};

const TYPES: &str = "
    create type mood as enum ('sad', 'ok');
    create type pair as (a integer, b text);
    create domain positive as integer check (value > 0);
    create domain code as varchar(4) check (value = upper(value));
    create domain address as inet check (family(value) = 4)";

const COLUMNS: &str = "
    n integer, i2 int2, i8 int8, f4 float4, f8 float8, d numeric, d2 numeric(8,2), b bool, t text, \
    v varchar(5), c char(4), u uuid, day date, at time, at3 time(3), ts timestamp, tz timestamptz, \
    j json, jb jsonb, raw bytea, m mood, p positive, k code, net inet, span interval, list int4[], \
    both_ pair, range_ int4range, where_ point, ip address, bits bit(3), words text[]";

/// Each line by the column's name: what stands there, in the ways that people write it.
const LINES: [&[(&str, &str)]; 7] = [
    &[
        ("i2", " 7 "),
        ("i8", "+9"),
        ("f4", "1e3"),
        ("f8", "infinity"),
        ("d", "1e3"),
        ("b", " t "),
    ],
    &[
        ("u", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"),
        ("day", "Jan 5 2024"),
        ("at", "04:05 PM"),
        ("at3", "04:05:06.78956"),
        ("ts", "2024-01-05 10:00 America/New_York"),
        ("tz", "Jan 5 2024 10:00 -03"),
    ],
    &[
        ("day", "infinity"),
        ("ts", "-infinity"),
        ("tz", "epoch"),
        ("d", "NaN"),
        ("d2", "1.005"),
        ("v", "abcde  "),
        ("c", "a "),
    ],
    &[
        ("j", "{\"a\": [1, \"\\u0000\"], \"a\":null}"),
        (
            "jb",
            " {\"b\": 1.0, \"a\": \"\\ud83d\\ude00\", \"b\": 1e2} ",
        ),
        ("raw", "\\xDEAD beef"),
        ("m", "ok"),
        ("p", "12"),
        ("k", "AB"),
    ],
    &[
        ("raw", "a\\000\\\\é"),
        ("net", "10.1.2.3/8"),
        ("span", "1 day -2 hours"),
        ("list", "{1,NULL,3}"),
        ("both_", "(1,\"a, \"\"b\"\"\")"),
    ],
    &[
        ("list", "[2:3]={1,NULL}"),
        ("range_", "[1,5]"),
        ("where_", "1,2"),
        ("ip", "1.2.3.4"),
        ("bits", "101"),
        ("words", "{a,\"b c\",NULL,\"NULL\"}"),
    ],
    &[
        ("j", "1e999999"),
        ("jb", "[]"),
        ("at", "allballs"),
        ("u", "A0EEBC999C0B4EF8BB6D6BB9BD380A11"),
    ],
];

/// The same for values that nothing takes.
const REFUSED: [(&str, &str); 24] = [
    ("i2", "32768"),
    ("i8", "1.0"),
    ("f4", "1e39"),
    ("f8", "1e400"),
    ("d", "1,5"),
    ("d2", "1000000"),
    ("b", "ja"),
    ("v", "abcdef"),
    ("c", "abcde"),
    ("u", "a0eebc99"),
    ("day", "2024-02-30"),
    ("at", "25:00"),
    ("ts", "2024-01-05 10:00 Nowhere"),
    ("tz", "never"),
    ("j", "{a:1}"),
    ("jb", "\"\\u0000\""),
    ("raw", "\\x0"),
    ("m", "glad"),
    ("p", "0"),
    ("k", "ab"),
    ("net", "10.1.2"),
    ("list", "{1,a}"),
    ("ip", "::1"),
    ("bits", "1010"),
];

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn load(url: &str, scratch: &Scratch, arguments: &[&str]) -> String {
    let mut command: Command = ingestd();
    command
        .current_dir(scratch.path())
        .arg("load")
        .args(arguments);
    let output = command
        .args(["--database-url", url])
        .output()
        .expect("the program");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    out
}

/// Rows of one table that the other lacks, bit by bit.
fn missing(client: &mut Client, of: &str, within: &str) -> Vec<String> {
    let sql = format!(
        "select {of}::text from {of} where not exists (
             select from {within} where {within}.n = {of}.n
             and row({within}.*)::record operator(pg_catalog.*=) row({of}.*)::record) order by n"
    );
    let rows = client.query(&sql, &[]).expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn values_of_all_types_are_what_copy_makes_of_them() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    let tables = format!("{TYPES}; create table ours ({COLUMNS}); create table theirs ({COLUMNS})");
    client.batch_execute(&tables).expect("tables");
    let names: Vec<&str> = COLUMNS
        .split(", ")
        .flat_map(|column| column.split_whitespace().next())
        .collect();
    let header = names.join(",");
    let line = |n: usize, cells: &[(&str, &str)]| {
        let mut line = n.to_string();
        for name in &names[1..] {
            let cell = cells.iter().find(|cell| cell.0 == *name);
            write!(
                line,
                ",{}",
                cell.map_or(String::new(), |cell| quoted(cell.1))
            )
            .expect("written");
        }
        line + "\n"
    };
    let good: String = LINES
        .iter()
        .enumerate()
        .map(|(n, cells)| line(n, cells))
        .collect();
    let bad = REFUSED.iter().enumerate();
    let bad: String = bad.map(|(n, cell)| line(100 + n, &[*cell])).collect();
    scratch.write("cells.csv", format!("{header}\n{good}{bad}"));

    let said = load(&database.url, &scratch, &["cells.csv", "--table", "ours"]);
    let counts = format!("{} inserted, {} refused", LINES.len(), REFUSED.len());
    assert!(said.contains(&counts), "{said}");
    let refused = "select record from ingestd.dead_letters order by record";
    let refused: Vec<i64> = client
        .query(refused, &[])
        .expect("dead letters")
        .iter()
        .map(|row| row.get(0))
        .collect();
    let first = LINES.len() as i64 + 1;
    assert!(refused.into_iter().eq(first..first + REFUSED.len() as i64));

    client
        .batch_execute("set timezone = 'UTC'; set datestyle = 'ISO, YMD'")
        .expect("set");
    let mut copy = client
        .copy_in("copy theirs from stdin (format csv)")
        .expect("a COPY");
    std::io::Write::write_all(&mut copy, good.as_bytes()).expect("sent");
    copy.finish().expect("copied");
    assert_eq!(missing(&mut client, "ours", "theirs"), [""; 0]);
    assert_eq!(missing(&mut client, "theirs", "ours"), [""; 0]);
}

/// Each value is another, so that the server is asked for every one, chunk after chunk.
#[test]
fn whole_files_of_values_that_only_the_server_knows_are_loaded_in_order() {
    const ROWS: i64 = 40_000;
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    let table =
        format!("{TYPES}; create table hosts (n integer, net inet, both_ pair, list int4[])");
    client.batch_execute(&table).expect("a table");
    let bad = |n: i64| n % 1_777 == 5;
    let mut file = String::from("n,net,both_,list\n");
    for n in 0..ROWS {
        let host = if bad(n) {
            "10.0.0.256".to_owned()
        } else {
            format!("10.{}.{}.1", n / 200, n % 200)
        };
        writeln!(file, "{n},{host},\"({n},\"\"x, {n}\"\")\",\"{{{n},{n}}}\"").expect("written");
    }
    scratch.write("hosts.csv", file);
    let said = load(&database.url, &scratch, &["hosts.csv", "--table", "hosts"]);
    let refused: Vec<i64> = (0..ROWS).filter(|n| bad(*n)).collect();
    let good = ROWS - refused.len() as i64;
    assert!(said.contains("refused"), "{said}");
    let right = "select count(*) from hosts where both_ = row(n, 'x, ' || n)::pair
                 and list = array[n, n] and net = format('10.%s.%s.1', n / 200, n % 200)::inet";
    let right: i64 = client.query_one(right, &[]).expect("a count").get(0);
    let all: i64 = client
        .query_one("select count(*) from hosts", &[])
        .expect("a count")
        .get(0);
    assert_eq!((right, all), (good, good));
    let letters = "select record, column_name, sqlstate from ingestd.dead_letters order by record";
    let letters = client.query(letters, &[]).expect("dead letters");
    let records = letters.iter().map(|row| row.get::<_, i64>(0) - 1);
    assert!(records.eq(refused), "{} dead letters", letters.len());
    for letter in &letters {
        assert_eq!((letter.get(1), letter.get(2)), (Some("net"), Some("22P02")));
    }
}

/// The server cuts blanks behind the length, so that the keys of two such rows are one.
#[test]
fn keys_with_a_length_are_told_apart_by_what_the_server_keeps_of_them() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    client
        .batch_execute("create table items (code varchar(5) primary key, n integer)")
        .expect("a table");
    let mut file = String::from("code,n\n");
    for n in 0..3_000 {
        let code = n % 1_000;
        writeln!(file, "c{code:04}{},{n}", " ".repeat(n / 1_000)).expect("written");
    }
    scratch.write("items.csv", file);
    load(
        &database.url,
        &scratch,
        &["items.csv", "--table", "items", "--key", "code"],
    );
    let sql = "select count(*), count(*) filter (where n = 2000 + right(code, 4)::int) from items";
    let row = client.query_one(sql, &[]).expect("counts");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1_000, 1_000));
    let partitions = "select definition::json ->> 'routing' from ingestd.plans";
    let routing: String = client.query_one(partitions, &[]).expect("a plan").get(0);
    assert_eq!(routing, "key");
}

/// The chunks that were decoded ahead wait, and are asked for again.
#[test]
fn a_connection_that_is_lost_while_values_are_asked_for_loses_none() {
    let (database, scratch) = (database(), Scratch::new());
    let mut client = database.client();
    client
        .batch_execute(
            "create domain slow as inet check (pg_sleep(0.3)::text is not null);
             create table hosts (n integer, net slow)",
        )
        .expect("a table");
    scratch.write("hosts.csv", "n,net\n1,10.0.0.1\n2,10.0.0.1\n3,10.0.0.1\n");
    let mut load = ingestd();
    load.current_dir(scratch.path())
        .args([
            "load",
            "hosts.csv",
            "--table",
            "hosts",
            "--database-url",
            &database.url,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut load = load.spawn().expect("the program");
    let terminate = "select pg_terminate_backend(pid) from pg_stat_activity
                     where query like 'select pg_catalog.array_send%' and state = 'active'
                     and datname = current_database()";
    wait_until(Duration::from_secs(20), || {
        !client.query(terminate, &[]).expect("backends").is_empty()
    });
    assert_eq!(load.wait().expect("its end").code(), Some(0));
    let all = client.query_one("select array_agg(n order by n) from hosts", &[]);
    assert_eq!(all.expect("rows").get::<_, Vec<i32>>(0), [1, 2, 3]);
}
