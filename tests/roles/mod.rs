//! The roles that `sql/roles.sql` makes: one migrates, one loads, one reads, and none does more.

mod ledger;
mod steering;
mod takeover;
mod whole;

use postgres::{Client, NoTls};

use crate::cli::{Said, run};
use crate::support::{OwnServer, ingestd};

/// Roles are the whole server's, so that each test has one of its own.
struct World {
    server: OwnServer,
}

const LOGINS: &str = "
create role migrator login in role ingestd_migrate;
create role loader login in role ingestd_load;
create role \"Other Loader\" login in role ingestd_load;
create role reader login in role ingestd_read;
create role stranger login;
";

impl World {
    /// A server where the script has run before anything else.
    fn with_roles() -> World {
        let world = World {
            server: OwnServer::start_new(),
        };
        world.run_script();
        world.server.client().batch_execute(LOGINS).expect("logins");
        world
    }

    /// As an administrator does it.
    fn run_script(&self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/roles.sql");
        let url = self.server.url();
        let said = run(ingestd().args(["psql", "--database-url", &url, "--", "-q", "-f", script]));
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    }

    /// The URL of a role.
    fn url(&self, role: &str) -> String {
        let role = role.replace(' ', "%20");
        self.server
            .url()
            .replace("user=tester", &format!("user={role}"))
    }

    fn client(&self, role: &str) -> Client {
        Client::connect(&self.url(role), NoTls).expect("a connection")
    }

    /// Runs a subcommand as a role.
    fn ask(&self, role: &str, arguments: &[&str]) -> Said {
        run(ingestd()
            .args(arguments)
            .args(["--database-url", &self.url(role)]))
    }

    fn migrate(&self, role: &str) {
        let said = self.ask(role, &["migrate"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
}
