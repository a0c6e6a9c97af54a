//! Whether a directory is there: one that is not mounted, or was moved away for a while, says nothing of
//! the files in it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind};

use super::path_text;

/// A directory's whole path, without links where it is there.
///
/// # Errors
/// Where it is empty, or nobody knows from where it is relative.
pub fn whole_path(directory: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(directory)?;
    Ok(path.canonicalize().unwrap_or(path))
}

/// What the paths of an inbox's files begin with.
pub fn inbox_root(directory: &Path) -> PathBuf {
    whole_path(directory).unwrap_or_default()
}

/// An inbox, and the file system that it was on when this life began with it.
#[derive(Clone, Debug)]
pub struct Presence {
    directory: PathBuf,
    mount_point: Option<PathBuf>,
}

impl Presence {
    /// A pipeline's inbox, as it stands now.
    pub fn of(directory: &Path) -> Presence {
        let directory = inbox_root(directory);
        Presence {
            mount_point: mount_point(&directory),
            directory,
        }
    }

    /// What the paths of its files begin with.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether a file is one of it.
    pub fn has(&self, path: &Path) -> bool {
        path.starts_with(&self.directory)
    }

    /// What `look` has seen, and whether the directory was there, the same one, before and after.
    pub fn while_there<T>(&self, look: impl FnOnce() -> T) -> (T, bool) {
        let before = identity(&self.directory);
        let seen = look();
        let was_there = before.is_some() && before == identity(&self.directory);
        (seen, was_there && !self.is_unmounted())
    }

    /// Nobody can tell what became of a file of an inbox that is gone; to be tried again.
    pub fn gone(&self) -> Error {
        let (inbox, unmounted) = (path_text(&self.directory), self.is_unmounted());
        let (how, advice) = match &self.mount_point {
            Some(at) if unmounted => (
                format!("is not mounted any more at {}", path_text(at)),
                "mount it; where its files are gone for good, restart the service",
            ),
            _ => ("is gone".to_owned(), WHERE_TO),
        };
        let message =
            format!("the inbox {inbox} {how}, so that nobody can tell whether the file still is");
        Error::new(ErrorKind::Transient, message).with_advice(advice)
    }

    /// An unmounted volume leaves its empty mount point behind, which is no inbox that somebody has
    /// emptied.
    fn is_unmounted(&self) -> bool {
        let now = mount_point(&self.directory);
        let (Some(then), Some(now)) = (&self.mount_point, now) else {
            return false;
        };
        *then != now && then.starts_with(now)
    }
}

/// What to do about an inbox that is not there.
pub const WHERE_TO: &str = "put it back, or mount it; where its files are gone for good, create it";

fn identity(directory: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(directory).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// Where the file system is mounted that a directory lies on; `None` where the system doesn't tell.
fn mount_point(directory: &Path) -> Option<PathBuf> {
    let mounts = std::fs::read("/proc/self/mountinfo").ok()?;
    mount_point_in(&mounts, directory)
}

/// The longest mount point above a path. The fifth field of each line is one, with white space and
/// backslashes written as `\ooo`
/// (<https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>).
fn mount_point_in(mounts: &[u8], path: &Path) -> Option<PathBuf> {
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescaped(field))))
        .filter(|point| path.starts_with(point))
        .max_by_key(|point| point.components().count())
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, behind @ ..] = rest {
        let octal = behind.get(..3).and_then(|it| std::str::from_utf8(it).ok());
        let code = octal.and_then(|it| u8::from_str_radix(it, 8).ok());
        match code.filter(|_| *first == b'\\') {
            Some(code) => {
                bytes.push(code);
                rest = &behind[3..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_goes_or_is_another_was_not_there() {
        let place = tempfile::tempdir().unwrap();
        let inbox = place.path().join("in");
        let presence = Presence::of(&inbox);
        assert!(!presence.while_there(|| ()).1);
        std::fs::create_dir(&inbox).unwrap();
        assert_eq!(presence.while_there(|| 7), (7, true));
        let (_, was_there) = presence.while_there(|| {
            std::fs::rename(&inbox, place.path().join("aside")).unwrap();
            std::fs::create_dir(&inbox).unwrap();
        });
        assert!(!was_there);
    }

    const MOUNTS: &[u8] = b"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
        50 22 0:45 / /srv rw - tmpfs tmpfs rw\n\
        51 50 0:46 / /srv/a\\040drop rw shared:7 - tmpfs tmpfs rw\n";

    #[test]
    fn a_directory_lies_on_the_mount_that_is_nearest_above_it() {
        let found = |path: &str| mount_point_in(MOUNTS, Path::new(path)).unwrap();
        assert_eq!(found("/var/drop"), Path::new("/"));
        assert_eq!(found("/srv/drop"), Path::new("/srv"));
        assert_eq!(found("/srv/a drop"), Path::new("/srv/a drop"));
        assert_eq!(found("/srv/a drop/in"), Path::new("/srv/a drop"));
        assert_eq!(mount_point_in(b"", Path::new("/srv")), None);
    }

    #[test]
    fn what_the_system_escapes_is_read_as_it_was() {
        assert_eq!(unescaped(br"a\040b\134c\0x\"), br"a b\c\0x\");
    }

    #[test]
    fn an_inbox_is_unmounted_where_it_lies_on_what_is_above_its_mount_point() {
        let unmounted = |then: &str| {
            let presence = Presence {
                directory: "/".into(),
                mount_point: Some(then.into()),
            };
            presence.is_unmounted()
        };
        assert!(unmounted("/srv/drop"));
        assert!(!unmounted("/"));
        assert!(!Presence::of(Path::new("/")).is_unmounted());
    }
}
