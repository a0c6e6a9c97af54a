//! Places below the inbox, reached without following a link on the way.
//!
//! Whoever may write to an inbox may put a link to anywhere in the place of one of its directories,
//! at any moment: between a look at a path and the use of that path too. So the directories below the
//! inbox are opened one after the other, and what is looked at is used through the last of them.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

/// A place that stays where it is for as long as this lives, whatever becomes of its directories' names.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl Place {
    /// The path by which to use it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn plain(path: &Path) -> Place {
        Place {
            path: path.to_owned(),
            _directory: None,
        }
    }
}

/// What happens where a directory on the way is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing stands there then.
    IsNothing,
    /// It is made.
    IsMade,
}

/// The place of a file. One that is not below `root`, or directly in it, is reached by its path: no
/// directory of that is an inbox's.
///
/// # Errors
/// Where a directory on the way can't be opened, or is to be made and can't.
pub fn beneath(root: &Path, path: &Path, missing: Missing) -> io::Result<Place> {
    let name = path.file_name().unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new("/"));
    match reach(root, parent, missing) {
        Ok(Some(directory)) => Ok(Place {
            path: through(&directory).join(name),
            _directory: Some(directory),
        }),
        Ok(None) => Ok(Place::plain(path)),
        Err(error) if missing == Missing::IsNothing && is_missing(&error) => {
            Ok(Place::plain(&nowhere(name)))
        }
        Err(error) => Err(error),
    }
}

/// The place of a directory, `root` or one below it.
///
/// # Errors
/// `NotADirectory` where a link stands in the way; otherwise where it can't be opened.
pub fn directory_beneath(root: &Path, directory: &Path) -> io::Result<Place> {
    Ok(match reach(root, directory, Missing::IsNothing)? {
        Some(found) => Place {
            path: through(&found),
            _directory: Some(found),
        },
        None => Place::plain(directory),
    })
}

/// Opens a directory below the root; `None` where it is the root, or not below it.
fn reach(root: &Path, directory: &Path, missing: Missing) -> io::Result<Option<OwnedFd>> {
    let below = match directory.strip_prefix(root) {
        Ok(below) if !root.as_os_str().is_empty() && !below.as_os_str().is_empty() => below,
        _ => {
            if missing == Missing::IsMade && !directory.is_dir() {
                std::fs::create_dir_all(directory)?;
            }
            return Ok(None);
        }
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = openat(CWD, root, flags, Mode::empty())?;
    for component in below.components() {
        let Component::Normal(name) = component else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let open = || openat(&at, name, flags | OFlags::NOFOLLOW, Mode::empty());
        let next = match open() {
            Err(Errno::NOENT) if missing == Missing::IsMade => {
                match mkdirat(&at, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => open(),
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        at = next?;
    }
    Ok(Some(at))
}

fn through(directory: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()))
}

/// A path at which nothing can ever stand: it is below what is no directory.
fn nowhere(name: &OsStr) -> PathBuf {
    Path::new("/dev/null").join(name)
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_place_stays_where_it_is_when_a_link_takes_its_directory_s_name() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, secret) = (scratch.path().join("in"), scratch.path().join("secret"));
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(&secret).unwrap();
        fs::write(root.join("sub/a.csv"), "ours").unwrap();
        fs::write(secret.join("a.csv"), "secret").unwrap();

        let place = beneath(&root, &root.join("sub/a.csv"), Missing::IsNothing).unwrap();
        fs::rename(root.join("sub"), root.join("other")).unwrap();
        symlink(&secret, root.join("sub")).unwrap();
        assert_eq!(fs::read_to_string(place.path()).unwrap(), "ours");

        let place = beneath(&root, &root.join("sub/a.csv"), Missing::IsNothing).unwrap();
        let error = fs::read(place.path()).unwrap_err();
        assert!(is_missing(&error), "{error}");
        for refused in [
            beneath(&root, &root.join("sub/a.csv"), Missing::IsMade),
            directory_beneath(&root, &root.join("sub")),
        ] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::NotADirectory);
        }
        let up = beneath(&root, &root.join("../secret/a.csv"), Missing::IsMade);
        assert_eq!(up.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn what_is_missing_is_made_where_it_is_asked_for() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().join("in");
        fs::create_dir(&root).unwrap();
        for path in [root.join("x/y/a.csv"), scratch.path().join("out/z/a.csv")] {
            let place = beneath(&root, &path, Missing::IsNothing).unwrap();
            assert!(fs::write(place.path(), "").is_err());
            let place = beneath(&root, &path, Missing::IsMade).unwrap();
            fs::write(place.path(), "here").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "here");
        }
    }
}
