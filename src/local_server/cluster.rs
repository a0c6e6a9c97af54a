//! The cluster: made once, under another name until it is whole.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ingestd_actors::error::{Error, ErrorKind, Result};
use rustix::process::Signal;

use super::account::Account;
use super::binaries::{Binaries, find_binaries, find_binaries_of};
use super::child::{as_user, fork};
use super::layout::Layout;
use super::{NAME, io_error, refuse, socket};

/// A cluster that stands there, the programs for it, and whom they run as.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub binaries: Binaries,
    pub server: Account,
}

/// Finds the cluster of a data directory, or makes it. The caller holds the lock.
pub(super) fn find_or_make(layout: &Layout, current: &Account) -> Result<Cluster> {
    if let Some((major, owner)) = existing(&layout.cluster())? {
        let server = Account::for_server(current, Some(owner))?;
        let binaries = find_binaries_of(major)?;
        layout.check_reach(&server, &binaries)?;
        return Ok(Cluster { binaries, server });
    }
    let binaries = find_binaries()?;
    let server = Account::for_server(current, None)?;
    layout.check_reach(&server, &binaries)?;
    make(layout, &binaries, &server, current)?;
    Ok(Cluster { binaries, server })
}

/// The version and the owner of a cluster, where there is one.
fn existing(cluster: &Path) -> Result<Option<(u32, u32)>> {
    let looking = || format!("looking for the server's data in {}", cluster.display());
    let owner = match fs::symlink_metadata(cluster) {
        Ok(found) => found.uid(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(looking(), error)),
    };
    let version = fs::read_to_string(cluster.join("PG_VERSION"))
        .map_err(|error| io_error(looking(), error))?;
    let major = version
        .trim()
        .parse()
        .map_err(|_| refuse(format!("{}: PG_VERSION is no version", cluster.display())))?;
    Ok(Some((major, owner)))
}

fn make(layout: &Layout, binaries: &Binaries, server: &Account, current: &Account) -> Result<()> {
    let new = layout.new_cluster();
    let making = || format!("making the server's data directory {}", new.display());
    // What a life left that was killed over its initdb.
    match fs::remove_dir_all(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error(making(), error));
        }
        _ => {}
    }
    socket::make_private(&new, server, current)?;
    let mut command = Command::new(binaries.initdb());
    command
        .arg("-D")
        .arg(&new)
        .args(["-U", NAME, "-A", "peer", "-E", "UTF8", "--locale=C"])
        .current_dir(layout.root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    clean_environment(&mut command);
    let output = fork(as_user(command, server, Signal::KILL))
        .and_then(|child| child.wait_with_output())
        .map_err(|error| io_error(making(), error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::new(
            ErrorKind::Transient,
            format!("initdb failed ({}): {}", output.status, last_lines(&said)),
        ));
    }
    // initdb has synced what is inside; from here on the name is on the disk, too.
    fs::rename(&new, layout.cluster())
        .and_then(|()| File::open(layout.root())?.sync_all())
        .map_err(|error| io_error(making(), error))
}

/// Gives a program of PostgreSQL nothing of our environment that could lead it astray, and none
/// of our secrets.
pub(super) fn clean_environment(command: &mut Command) {
    command.env_clear();
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("LC_ALL", "C").env("TZ", "UTC");
}

/// The end of what a program said, on one line.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(4)..].join(" / ")
}
