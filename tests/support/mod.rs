//! What the integration tests stand on: databases, servers, directories, and the program itself.

pub mod answer;
mod databases;
pub mod home;
mod mounted;
mod own_server;
mod pooler;
pub mod proxy;
pub mod scene;
mod scratch;

use std::process::Command;
use std::time::Duration;

use postgres::{Client, NoTls};

pub use databases::server::give_to_server;
pub use databases::{TestDatabase, database, wait_until};
pub use mounted::Mounted;
pub use own_server::OwnServer;
pub use pooler::Pooler;
pub use scratch::Scratch;

/// How long a test waits for what has to come. It bounds nothing: how long things take is up to the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

impl TestDatabase {
    /// A new connection. It must not be used on a thread that drives an async runtime.
    pub fn client(&self) -> Client {
        Client::connect(&self.url, NoTls).expect("a connection")
    }
}

/// Names another program than the one that was built with the tests.
const PROGRAM: &str = "INGESTD_TEST_PROGRAM";

/// Whether another program is named, to be measured.
pub fn is_measured() -> bool {
    std::env::var_os(PROGRAM).is_some()
}

/// The program, without what the caller's environment would configure: the one that was built with the
/// tests, or the one that `INGESTD_TEST_PROGRAM` names, such as an optimised one that is to be measured.
pub fn ingestd() -> Command {
    let named = std::env::var_os(PROGRAM);
    let mut command = Command::new(named.unwrap_or(env!("CARGO_BIN_EXE_ingestd").into()));
    for (name, _) in std::env::vars_os() {
        if configures(&name.to_string_lossy()) {
            command.env_remove(&name);
        }
    }
    // Hundreds of services run at once, and few are asked anything.
    command.env("INGESTD__HTTP__LISTEN", "off");
    command
}

/// Whether a variable of the environment would tell the program, or psql, what to do.
pub fn configures(variable: &str) -> bool {
    let prefixes = ["DATABASE_URL", "INGESTD", "PG", "XDG_"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix))
}
