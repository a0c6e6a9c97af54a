//! Another program that ends when we do.

use std::io;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use rustix::process::Signal;

use super::account::Account;
use super::child::OwnChild;
use super::io_error;
use super::postmaster::GLANCE;

/// A program that runs as this user, in a process group of its own: Ctrl-C does not reach it. It is
/// killed when this process ends in any way, and when this is dropped.
#[derive(Debug)]
pub struct Dependent(OwnChild);

impl Dependent {
    /// Starts it.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(command: Command) -> Result<Dependent> {
        let program = command.get_program().to_owned();
        let started =
            |me: &Account| -> io::Result<OwnChild> { OwnChild::spawn(command, me, Signal::KILL) };
        let child = started(&Account::current()?)
            .map_err(|error| io_error(format!("starting {}", program.display()), error))?;
        Ok(Dependent(child))
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.0.pid().as_raw_nonzero().get()
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.0.ended()
    }

    /// Kills it, and waits for its end.
    pub fn kill(&self) {
        self.0.signal(Signal::KILL);
        while self.0.ended().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Asks it to end, and waits for that; `None` where it does not in time.
    pub fn stop(&self, patience: Duration) -> Option<ExitStatus> {
        self.0.signal(Signal::TERM);
        let deadline = Instant::now() + patience;
        while self.0.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(GLANCE);
        }
        self.0.ended()
    }
}

impl Drop for Dependent {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stopped_or_killed() {
        let start = || {
            let mut command = Command::new("sleep");
            command.arg("60");
            Dependent::start(command).expect("a program")
        };
        let one = start();
        assert_eq!(one.ended(), None);
        one.kill();
        assert!(one.ended().is_some());
        assert!(start().stop(Duration::from_secs(20)).is_some());
    }
}
