//! The service under test: a process that is started, killed and started again.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::places::{Places, failed};
use crate::local_server::Dependent;

/// How long an orderly end may take.
const TO_END: Duration = Duration::from_secs(30);

/// The service under test.
pub struct Process {
    places: Places,
    url: String,
    child: Dependent,
    /// How often it has ended by itself.
    pub deaths: u64,
}

impl Process {
    /// Starts it: this program, as `ingestd run`.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start(places: &Places, url: &str) -> Result<Process> {
        Ok(Process {
            child: spawn(places, url)?,
            places: places.clone(),
            url: url.to_owned(),
            deaths: 0,
        })
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.child.pid()
    }

    /// Kills it.
    pub fn kill(&self) {
        self.child.kill();
    }

    /// Starts it again after it was killed.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.places, &self.url)?;
        Ok(())
    }

    /// An error where it has ended before anything was done to it.
    ///
    /// # Errors
    /// `Configuration`, with its last words.
    pub fn refuse_if_ended(&self) -> Result<()> {
        let Some(status) = self.child.ended() else {
            return Ok(());
        };
        let log = self.places.log();
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().last().unwrap_or("it said nothing");
        let message = format!("the service ended at its start ({status}): {last}");
        Err(Error::new(ErrorKind::Configuration, message)
            .with_advice(format!("its log is {}", log.display())))
    }

    /// Starts it again where it has ended by itself, which it never should; whether it had.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn look_after(&mut self) -> Result<bool> {
        if self.child.ended().is_none() {
            return Ok(false);
        }
        self.deaths += 1;
        self.start_again()?;
        Ok(true)
    }

    /// Ends it in order; whether that was in time, and everything was committed.
    pub fn stop(self) -> bool {
        self.child
            .stop(TO_END)
            .is_some_and(|status| status.success())
    }
}

fn spawn(places: &Places, url: &str) -> Result<Dependent> {
    let program = std::env::current_exe().map_err(|error| {
        let message = format!("the program does not find itself: {error}");
        Error::new(ErrorKind::Transient, message)
    })?;
    let path = places.log();
    let log = OpenOptions::new().append(true).create(true).open(&path);
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg("--config")
        .arg(places.config())
        .current_dir(places.root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_err(|error| failed("open", &path, &error))?);
    // What configures the services of this machine is not for this one.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == "DATABASE_URL" || text.to_uppercase().starts_with("INGESTD") {
            command.env_remove(&name);
        }
    }
    // Services beside each other would want one address.
    command.env("INGESTD__HTTP__LISTEN", "off");
    // A password in it is nobody else's to read, as it would be in a file or on a command line.
    command.env("INGESTD__DATABASE__URL", url);
    Dependent::start(command)
}
