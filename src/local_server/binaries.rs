//! Where PostgreSQL's programs are on this machine.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ingestd_actors::error::Result;

use super::refuse;

/// The oldest PostgreSQL that `ingestd` works with.
const OLDEST: u32 = 13;

/// One installation of PostgreSQL's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
    major: u32,
}

impl Binaries {
    /// The server itself.
    pub fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    /// The program that makes a cluster.
    pub fn initdb(&self) -> PathBuf {
        self.directory.join("initdb")
    }

    /// The directory that they stand in.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The major version, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }
}

/// The PostgreSQL server's programs: from `PATH`, `pg_config`, Debian's directories (the newest
/// first), and other usual places.
///
/// # Errors
/// `Configuration` where there are none; the error says the line to type.
pub fn find_binaries() -> Result<Binaries> {
    installed().into_iter().next().ok_or_else(|| {
        refuse("PostgreSQL's server (postgres, initdb; version 13 or later) is not on this machine")
            .with_advice(
                "no database is configured, so ingestd wants to run its own. \
                 Install it with: apt-get install postgresql; \
                 or name a database with DATABASE_URL",
            )
    })
}

/// The programs that can open a cluster of version `major`.
pub(super) fn find_binaries_of(major: u32) -> Result<Binaries> {
    let found = installed();
    if let Some(binaries) = found.iter().find(|binaries| binaries.major == major) {
        return Ok(binaries.clone());
    }
    let others: Vec<String> = found.iter().map(|it| it.major.to_string()).collect();
    Err(refuse(format!(
        "the private server's data are of PostgreSQL {major}, and this machine has {}",
        if others.is_empty() {
            "no PostgreSQL server".to_owned()
        } else {
            format!("only PostgreSQL {}", others.join(", "))
        }
    ))
    .with_advice(format!(
        "install that version with: apt-get install postgresql-{major}"
    )))
}

/// `psql`, where it is installed.
pub fn find_psql() -> Option<PathBuf> {
    candidates()
        .into_iter()
        .map(|directory| directory.join("psql"))
        .find(|psql| is_executable(psql))
}

/// All installations, in order of preference.
fn installed() -> Vec<Binaries> {
    candidates()
        .into_iter()
        .filter(|directory| is_executable(&directory.join("initdb")))
        .filter_map(|directory| {
            let major = version_of(&directory.join("postgres"))?;
            (major >= OLDEST).then_some(Binaries { directory, major })
        })
        .collect()
}

/// The directories to look in, in order.
fn candidates() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .collect();
    directories.extend(pg_config_bindir());
    // Debian and Ubuntu, then Red Hat's PGDG packages, Alpine, and a build by hand.
    directories.extend(versioned("/usr/lib/postgresql", "", "bin"));
    directories.extend(versioned("/usr", "pgsql-", "bin"));
    directories.extend(versioned("/usr/libexec", "postgresql", ""));
    directories.extend(["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from));
    let mut seen = std::collections::HashSet::new();
    directories.retain(|directory| seen.insert(directory.clone()));
    directories
}

fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    let directory = PathBuf::from(line.trim_end());
    directory.is_absolute().then_some(directory)
}

/// The directories `parent/<prefix><version>/<below>`, the newest version first.
fn versioned(parent: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = version_in_name(&entry.file_name(), prefix)?;
            Some((version, entry.path().join(below)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, directory)| directory).collect()
}

fn version_in_name(name: &OsStr, prefix: &str) -> Option<u32> {
    name.to_str()?.strip_prefix(prefix)?.parse().ok()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The major version that a `postgres` says it has.
fn version_of(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// The major version in `postgres (PostgreSQL) 15.14 (Debian …)`, `… 18beta1`.
fn parse_version(line: &str) -> Option<u32> {
    let version = line.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    version[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_servers_write_them() {
        let line = "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n";
        assert_eq!(parse_version(line), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_version("postgres (EnterpriseDB) x"), None);
    }

    #[test]
    fn the_newest_version_comes_first_by_number() {
        let place = tempfile::tempdir().expect("a temporary directory");
        for name in ["9.6", "9", "13", "15", "100", "other"] {
            fs::create_dir(place.path().join(name)).expect("a directory");
        }
        let parent = place.path().to_str().expect("a UTF-8 path");
        let expected: Vec<PathBuf> = ["100/bin", "15/bin", "13/bin", "9/bin"]
            .map(|name| place.path().join(name))
            .into();
        assert_eq!(versioned(parent, "", "bin"), expected);
    }

    #[test]
    fn what_is_found_can_make_and_run_a_cluster() {
        let binaries = find_binaries().expect("PostgreSQL is installed where tests run");
        assert!(is_executable(&binaries.postgres()) && is_executable(&binaries.initdb()));
        let again = find_binaries_of(binaries.major()).expect("the same version");
        assert_eq!(again.major(), binaries.major());
        let error = find_binaries_of(7).expect_err("no machine has both");
        assert!(error.to_string().contains("apt-get install postgresql-7"));
    }
}
