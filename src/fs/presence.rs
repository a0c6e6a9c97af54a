//! Whether a directory is there: one that is not mounted, or was moved away for a while, says nothing of
//! the files in it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind};

use super::path_text;

/// What the paths of an inbox's files begin with.
pub fn inbox_root(directory: &Path) -> PathBuf {
    std::path::absolute(directory)
        .map(|path| path.canonicalize().unwrap_or(path))
        .unwrap_or_default()
}

/// What `look` has seen, and whether the directory was there, the same one, before and after.
pub fn while_there<T>(directory: &Path, look: impl FnOnce() -> T) -> (T, bool) {
    let before = identity(directory);
    let seen = look();
    let was_there = before.is_some() && before == identity(directory);
    (seen, was_there)
}

/// Nobody can tell what became of a file of an inbox that is gone; to be tried again.
pub fn inbox_is_gone(inbox: &Path) -> Error {
    let message = format!(
        "the inbox {} is gone, so that nobody can tell whether the file still is",
        path_text(inbox)
    );
    Error::new(ErrorKind::Transient, message).with_advice("mount it, or put it back")
}

fn identity(directory: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(directory).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_goes_or_is_another_was_not_there() {
        let place = tempfile::tempdir().unwrap();
        let inbox = place.path().join("in");
        assert!(!while_there(&inbox, || ()).1);
        std::fs::create_dir(&inbox).unwrap();
        assert_eq!(while_there(&inbox, || 7), (7, true));
        let (_, was_there) = while_there(&inbox, || {
            std::fs::rename(&inbox, place.path().join("aside")).unwrap();
            std::fs::create_dir(&inbox).unwrap();
        });
        assert!(!was_there);
    }
}
