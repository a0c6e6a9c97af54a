//! Names of files, fields and cells that are meant to do harm.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde_json::Value;

use super::{PATIENCE, run, steers};
use crate::support::home::Home;
use crate::support::{database, wait_until};

fn hostile_names() -> Vec<OsString> {
    let texts = [
        "line\nend\r\n{\"level\":\"info\",\"msg\":\"forged\"}.csv",
        "clear\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m.csv",
        "quote'\"\\`$(touch pwned)|;&.csv",
        "-rf --drop-table.csv",
        "%s%n%d{0}$1.csv",
        "=cmd|'calc'!A0.csv",
        "x..%2f..\\..\\etc\\passwd.csv",
        "txt.\u{202e}vsc.\u{2066}x\u{2028}y.csv",
        " blank .csv",
        "'; drop table things; --.csv",
    ];
    let mut names: Vec<OsString> = texts.into_iter().map(OsString::from).collect();
    names.push(OsString::from_vec(b"latin \xe9\xff\x80\x1b.csv".to_vec()));
    names.push(OsString::from("x".repeat(251) + ".csv"));
    names
}

/// Whether a text has what would steer a terminal; and how many lines forged something.
fn assert_harmless(what: &str, text: &str) {
    let found = text.chars().find(|&c| steers(c));
    assert_eq!(found, None, "{what}: {text:?}");
    // The name's second line would begin so.
    let forged = text.lines().find(|line| {
        line.starts_with("end") || line.starts_with("{\"level\":\"info\",\"msg\":\"forged")
    });
    assert_eq!(forged, None, "{what}: {text:?}");
}

