//! The small files that come with a file: done-markers and manifests.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ingestd_actors::model::Candidate;

use super::open_itself;

/// The path of the file with this ending that comes with a file: `x.csv.done` with `x.csv`.
pub fn companion_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

/// Whether a file has its companion.
#[derive(Debug)]
pub enum Companion {
    /// There is none.
    Missing,
    /// It came before the file was last written, and is about what stood there then.
    Older,
    /// It is there, and this is what it is.
    There(Candidate),
}

/// Looks for the companion of a file. `clock` is the time in nanoseconds since 1970.
///
/// A companion that was left behind when its file was written anew must not call the new content
/// complete. So it counts from when it came to its place (its change time, which nobody can set, and
/// which a copy with old times has too) and for content that is not younger. A file from the future
/// is none that was written since.
///
/// # Errors
/// Where the file system can't say.
pub fn companion_of(candidate: &Candidate, ending: &str, clock: i64) -> io::Result<Companion> {
    let path = companion_path(&candidate.path, ending);
    let metadata = match std::fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Ok(Companion::Missing),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Companion::Missing),
        Err(error) => return Err(error),
    };
    if candidate.modified <= clock && came(&metadata) < candidate.modified {
        return Ok(Companion::Older);
    }
    Ok(Companion::There(super::candidate_of(path, &metadata)))
}

/// When a file came to its place, in nanoseconds since 1970.
fn came(metadata: &Metadata) -> i64 {
    metadata
        .ctime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.ctime_nsec())
}

/// Reads a small file whole.
///
/// # Errors
/// Where it can't be read, or is longer.
pub fn read_small(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open_itself(path)?
        .take(longest + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > longest {
        let reason = format!("it is longer than {longest} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::fs::candidate_at;

    const NOW: i64 = i64::MAX;

    fn touch(path: &Path, modified: SystemTime) {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(modified).unwrap();
    }

    #[test]
    fn a_companion_that_is_older_than_the_content_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, "a\n").unwrap();
        let look = || companion_of(&candidate_at(&path).unwrap().unwrap(), ".done", NOW).unwrap();
        assert!(matches!(look(), Companion::Missing));
        let marker = directory.path().join("a.csv.done");
        std::fs::write(&marker, "").unwrap();
        assert!(matches!(look(), Companion::There(found) if found.path == marker));
        // A copy that keeps its times has come all the same.
        touch(&marker, SystemTime::UNIX_EPOCH);
        assert!(matches!(look(), Companion::There(_)));
        touch(&path, SystemTime::now() + Duration::from_secs(3600));
        assert!(matches!(look(), Companion::Older));
        let candidate = candidate_at(&path).unwrap().unwrap();
        let clock = candidate.modified - 1;
        let from_the_future = companion_of(&candidate, ".done", clock).unwrap();
        assert!(matches!(from_the_future, Companion::There(_)));
    }

    #[test]
    fn a_directory_is_no_companion() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, "a\n").unwrap();
        std::fs::create_dir(directory.path().join("a.csv.done")).unwrap();
        let candidate = candidate_at(&path).unwrap().unwrap();
        let found = companion_of(&candidate, ".done", NOW).unwrap();
        assert!(matches!(found, Companion::Missing));
    }

    #[test]
    fn what_is_small_is_read_and_what_is_not_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"12345");
        assert!(read_small(&path, 4).is_err());
    }
}
