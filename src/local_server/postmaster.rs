//! Servers that run already: what `postmaster.pid` says, and what outlived its parent.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::io_error;

/// How often to look whether something has changed.
pub(super) const GLANCE: Duration = Duration::from_millis(10);

/// What a server wrote about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    /// Its process.
    pub pid: i32,
    /// The directory of its socket, once it has one.
    pub socket: Option<PathBuf>,
    /// Whether it takes connections.
    pub ready: bool,
}

impl PidFile {
    /// Reads the file of a cluster; `None` where no server runs, or it hasn't written it yet.
    pub fn read(cluster: &Path) -> std::io::Result<Option<PidFile>> {
        match fs::read_to_string(cluster.join("postmaster.pid")) {
            Ok(text) => Ok(PidFile::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lines: process, data directory, start time, port, socket directory, address, memory, state.
    fn parse(text: &str) -> Option<PidFile> {
        let lines: Vec<&str> = text.lines().collect();
        let line = |index: usize| lines.get(index).map(|line| line.trim());
        Some(PidFile {
            pid: line(0)?.parse().ok()?,
            socket: line(4).filter(|path| !path.is_empty()).map(PathBuf::from),
            ready: line(7) == Some("ready"),
        })
    }
}

/// A cluster whose lock is ours, and what its processes look like.
pub(super) struct Leftovers<'a> {
    /// The server's data directory.
    pub cluster: &'a Path,
    /// Its name in the titles of its processes.
    pub name: &'a str,
    /// Whom its processes run as.
    pub uid: u32,
    /// The directory of its socket.
    pub socket: &'a Path,
}

impl Leftovers<'_> {
    /// Stops what runs on the cluster without being wanted, and removes what it left lying about.
    ///
    /// Whoever held the lock is dead, and its server should be about to end, or is orphaned.
    pub fn clear_away(&self) -> Result<()> {
        let patience: [(Option<Signal>, Signal, Duration); 3] = [
            // A fast shutdown, of the server alone: its children end with it, and those of a
            // killed one end when they see that.
            (None, Signal::INT, Duration::from_secs(30)),
            (Some(Signal::QUIT), Signal::QUIT, Duration::from_secs(5)),
            (Some(Signal::KILL), Signal::KILL, Duration::from_secs(10)),
        ];
        for (to_children, to_server, mut limit) in patience {
            let found = self.processes();
            if to_children.is_none() && !found.iter().any(|process| process.leads) {
                limit = Duration::from_secs(5);
            }
            for process in &found {
                let signal = if process.leads {
                    Some(to_server)
                } else {
                    to_children
                };
                if let Some(signal) = signal {
                    // It may have ended since.
                    let _ = kill_process(process.pid, signal);
                }
            }
            let deadline = Instant::now() + limit;
            while Instant::now() < deadline {
                if self.processes().is_empty() {
                    return self.remove_files();
                }
                thread::sleep(GLANCE);
            }
        }
        Err(Error::new(
            ErrorKind::Transient,
            format!(
                "processes of an earlier server on {} do not end, not even when killed",
                self.cluster.display()
            ),
        ))
    }

    /// Removes the marks of a server that is dead for certain: they name its process, whose
    /// number may be another's by now, and a new server would shy away from that.
    fn remove_files(&self) -> Result<()> {
        let files = [
            self.cluster.join("postmaster.pid"),
            self.socket.join(".s.PGSQL.5432"),
            self.socket.join(".s.PGSQL.5432.lock"),
        ];
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_error(format!("removing {}", file.display()), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn processes(&self) -> Vec<Process> {
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let pid = Pid::from_raw(pid)?;
                if entry.metadata().ok()?.uid() != self.uid {
                    return None;
                }
                // Links such as /proc/*/cwd would say more, but in a container even root may not
                // read those of another user's processes.
                let line = fs::read(entry.path().join("cmdline")).ok()?;
                let leads = recognise(&line, self.cluster, self.name)?;
                Some(Process { pid, leads })
            })
            .collect()
    }
}

struct Process {
    pid: Pid,
    leads: bool,
}

/// Whether a command line is that of the cluster's server (`true`) or of a child of it (`false`).
fn recognise(command_line: &[u8], cluster: &Path, name: &str) -> Option<bool> {
    if let Some(title) = command_line.strip_prefix(b"postgres: ") {
        let ours = title
            .strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.starts_with(b":"));
        return ours.then_some(false);
    }
    let mut words = command_line.split(|&byte| byte == 0);
    let program = Path::new(OsStr::from_bytes(words.next()?));
    let ours = program.file_name() == Some(OsStr::new("postgres"))
        && words.any(|word| word == cluster.as_os_str().as_bytes());
    ours.then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_server_writes_about_itself() {
        let text = "4242\n/data\n1700000000\n5432\n/data/socket\n\n  123  456\nready   \n";
        let expected = PidFile {
            pid: 4242,
            socket: Some("/data/socket".into()),
            ready: true,
        };
        assert_eq!(PidFile::parse(text), Some(expected));
        let early = PidFile::parse("4242\n/data\n1700000000\n5432\n").expect("a process");
        assert_eq!((early.ready, early.socket), (false, None));
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn knows_its_own_processes_from_those_of_other_clusters() {
        let known = |line: &[u8]| recognise(line, Path::new("/d/cluster"), "ingestd-12");
        assert_eq!(
            known(b"/usr/lib/postgresql/15/bin/postgres\0-D\0/d/cluster\0"),
            Some(true)
        );
        assert_eq!(known(b"/usr/bin/postgres\0-D\0/d/cluster2\0"), None);
        assert_eq!(known(b"/usr/bin/vi\0/d/cluster\0"), None);
        assert_eq!(known(b"postgres: ingestd-12: checkpointer \0"), Some(false));
        assert_eq!(known(b"postgres: ingestd-123: checkpointer \0"), None);
        assert_eq!(known(b"postgres: 15/main: checkpointer \0"), None);
        assert_eq!(known(b""), None);
    }
}
