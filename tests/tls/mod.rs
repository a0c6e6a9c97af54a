//! Encrypted connections, to a real server over TCP with certificates of the test's own.

mod cells;
pub mod certificates;
mod clients;
mod files;
mod passwords;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use postgres::{Client, NoTls};

use self::certificates::{Authority, Pair};
use crate::support::{OwnServer, Scratch, give_to_server};

/// Who gets in how, over TCP.
const ENTRIES: &str = "
local   all all                    trust
hostssl all encrypted 127.0.0.1/32 trust
hostnossl all plain   127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
host    all scram     127.0.0.1/32 scram-sha-256
host    all tester    127.0.0.1/32 trust
";

const ROLES: &str = "
create role encrypted login superuser;
create role plain login superuser;
create role certified login superuser;
create role scram login superuser password 'pa55word';
";

/// A server that speaks TLS on a port of its own.
pub struct TlsServer {
    pub server: OwnServer,
    pub port: u16,
    pub authority: Authority,
    /// Where the client's files are.
    pub scratch: Scratch,
    /// The file with the authority's certificate.
    pub root: PathBuf,
}

impl TlsServer {
    /// One with a good certificate.
    pub fn start() -> TlsServer {
        TlsServer::start_with("ssl=on")
    }

    /// The same with a further setting.
    pub fn start_with(setting: &str) -> TlsServer {
        let authority = Authority::new("the test's authority");
        let port = free_port();
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            setting.to_owned(),
            "ssl_ca_file=root.crt".to_owned(),
            "ssl_cert_file=server.crt".to_owned(),
            "ssl_key_file=server.key".to_owned(),
            "password_encryption=scram-sha-256".to_owned(),
        ];
        let good = authority.server(&["localhost", "127.0.0.1"]);
        let server = OwnServer::start_with(&settings, |data| {
            fs::write(data.join("pg_hba.conf"), ENTRIES).expect("written");
            fs::write(data.join("root.crt"), &authority.certificate).expect("written");
            put(data, &good);
        });
        let scratch = Scratch::new();
        let root = scratch.write("root.pem", &authority.certificate);
        let server = TlsServer {
            server,
            port,
            authority,
            scratch,
            root,
        };
        server.client().batch_execute(ROLES).expect("roles");
        server
    }

    /// A connection for the test itself, by the socket.
    pub fn client(&self) -> Client {
        let place = self.server.data();
        let url = format!(
            "host={} port={} user=tester dbname=postgres",
            place.display(),
            self.port
        );
        Client::connect(&url, NoTls).expect("a connection")
    }

    /// The server shows another certificate from now on.
    pub fn present(&self, pair: &Pair) {
        put(&self.server.data(), pair);
        self.server.reload();
    }

    /// The URL of a user, with parameters.
    pub fn url(&self, user: &str, parameters: &str) -> String {
        format!(
            "postgresql://{user}@localhost:{}/postgres?{parameters}",
            self.port
        )
    }

    /// A parameter with the authority's certificate.
    pub fn with_root(&self, mode: &str) -> String {
        format!("sslmode={mode}&sslrootcert={}", self.root.display())
    }
}

/// Puts a certificate and its key where the server looks for them.
fn put(data: &Path, pair: &Pair) {
    fs::write(data.join("server.crt"), &pair.certificate).expect("written");
    write_secret(&data.join("server.key"), &pair.key);
    for name in ["server.crt", "server.key"] {
        give_to_server(&data.join(name));
    }
}

/// Writes a file that nobody else may read.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("ours");
}

/// A port that nobody listens on. Somebody else may take it before the server does, which is very
/// seldom; the server then doesn't start.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
