//! Disks of the server that are full: an outage, and never a dead letter.

use std::fs;
use std::path::Path;

use crate::support::home::{Home, drop_file};
use crate::support::{Mounted, OwnServer, PATIENCE, Scratch, give_to_server, wait_until};

const PIPELINE: &str = "[pipelines.things]\ndirectory = \"inbox\"\ntable = \"things\"\n\
                        key = [\"id\"]\npartitions = 2\nbatch_rows = 2000\narchive = \"archive\"\n";

/// Rows that take about 150 bytes each.
fn rows(count: usize) -> String {
    let filling = "x".repeat(100);
    let line = |id| format!("{id},{filling}\n");
    format!("id,note\n{}", (0..count).map(line).collect::<String>())
}

fn number(server: &OwnServer, query: &str) -> i64 {
    server.client().query_one(query, &[]).expect(query).get(0)
}

/// Waits until the file is archived, and fails unless every row of it is there, once.
fn assert_all_loaded(server: &OwnServer, count: usize) {
    wait_until(PATIENCE, || {
        let archived = "select count(*) from ingestd.files where state = 'ARCHIVED'";
        number(server, archived) == 1
    });
    let all = "select count(*) from things";
    assert_eq!(number(server, all), count as i64);
    let inserted = "select inserted from ingestd.files";
    assert_eq!(number(server, inserted), count as i64);
    let letters = "select count(*) from ingestd.dead_letters";
    assert_eq!(number(server, letters), 0, "an outage is no row's fault");
}

fn inbox(home: &Home) -> std::path::PathBuf {
    home.directory("inbox")
}

#[test]
fn a_full_tablespace_is_waited_out() {
    let place = Scratch::new();
    let space = place.path().join("space");
    let Some(small) = Mounted::new(&space, "size=2m,mode=755") else {
        return;
    };
    give_to_server(&space);
    let server = OwnServer::start_new();
    let ddl = [
        format!("create tablespace small location '{}'", space.display()),
        "create table things (id int primary key, note text) tablespace small".to_owned(),
    ];
    for ddl in ddl {
        server.client().batch_execute(&ddl).expect("made");
    }
    let home = Home::new(Some(&server.url()), "", PIPELINE);
    drop_file(&inbox(&home), "things.csv", rows(30_000));
    let service = home.run();
    wait_until(PATIENCE, || home.log().contains("53100"));
    let said = home.log();
    assert!(
        said.contains("free some disk space on the server"),
        "{said}"
    );
    small.remount("size=64m");
    assert_all_loaded(&server, 30_000);
    service.stop();
    // It goes before its disk does.
    drop(server);
}

/// The server does not survive that: it ends, and can't start before there is room.
#[test]
fn a_full_disk_of_the_write_ahead_log_is_waited_out() {
    let place = Scratch::new();
    let log = place.path().join("wal");
    let Some(small) = Mounted::new(&log, "size=20m,mode=755") else {
        return;
    };
    let mut server = OwnServer::start_with(&[], |data: &Path| {
        let (from, to) = (data.join("pg_wal"), log.join("pg_wal"));
        let moved = std::process::Command::new("cp")
            .arg("-a")
            .args([&from, &to])
            .status();
        assert!(moved.expect("cp").success());
        fs::remove_dir_all(&from).expect("moved");
        std::os::unix::fs::symlink(&to, &from).expect("a link");
    });
    let table = "create table things (id int primary key, note text)";
    server.client().batch_execute(table).expect("a table");
    let home = Home::new(Some(&server.url()), "", PIPELINE);
    drop_file(&inbox(&home), "things.csv", rows(120_000));
    let service = home.run();
    wait_until(PATIENCE, || {
        let said = server.log();
        said.contains("PANIC:") && said.contains("No space left on device")
    });
    server.stop_immediate();
    small.remount("size=512m");
    server.start();
    assert_all_loaded(&server, 120_000);
    service.stop();
    // It goes before its disk does.
    drop(server);
}
