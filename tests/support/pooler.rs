//! A PgBouncer in transaction mode, of one test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::databases::server::{as_server_user, give_to_server, quoted};
use super::{Scratch, wait_until};

/// The number that names its socket; nothing listens on a port.
const PORT: u16 = 6432;

/// A PgBouncer before a server. It ends with the test, however that ends.
pub struct Pooler {
    place: Scratch,
    keeper: Option<Child>,
}

impl Pooler {
    /// One that has so many connections to the server whose database `url` names, and lets as many
    /// clients in as come; `more` are further settings.
    pub fn start_new(url: &str, size: u32, more: &str) -> Pooler {
        let pooler = Pooler {
            place: Scratch::new(),
            keeper: None,
        };
        let run = pooler.run();
        std::fs::create_dir(&run).expect("a directory");
        give_to_server(&run);
        let config: tokio_postgres::Config = url.parse().expect("a URL");
        let [tokio_postgres::config::Host::Unix(socket)] = config.get_hosts() else {
            panic!("the server has a socket: {url}");
        };
        let text = format!(
            "[databases]\n* = host={socket} user={user}\n[pgbouncer]\npool_mode = transaction\n\
             listen_addr =\nlisten_port = {PORT}\nunix_socket_dir = {run}\nauth_type = any\n\
             default_pool_size = {size}\nmax_client_conn = 500\nserver_check_delay = 0\n\
             server_lifetime = 2\n{more}\n",
            socket = socket.display(),
            user = config.get_user().expect("a user"),
            run = run.display(),
        );
        pooler.place.write("pgbouncer.ini", text);
        let mut pooler = pooler;
        pooler.start();
        pooler
    }

    fn run(&self) -> PathBuf {
        self.place.path().join("run")
    }

    /// The URL of the same database, through it.
    pub fn url(&self, url: &str) -> String {
        let config: tokio_postgres::Config = url.parse().expect("a URL");
        format!(
            "postgresql:///{}?host={}&port={PORT}&user={}",
            config.get_dbname().expect("a database"),
            self.run().display(),
            config.get_user().expect("a user"),
        )
    }

    /// Starts it, and waits until it takes connections.
    pub fn start(&mut self) {
        assert!(self.keeper.is_none(), "it runs already");
        let mut command = as_server_user(program());
        command
            .arg("-q")
            .arg(self.place.path().join("pgbouncer.ini"));
        let words: Vec<String> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| quoted(word.to_str().expect("plain paths")))
            .collect();
        let log = self.place.path().join("log");
        // The keeper reads from a pipe that ends with this process, even when that is killed.
        let script = format!(
            "{} >>{} 2>&1 </dev/null &\npooler=$!\nread end\nkill -KILL $pooler\nwait $pooler\n",
            words.join(" "),
            quoted(log.to_str().expect("a plain path")),
        );
        let keeper = Command::new("sh")
            .args(["-c", &script])
            .current_dir(self.place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        self.keeper = Some(keeper);
        let socket = self.run().join(format!(".s.PGSQL.{PORT}"));
        wait_until(Duration::from_secs(20), || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
    }

    /// Kills it: what its clients had under way is rolled back, or its outcome is not known to them.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("it has ended");
            let _ = std::fs::remove_file(self.run().join(format!(".s.PGSQL.{PORT}")));
        }
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(15)..];
            eprintln!("the pooler's log ends:\n{}", shown.join("\n"));
        }
    }
}

fn program() -> PathBuf {
    let places = [
        "/usr/sbin/pgbouncer",
        "/usr/bin/pgbouncer",
        "/usr/local/bin/pgbouncer",
    ];
    let found = places.map(Path::new).into_iter().find(|it| it.is_file());
    let found = found.expect("PgBouncer is not installed: `.ci/setup tests` does it");
    found.to_owned()
}
