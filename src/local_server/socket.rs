//! Where the server's Unix socket stands, and how a connection string names it.

use std::fs::{self, DirBuilder};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::account::Account;
use super::{NAME, io_error, refuse};

/// The longest path that fits an address: 108 bytes with the NUL at the end.
const LONGEST: usize = 107;

/// What the server names its socket in its directory.
const FILE: &str = ".s.PGSQL.5432";

/// The directory of the server's socket: `preferred`, or a short private one where that can't be.
///
/// The same data directory gets the same one in every life, so that its URL stays.
pub(super) fn directory(preferred: &Path, server: &Account, current: &Account) -> Result<PathBuf> {
    if fits(preferred) {
        return Ok(preferred.to_owned());
    }
    let bases = if current.is_root() {
        vec![PathBuf::from("/run")]
    } else {
        std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .into_iter()
            .collect()
    };
    let name = format!("ingestd-{:012x}", mark(preferred));
    let mut last = None;
    for base in bases.into_iter().chain([PathBuf::from("/tmp")]) {
        let directory = base.join(&name);
        if !base.is_absolute() || !fits(&directory) {
            continue;
        }
        match make_private(&directory, server, current) {
            Ok(()) => return Ok(directory),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| refuse("no directory is short enough for the server's socket")))
}

/// A number that stands for a path; 48 bits of it, for names that people see.
pub(super) fn mark(path: &Path) -> u64 {
    xxh3_64(path.as_os_str().as_bytes()) >> 16
}

/// Whether a socket in this directory can be reached, also by clients that read commas as "or".
fn fits(directory: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@ ".contains(byte);
    let bytes = directory.as_os_str().as_bytes();
    bytes.len() + 1 + FILE.len() <= LONGEST && bytes.iter().all(plain) && !bytes.ends_with(b" ")
}

/// Makes the directory for the server's user alone, or makes sure that it is.
pub(super) fn make_private(directory: &Path, server: &Account, current: &Account) -> Result<()> {
    let failed =
        |error| -> Error { io_error(format!("making {} private", directory.display()), error) };
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) if current.is_root() => {
            std::os::unix::fs::lchown(directory, Some(server.uid), Some(server.gid))
                .map_err(failed)?;
        }
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = fs::symlink_metadata(directory).map_err(failed)?;
    if found.is_dir() && found.uid() == server.uid && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(refuse(format!(
        "{} is not a directory that only {} can use",
        directory.display(),
        server.name
    ))
    .with_advice("remove it"))
}

/// The URL of the database behind a socket in `directory`, for every client of PostgreSQL.
pub(super) fn url(directory: &Path) -> String {
    let mut host = String::new();
    for &byte in directory.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            host.push(byte.into());
        } else {
            host.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("postgresql:///{NAME}?host={host}&port=5432&user={NAME}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_length(length: usize) -> PathBuf {
        PathBuf::from(format!("/{}", "x".repeat(length - 1)))
    }

    #[test]
    fn a_socket_path_of_107_bytes_is_the_longest() {
        assert!(fits(&of_length(LONGEST - FILE.len() - 1)));
        assert!(!fits(&of_length(LONGEST - FILE.len())));
    }

    #[test]
    fn a_path_that_a_client_would_split_does_not_fit() {
        assert!(fits(Path::new("/srv/my data/socket")));
        assert!(!fits(Path::new("/srv/a,b/socket")));
        assert!(!fits(Path::new("/srv/a\"b/socket")));
    }

    #[test]
    fn a_long_path_gets_a_short_private_directory_and_always_the_same() {
        let me = Account::current().expect("a name");
        let server = Account::for_server(&me, None).expect("a user");
        let place = tempfile::tempdir().expect("a temporary directory");
        let long = place.path().join("x".repeat(120));
        let chosen = directory(&long, &server, &me).expect("a directory");
        let again = directory(&long, &server, &me).expect("the same");
        let found = fs::symlink_metadata(&chosen).expect("it exists");
        fs::remove_dir(&chosen).expect("it is empty");
        assert_eq!(chosen, again);
        assert!(fits(&chosen));
        assert_eq!((found.uid(), found.mode() & 0o777), (server.uid, 0o700));
    }

    #[test]
    fn a_url_names_any_directory() {
        assert_eq!(
            url(Path::new("/var/lib/ingestd/socket")),
            "postgresql:///ingestd?host=/var/lib/ingestd/socket&port=5432&user=ingestd"
        );
        let url = url(Path::new("/a b/c+d&e"));
        let config: tokio_postgres::Config = url.parse().expect("a URL");
        let expected = tokio_postgres::config::Host::Unix("/a b/c+d&e".into());
        assert_eq!(config.get_hosts(), [expected]);
    }
}
