//! A configured service: where it lives, what its pipeline is, and its processes.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::databases::server::as_server_user;
use super::{Scratch, ingestd};

/// The pipeline of the demo: with a key, into a table that is created.
pub const ECOMMERCE: &str = include_str!("../../config/ecommerce.toml");

/// Where a service lives, with its configuration. Its log is shown where the test fails.
pub struct Home {
    scratch: Scratch,
}

impl Home {
    /// A home with a configuration: `service` are keys of its first section, `pipeline` is the text
    /// of a pipeline; without a URL, the database is the private server.
    pub fn new(url: Option<&str>, service: &str, pipeline: &str) -> Home {
        let home = Home {
            scratch: Scratch::new(),
        };
        let data = home.data();
        fs::create_dir(&data).expect("a directory");
        let database = url.map(|url| format!("[database]\nurl = \"{url}\"\n"));
        let text = format!(
            "[service]\ndata_dir = \"{}\"\n{service}\n{}\n[log]\nformat = \"json\"\n{pipeline}",
            data.display(),
            database.unwrap_or_default(),
        );
        home.scratch.write("ingestd.toml", text);
        home
    }

    /// The text of the configuration.
    pub fn config(&self) -> String {
        fs::read_to_string(self.config_path()).expect("a configuration")
    }

    /// Writes another configuration in place of the one that is there, as a careful writer does.
    pub fn configure(&self, text: &str) {
        let hidden = self.scratch.write(".ingestd.toml", text);
        fs::rename(hidden, self.config_path()).expect("renamed");
    }

    fn config_path(&self) -> PathBuf {
        self.scratch.path().join("ingestd.toml")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// A directory below the data directory; it is made where there is none.
    pub fn directory(&self, name: &str) -> PathBuf {
        let directory = self.data().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        directory
    }

    /// Replaces a part of the configuration.
    pub fn replace(&self, from: &str, to: &str) {
        let path = self.scratch.path().join("ingestd.toml");
        let text = fs::read_to_string(&path).expect("the configuration");
        fs::write(&path, replaced(&text, from, to)).expect("written");
    }

    /// Starts the service.
    pub fn run(&self) -> Service {
        self.start(&["run"])
    }

    /// Starts the service as the user that the tests' server runs as, where that is another one. That
    /// user has to be able to write into the data directory.
    pub fn run_as_server_user(&self) -> Service {
        let run = self.command(&["run"]);
        let mut command = as_server_user(PathBuf::from(run.get_program()));
        command.args(run.get_args()).current_dir("/");
        for (name, value) in run.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.spawn(command)
    }

    /// Starts a subcommand that may take its time.
    pub fn start(&self, arguments: &[&str]) -> Service {
        self.start_with(arguments, &[])
    }

    /// The same with variables of the environment.
    pub fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Service {
        let mut command = self.command(arguments);
        command.envs(variables.iter().copied());
        self.spawn(command)
    }

    fn spawn(&self, mut command: Command) -> Service {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.log_path());
        let child = command
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("the program");
        Service { child }
    }

    /// Runs a subcommand that ends by itself.
    pub fn ask(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program")
    }

    /// A subcommand that was not started yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = ingestd();
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_path())
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// What the service has said, in all its lives.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.scratch.path().join("log")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(60)..];
            eprintln!("the service's log ends:\n{}", shown.join("\n"));
        }
    }
}

/// A running service; it is killed at the end of the test, where it still runs.
pub struct Service {
    child: Child,
}

impl Service {
    /// Sends a signal; one that can be caught only once it would be: before, it ends any program.
    pub fn signal(&self, signal: Signal) {
        if ![Signal::KILL, Signal::STOP, Signal::CONT].contains(&signal) {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !self.listens_for(signal) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        }
        kill_process(self.pid(), signal).expect("the process is there");
    }

    /// Whether it catches a signal, or keeps it until it does.
    fn listens_for(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let masks = ["SigBlk:", "SigCgt:"];
        masks.iter().any(|mask| {
            let mut lines = status.lines();
            let set = lines.find_map(|line| line.strip_prefix(mask));
            let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
            set.is_some_and(|set| set >> (signal.as_raw() - 1) & 1 == 1)
        })
    }

    /// Kills it, and waits for its end.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        let status = self.child.wait().expect("a status");
        let killed = Some(Signal::KILL.as_raw());
        assert_eq!(status.signal(), killed, "it had ended by itself: {status}");
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a status")
    }

    /// Waits for its end.
    pub fn wait(mut self, timeout: Duration) -> ExitStatus {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "it runs on after {timeout:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end, and expects that it does so in order.
    pub fn stop(self) {
        self.signal(Signal::TERM);
        let status = self.wait(Duration::from_secs(20));
        assert_eq!(status.code(), Some(0), "{status}");
    }

    /// The most memory that it has ever had, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.expect("its peak").trim().trim_end_matches(" kB");
        number.parse().expect("a number")
    }

    /// Waits until it has read next to nothing for half a second: all that it may have in flight is.
    pub fn wait_until_reading_rests(&self) {
        let path = format!("/proc/{}/io", self.child.id());
        let read = || {
            let io = fs::read_to_string(&path).expect("it runs");
            let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
            let number = line.expect("what it has read").parse::<u64>();
            number.expect("a number")
        };
        let (mut last, mut since) = (read(), Instant::now());
        while since.elapsed() < Duration::from_millis(500) {
            thread::sleep(Duration::from_millis(10));
            let now = read();
            if now > last + (64 << 10) {
                (last, since) = (now, Instant::now());
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Replaces what must be there.
pub fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is to be replaced");
    text.replace(from, to)
}

/// The names of what stands in a directory, hidden ones too.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| {
        let entry = entry.expect("an entry");
        entry.file_name().to_string_lossy().into_owned()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Puts a file in place as a careful writer does: under a hidden name first.
pub fn drop_file(directory: &Path, name: &str, content: impl AsRef<[u8]>) {
    let hidden = directory.join(format!(".{name}"));
    let mut file = File::create(&hidden).expect("a file");
    std::io::Write::write_all(&mut file, content.as_ref()).expect("written");
    fs::rename(&hidden, directory.join(name)).expect("renamed");
}
