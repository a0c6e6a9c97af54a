//! Renaming without replacing, and what makes it last.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use uuid::Uuid;

use crate::fs::{open_itself, path_text};

/// Renames a file, unless something has the new name. Durable once [`sync_directories`] has been
/// called for both names: until then a crash undoes it, or does not.
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
            drop_first_name(from, to)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Takes away the first name of a file that has a second one. Another file that somebody has put there
/// meanwhile keeps it: nothing says "delete, if it is this file", so the name is changed to one of its own,
/// and given back where it was another file's.
pub fn drop_first_name(first: &Path, second: &Path) -> io::Result<()> {
    let inode = |path: &Path| {
        let found = std::fs::symlink_metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    let is_second = |path: &Path| inode(second).is_some_and(|it| inode(path) == Some(it));
    if inode(first).is_some() && !is_second(first) {
        return Ok(());
    }
    let aside = first.with_file_name(format!(".ingestd-{}.aside", Uuid::new_v4()));
    std::fs::rename(first, &aside)?;
    if !is_second(&aside) {
        std::fs::hard_link(&aside, first).map_err(|error| {
            let stands = path_text(&aside);
            io::Error::new(
                error.kind(),
                format!("what took its place stands at {stands}: {error}"),
            )
        })?;
    }
    std::fs::remove_file(&aside)
}

/// Renames a file, in place of what has the new name: there is no moment without either. What the file
/// holds is durable before, so that a crash never leaves less than one of them.
///
/// # Errors
/// `CrossesDevices` where it must be copied.
pub fn rename_over(from: &Path, to: &Path) -> io::Result<()> {
    open_itself(from)?.sync_all()?;
    std::fs::rename(from, to)
}

/// Makes the entries of all directories durable in which these paths stand, each directory once.
pub fn sync_directories<'a>(paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    let directories: BTreeSet<&Path> = paths.filter_map(Path::parent).collect();
    for directory in directories {
        match open_directory(directory) {
            Ok(directory) => directory.sync_all()?,
            // It was taken away since, with what stood in it; something else may be there.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a directory's entries durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => open_directory(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Opens a directory and nothing else: a FIFO in its place would be waited for.
fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}
