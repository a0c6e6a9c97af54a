//! One private server for all tests of the process; a fresh database for each.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls};

use crate::postgres::migrations::migrate;

/// The name of the database that all others are copies of: its ledger is there.
const TEMPLATE: &str = "ledger";

struct Server {
    socket: PathBuf,
    /// The server ends when the shell reads the end of its input, that is with this process.
    _watchdog: Child,
}

static SERVER: OnceLock<Server> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The URL of a new database. `with_ledger`: the ledger is there already.
pub async fn new_database(with_ledger: bool) -> String {
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(Server::start))
        .await
        .expect("a server");
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let template = if with_ledger { TEMPLATE } else { "template0" };
    let admin = connect(&server.url("postgres")).await;
    admin
        .batch_execute(&format!("create database {name} template {template}"))
        .await
        .expect("a database");
    server.url(&name)
}

/// A connection for the test itself.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connect");
    tokio::spawn(connection);
    client
}

impl Server {
    fn url(&self, database: &str) -> String {
        let socket = self.socket.display();
        format!("host={socket} user=postgres dbname={database}")
    }

    fn start() -> Server {
        let directory = tempfile::Builder::new()
            .prefix("ingestd-pg")
            .tempdir_in("/tmp")
            .expect("a directory")
            .keep();
        let script = r#"
            exec >"$1/watchdog.log" 2>&1
            as_user=""
            if [ "$(id -u)" = 0 ]; then
                as_user="setpriv --reuid=postgres --regid=postgres --clear-groups"
                chown postgres "$1"
            fi
            cd "$1"
            $as_user "$2/initdb" -D "$1/data" -U postgres -A trust -E UTF8 --locale=C --no-sync
            $as_user "$2/postgres" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off \
                -c full_page_writes=off -c max_connections=200 -c deadlock_timeout=100ms &
            server=$!
            read end
            kill -QUIT $server
            wait $server
            rm -rf "$1"
        "#;
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .arg(&directory)
            .arg(binaries())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let server = Server {
            socket: directory,
            _watchdog: command.spawn().expect("a shell"),
        };
        // A thread of its own, since a runtime can't wait inside of another.
        std::thread::scope(|scope| scope.spawn(|| server.prepare()).join()).expect("a template");
        server
    }

    /// Waits for the server, and makes the template.
    fn prepare(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let start = Instant::now();
            while let Err(error) = tokio_postgres::connect(&self.url("postgres"), NoTls).await {
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "no server: {error}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let admin = connect(&self.url("postgres")).await;
            admin
                .batch_execute(&format!("create database {TEMPLATE}"))
                .await
                .expect("a template");
            let mut client = connect(&self.url(TEMPLATE)).await;
            migrate(&mut client).await.expect("a ledger");
            drop(client);
            // Nobody may be connected to a template; a closed connection takes a moment to leave.
            let others = "select count(*) from pg_stat_activity where datname = $1";
            while admin
                .query_one(others, &[&TEMPLATE])
                .await
                .expect("count")
                .get::<_, i64>(0)
                > 0
            {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// The directory of the newest server's binaries.
fn binaries() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut found: Vec<PathBuf> = installed
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    found
        .pop()
        .expect("a PostgreSQL server is installed: apt-get install postgresql")
}
