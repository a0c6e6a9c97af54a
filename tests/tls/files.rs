//! Whole files over TLS, by `load` and by the service.

use std::time::Duration;

use crate::cli::run;
use crate::support::home::{Home, drop_file};
use crate::support::{ingestd, wait_until};

use super::TlsServer;

const TABLE: &str = "create table items (id bigint primary key, name text)";
const PIPELINE: &str =
    "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\nkey = \"id\"\n";

/// The rows of a file, and more than one batch can hold.
fn rows(from: u64, count: u64) -> String {
    let rows = (from..from + count).map(|id| format!("{id},name {id}\n"));
    std::iter::once("id,name\n".to_owned())
        .chain(rows)
        .collect()
}

fn count(server: &TlsServer) -> i64 {
    let query = "select count(*) from items where name = 'name ' || id";
    server
        .client()
        .query_one(query, &[])
        .expect("a count")
        .get(0)
}

#[test]
fn load_takes_a_whole_file_and_psql_looks_at_it() {
    let server = TlsServer::start();
    server.client().batch_execute(TABLE).expect("a table");
    let file = server.scratch.write("items.csv", rows(1, 100_000));
    // Without TLS this user does not get in.
    let url = server.url("encrypted", &server.with_root("verify-full"));
    let said = run(ingestd()
        .args([
            "load",
            "--table",
            "items",
            "--key",
            "id",
            "--database-url",
            &url,
        ])
        .arg(&file));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(count(&server), 100_000);

    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let said = run(ingestd().args(["psql", "--database-url", &url, "--", "-Atc", query]));
    assert_eq!((said.code, said.out.trim()), (Some(0), "t"), "{}", said.err);
    let said = run(ingestd().args(["status", "--database-url", &url]));
    assert_eq!(said.code, Some(0), "{}", said.err);
}

/// By keys instead of a URL; the secret is replaced while the service runs.
#[test]
fn the_service_loads_on_when_its_password_was_replaced() {
    let server = TlsServer::start();
    server.client().batch_execute(TABLE).expect("a table");
    let secret = server.scratch.write("secret", "pa55word\n");
    let database = format!(
        "[database]\nhost = \"localhost\"\nport = {}\nname = \"postgres\"\nuser = \"scram\"\n\
         password_file = \"{}\"\nsslmode = \"verify-full\"\nsslrootcert = \"{}\"\n",
        server.port,
        secret.display(),
        server.root.display()
    );
    let home = Home::new(None, "", &format!("{database}{PIPELINE}"));
    let inbox = home.directory("inbox");
    let service = home.run();
    drop_file(&inbox, "one.csv", rows(1, 20_000));
    wait_until(Duration::from_secs(60), || count(&server) == 20_000);
    let encrypted = "select count(*) filter (where s.ssl), count(*) from pg_stat_ssl s
                     join pg_stat_activity a using (pid) where a.usename = 'scram'";
    let row = server.client().query_one(encrypted, &[]).expect("a row");
    let (encrypted, all): (i64, i64) = (row.get(0), row.get(1));
    assert!(all > 0 && encrypted == all, "{encrypted} of {all}");

    // Every connection is lost, and none comes about with the old password.
    let replace = "alter role scram password 'an0ther';
                   select pg_terminate_backend(pid) from pg_stat_activity where usename = 'scram'";
    server.client().batch_execute(replace).expect("replaced");
    drop_file(&inbox, "two.csv", rows(20_001, 20_000));
    wait_until(Duration::from_secs(60), || home.log().contains("28P01"));
    server.scratch.write("secret", "an0ther\n");
    wait_until(Duration::from_secs(60), || count(&server) == 40_000);
    service.stop();
    let log = home.log();
    assert!(
        !log.contains("pa55word") && !log.contains("an0ther"),
        "{log}"
    );
}
