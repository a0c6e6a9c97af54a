//! Renaming without replacing, and what makes it last.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Renames a file, unless something has the new name; makes both directories durable.
///
/// # Errors
/// `AlreadyExists` where something has the new name; `CrossesDevices` where it must be copied.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // A file system that can't (some network ones): a second name, then one less.
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            sync_parent(to)?;
            std::fs::remove_file(from)?;
        }
        Err(error) => return Err(error.into()),
    }
    sync_parent(to)?;
    sync_parent(from)
}

/// Takes a name away, and makes the directory durable.
pub fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    sync_parent(path)
}

/// Makes a directory's entries durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
