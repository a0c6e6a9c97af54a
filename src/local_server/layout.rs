//! The data directory: what stands where in it, and that the server's user can reach it.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ingestd_actors::error::Result;
use rustix::process::Signal;

use super::account::Account;
use super::binaries::Binaries;
use super::child::{as_user, fork};
use super::{io_error, refuse};

/// Where the data are unless the configuration says otherwise: `/var/lib/ingestd` for root (its
/// home can't be reached by the server's user), and below the user's home for others.
pub fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/ingestd");
    }
    default_for_user(env::var_os("XDG_DATA_HOME"), env::var_os("HOME"))
}

fn default_for_user(
    data_home: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
) -> PathBuf {
    // The specification says that a relative path there counts as none.
    let data_home = data_home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = home.map(PathBuf::from).filter(|path| path.is_absolute());
    match (data_home, home) {
        (Some(data_home), _) => data_home.join("ingestd"),
        (None, Some(home)) => home.join(".local/share/ingestd"),
        (None, None) => {
            let uid = rustix::process::geteuid().as_raw();
            env::temp_dir().join(format!("ingestd-{uid}"))
        }
    }
}

/// The paths below a data directory.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the data directory where there is none.
    pub fn create(data_dir: &Path, current: &Account) -> Result<Layout> {
        let making = || format!("making the data directory {}", data_dir.display());
        let data_dir = std::path::absolute(data_dir).map_err(|error| io_error(making(), error))?;
        let missing: Vec<&Path> = data_dir
            .ancestors()
            .take_while(|path| !path.exists())
            .collect();
        for directory in missing.into_iter().rev() {
            match fs::create_dir(directory) {
                Ok(()) => {
                    // Whatever root's umask is, the server's user has to get through.
                    let mode = if current.is_root() { 0o755 } else { 0o700 };
                    fs::set_permissions(directory, Permissions::from_mode(mode))
                        .map_err(|error| io_error(making(), error))?;
                }
                // Another process was faster.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(io_error(making(), error)
                        .with_advice("choose another data directory in the configuration"));
                }
            }
        }
        // Links are resolved, so that every life finds the server by the same path.
        let root = data_dir
            .canonicalize()
            .map_err(|error| io_error(making(), error))?;
        if root.to_str().is_none_or(|path| path.contains(['\n', '\r'])) {
            return Err(refuse(format!(
                "the data directory {} is not plain UTF-8 on one line",
                root.display()
            )));
        }
        Ok(Layout { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("ingestd.lock")
    }

    pub fn users_lock(&self) -> PathBuf {
        self.root.join("users.lock")
    }

    pub fn cluster(&self) -> PathBuf {
        self.root.join("cluster")
    }

    /// Where a cluster is made before it gets its name.
    pub fn new_cluster(&self) -> PathBuf {
        self.root.join("cluster.new")
    }

    pub fn configuration(&self) -> PathBuf {
        self.root.join("conf")
    }

    pub fn socket(&self) -> PathBuf {
        self.root.join("socket")
    }

    pub fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    pub fn old_log(&self) -> PathBuf {
        self.root.join("server.log.1")
    }

    /// Makes sure that the server's user can come here and run the server: by trying.
    pub fn check_reach(&self, server: &Account, binaries: &Binaries) -> Result<()> {
        let mut command = Command::new(binaries.postgres());
        command
            .arg("--version")
            // The child goes there after it has changed its user.
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let tried = fork(as_user(command, server, Signal::KILL));
        match tried.and_then(|mut child| child.wait()) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(refuse(format!(
                "{} doesn't run: {status}",
                binaries.postgres().display()
            ))),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(self.out_of_reach(server))
            }
            Err(error) => Err(io_error(
                format!("running {}", binaries.postgres().display()),
                error,
            )),
        }
    }

    fn out_of_reach(&self, server: &Account) -> ingestd_actors::error::Error {
        let lets_through = |path: &&Path| {
            fs::metadata(path).is_ok_and(|found| {
                let bit = if found.uid() == server.uid {
                    0o100
                } else if found.gid() == server.gid {
                    0o010
                } else {
                    0o001
                };
                found.mode() & bit != 0
            })
        };
        let above: Vec<&Path> = self.root.ancestors().collect();
        let closed = above.into_iter().rev().find(|path| !lets_through(path));
        refuse(format!(
            "the server runs as {}, and that user can't reach the data directory {}{}",
            server.name,
            self.root.display(),
            closed
                .map(|path| format!(": {} is closed to it", path.display()))
                .unwrap_or_default()
        ))
        .with_advice("choose a data directory such as /var/lib/ingestd, or open this one")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_go_below_the_home_unless_the_desktop_says_otherwise() {
        let path = |text: &str| Some(text.into());
        assert_eq!(
            default_for_user(path("/data"), path("/home/me")),
            Path::new("/data/ingestd")
        );
        assert_eq!(
            default_for_user(path("relative"), path("/home/me")),
            Path::new("/home/me/.local/share/ingestd")
        );
        assert!(default_for_user(None, None).is_absolute());
    }
}
