//! A server of one test's own, which it may stop and start.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};

use super::databases::server;
use super::{Scratch, wait_until};

/// A cluster and its server. Both are gone at the end, however that comes about.
pub struct OwnServer {
    place: Scratch,
    settings: Vec<String>,
    keeper: Option<Child>,
}

impl OwnServer {
    /// Makes a cluster and starts its server.
    pub fn start_new() -> OwnServer {
        OwnServer::start_with(&[], |_| ())
    }

    /// The same with further settings, and with what `prepare` puts into the cluster's directory.
    pub fn start_with(settings: &[String], prepare: impl FnOnce(&Path)) -> OwnServer {
        let place = Scratch::new();
        server::make_cluster(place.path());
        prepare(&place.path().join("data"));
        let mut server = OwnServer {
            place,
            settings: settings.to_vec(),
            keeper: None,
        };
        server.start();
        server
    }

    /// The URL of its database `postgres`: the same in every life.
    pub fn url(&self) -> String {
        server::url(self.place.path(), "postgres")
    }

    /// A new connection. It must not be used on a thread that drives an async runtime.
    pub fn client(&self) -> Client {
        Client::connect(&self.url(), NoTls).expect("a connection")
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(&mut self) {
        assert!(self.keeper.is_none(), "the server runs already");
        // The keeper reads from a pipe that ends with this process, even when that is killed.
        let script = format!(
            "{}\nserver=$!\nread end\nkill -QUIT $server\nwait $server\n",
            server::shell_line(self.place.path(), &self.settings)
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
        wait_until(Duration::from_secs(60), || {
            server::ready(self.place.path()).is_some()
        });
    }

    /// Stops the server as a crash would: nothing is written back, it recovers at its next start.
    pub fn stop_immediate(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // The keeper waits for the end of its input.
            drop(keeper.stdin.take());
            keeper.wait().expect("the server has ended");
        }
    }

    /// Its cluster's directory.
    pub fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// Makes it read its configuration anew, and waits until it has.
    pub fn reload(&self) {
        let seen = || self.log().matches("received SIGHUP").count();
        let before = seen();
        let pid = server::ready(self.place.path()).and_then(|pid| Pid::from_raw(pid as i32));
        kill_process(pid.expect("it runs"), Signal::HUP).expect("it is there");
        // It takes no connection between that line and the end of its reading.
        wait_until(Duration::from_secs(20), || seen() > before);
    }

    /// What the server has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.stop_immediate();
    }
}