#[test]
fn names_of_files_are_harmless_wherever_they_are_shown() {
    let database = database();
    let pipeline = "[pipelines.things]
        directory = \"inbox\"
        table = \"things\"
        create = true
        partitions = 1
        scan_interval = \"50ms\"
        settle = \"50ms\"
        archive_collision = \"rename\"
        archive_dates = \"%Y\"
        redropped = { same = \"reload\", renamed = \"reload\" }
        columns = [{ name = \"id\", type = \"integer\" }, { name = \"file\", type = \"text\", from = \"file_name\" }]\n";
    let home = Home::new(Some(&database.url), "", pipeline);
    let inbox = home.directory("inbox");
    let names = hostile_names();
    // In one life for programs, and in one for people: each file is loaded, loaded again under its
    // name, and quarantined.
    for (life, format) in ["json", "terminal"].into_iter().enumerate() {
        if life == 1 {
            home.replace(
                "format = \"json\"",
                "format = \"terminal\"\nlevel = \"debug\"",
            );
        }
        let drop_all = |text: &dyn Fn(usize) -> String| {
            for (number, name) in names.iter().enumerate() {
                let hidden = inbox.join(".hidden");
                fs::write(&hidden, text(number)).expect("written");
                fs::rename(&hidden, inbox.join(name)).expect("renamed");
            }
        };
        let before = home.log().len();
        let mut client = database.client();
        let mut wait_for = |state: &str| {
            let query =
                "select count(*) from ingestd.files where state = $1 and archived_at is not null";
            let wanted = (names.len() * (life + 1)) as i64;
            wait_until(PATIENCE, || {
                let count = client.query_one(query, &[&state]);
                count.is_ok_and(|row| row.get::<_, i64>(0) >= wanted)
            });
        };
        drop_all(&|number| format!("id\n{life}{number}\nno number\n"));
        let service = home.run();
        wait_for("ARCHIVED");
        drop_all(&|number| format!("no\u{1b}[2J\u{202e}\u{9b},\"li\nne\",=1+1\n{life}{number}\n"));
        wait_for("QUARANTINED");
        service.stop();
        let log = home.log()[before..].to_owned();
        assert_harmless(format, &log);
        for line in log.lines().filter(|_| format == "json") {
            let line: Value = serde_json::from_str(line).expect(line);
            assert_ne!(line["msg"], "forged");
        }
    }
    let mut client = database.client();
    for name in &names {
        // Only bytes that are no UTF-8 are written in another way.
        let text = ingestd::fs::path_text(name.as_ref()).replace("\\\\", "\\");
        let query = "select count(*) from things where file = $1";
        let rows: i64 = client.query_one(query, &[&text]).expect("rows").get(0);
        assert_eq!(rows, 2, "{text:?}");
    }

    for arguments in [
        &["files"][..],
        &["files", "--json"],
        &["files", "--csv"],
        &["files", "show", "1"],
        &["files", "show", "1", "--json"],
        &["status"],
        &["status", "--json"],
        &["dead-letters", "list"],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "list", "--csv"],
        &["dead-letters", "list", "--by", "file"],
        &["audit", "--all"],
        &["audit", "--all", "--json"],
        &["retry", "--all"],
        &["check"],
    ] {
        let said = run(&mut home.command(arguments));
        assert!(said.code < Some(2), "{arguments:?}: {}", said.err);
        for text in [&said.out, &said.err] {
            assert_harmless(&format!("{arguments:?}"), text);
        }
        if arguments.contains(&"--json") {
            serde_json::from_str::<Value>(&said.out).expect("JSON");
        }
        if arguments.contains(&"--csv") {
            let mut reader = csv::Reader::from_reader(said.out.as_bytes());
            for row in reader.records() {
                let row = row.expect("CSV");
                let formula = row
                    .iter()
                    .find(|cell| cell.starts_with(['=', '+', '-', '@']));
                assert_eq!(formula, None, "{row:?}");
            }
        }
    }

    // By their names, relative ones too: there, missing, and of the wrong header.
    let place = home.directory("named");
    for name in &names {
        let text = ingestd::fs::path_text(name.as_ref());
        let there = format!("id\n77{}\n", text.len());
        fs::write(place.join(name), there).expect("written");
        let missing =
            OsString::from_vec([b"./missing ", &name.as_bytes()[..name.len().min(200)]].concat());
        let mut here = OsString::from("./");
        here.push(name);
        for (command, file) in [
            (&["load", "--pipeline", "things"][..], &here),
            (&["load", "--pipeline", "things"], &missing),
            (&["load", "--table", "things"], &missing),
            (&["check", "--pipeline", "things"], &here),
            (&["check", "--pipeline", "things"], &missing),
            (&["check", "--json", "--pipeline", "things"], &here),
            (&["files", "show"], &here),
            (&["files", "show"], &missing),
            (&["audit"], &here),
            (&["audit"], &missing),
            (&["retry"], &missing),
            (&["files", "--name"], &missing),
        ] {
            let said = run(home.command(command).arg(file).current_dir(&place));
            for text in [&said.out, &said.err] {
                assert_harmless(&format!("{command:?} {file:?}"), text);
            }
            assert!(said.code.is_some(), "{command:?} {file:?} was killed");
        }
    }
    let pwned = walk(&home.data())
        .into_iter()
        .find(|path| path.ends_with("pwned"));
    assert_eq!(pwned, None);
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn cells_and_headers_are_harmless_where_they_are_shown() {
    let database = database();
    let mut client = database.client();
    let table = "create table things (id integer, \"na\u{1b}[2J\u{202e}me\" varchar(3))";
    client.batch_execute(table).expect(table);
    let home = Home::new(Some(&database.url), "", "");
    let place = home.directory("");
    let evil = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}\u{202e}\u{2028}";
    for (name, text) in [
        (
            "cells.csv",
            format!("id,\"na\u{1b}[2J\u{202e}me\"\nx{evil},1\n1,{evil}\n2,x,{evil}\n"),
        ),
        ("header.csv", format!("id,\"{evil}\n=1+1\"\n1,2\n")),
    ] {
        let path = place.join(name);
        fs::write(&path, text).expect("written");
        let path = path.to_str().expect("text");
        for arguments in [
            &["load", path, "--table", "things"][..],
            &["load", "--verbose", "--again", path, "--table", "things"],
            &["files"],
            &["files", "show", "1"],
            &["dead-letters", "list"],
            &["dead-letters", "list", "--json"],
            &["dead-letters", "list", "--csv"],
            &["dead-letters", "list", "--by", "column"],
            &["dead-letters", "show", "1", "1"],
            &["dead-letters", "show", "1", "2"],
            &["dead-letters", "show", "1", "3"],
            &["dead-letters", "show", "1", "1", "--json"],
            &["dead-letters", "show", "1", "2", "--json"],
        ] {
            let said = run(&mut home.command(arguments));
            assert!(said.code < Some(2), "{arguments:?}: {}", said.err);
            for text in [&said.out, &said.err] {
                assert_harmless(&format!("{arguments:?}"), text);
            }
        }
    }
    let letters = "select count(*) from ingestd.dead_letters where file_id = 1";
    let letters: i64 = client.query_one(letters, &[]).expect("them").get(0);
    assert_eq!(letters, 3);
}
