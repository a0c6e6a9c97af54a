//! A private server for the tests of one process, and a fresh database for each of them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::runtime::Handle;

use crate::postgres::Database;

/// Starts the server, says so, and ends it with its directory once its input ends: that is, with
/// the process that started it, however that ends.
const SCRIPT: &str = r#"
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
dir=$(mktemp -d /tmp/ingestd-test.XXXXXX)
cd /
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi
trap '$as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
$as "$bin/initdb" -D "$dir/data" -U test -A trust -E UTF8 --locale=C --no-sync >/dev/null
$as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-c listen_addresses= -c fsync=off \
    -c max_connections=300 -c unix_socket_directories=$dir" start >/dev/null </dev/null
echo "$dir"
read -r _ || true
"#;

/// The shell that keeps the server. Its input ends with this process, and with it the server.
struct Server {
    socket: String,
    _keeper: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(0);

fn start() -> Server {
    let mut keeper = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(!line.trim().is_empty(), "the test server did not start");
    Server {
        socket: line.trim().to_owned(),
        _keeper: keeper,
    }
}

/// The URL of a new database that has the ledger's tables.
pub async fn fresh_url() -> String {
    let server = || SERVER.get_or_init(start);
    let server = tokio::task::spawn_blocking(server).await.unwrap();
    let socket = &server.socket;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let url = |name: &str| format!("host={socket} user=test dbname={name}");
    let admin = Database::new(&url("postgres"), Handle::current())
        .await
        .unwrap();
    let client = admin.client().await.unwrap();
    client
        .batch_execute(&format!("create database {name}"))
        .await
        .unwrap();
    let database = Database::new(&url(&name), Handle::current()).await.unwrap();
    let client = database.client().await.unwrap();
    client.batch_execute("create schema ingestd").await.unwrap();
    client
        .batch_execute(include_str!("../../../sql/0001_ledger.sql"))
        .await
        .unwrap();
    url(&name)
}
