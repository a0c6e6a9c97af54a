//! How much room is left on the disks that a service writes to.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// A disk: a file system, by where it is mounted.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Where it is mounted.
    pub mounted: PathBuf,
    /// The bytes that this user may still write.
    pub free: u64,
    /// The bytes that there are for this user.
    pub size: u64,
}

/// The disks that these directories are on, each once. What can't be looked at is left out.
pub fn of(directories: &[PathBuf]) -> Vec<Disk> {
    let mut disks: Vec<Disk> = Vec::new();
    for directory in directories {
        let Some(mounted) = mount_of(directory) else {
            continue;
        };
        if disks.iter().any(|disk| disk.mounted == mounted) {
            continue;
        }
        let Ok(found) = statvfs(&mounted) else {
            continue;
        };
        let used = found.f_blocks.saturating_sub(found.f_bfree);
        let all = used.saturating_add(found.f_bavail);
        disks.push(Disk {
            mounted,
            free: found.f_bavail.saturating_mul(found.f_frsize),
            size: all.saturating_mul(found.f_frsize),
        });
    }
    disks
}

/// The highest directory above that is on the same file system as what there is of the path.
fn mount_of(path: &Path) -> Option<PathBuf> {
    let there = path.ancestors().find_map(|path| path.canonicalize().ok())?;
    let device = |path: &Path| path.metadata().map(|it| it.dev()).ok();
    let same = device(&there)?;
    let mut above = there.ancestors();
    let highest = above.by_ref().take_while(|path| device(path) == Some(same));
    highest.last().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_one_disk_are_one() {
        let here = tempfile::tempdir().expect("a directory");
        let paths = [here.path().to_owned(), here.path().join("not/there/yet")];
        let disks = of(&paths);
        assert_eq!(disks.len(), 1);
        assert!(disks[0].free <= disks[0].size && disks[0].size > 0);
        assert!(
            here.path()
                .canonicalize()
                .unwrap()
                .starts_with(&disks[0].mounted)
        );
        let proc = of(&["/proc/self".into(), "/proc".into()]);
        assert_eq!(proc.len(), 1);
        assert_eq!(proc[0].mounted, Path::new("/proc"));
    }
}
