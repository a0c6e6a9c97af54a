//! Copying to another file system.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::rename::{rename_new, sync_parent};
use crate::fs::open_regular;

/// Copies a file through a private name, and gives it its own once it is durable.
///
/// # Errors
/// `AlreadyExists` where something has the new name; otherwise where the copy can't be made.
pub fn copy_new(from: &Path, through: &Path, to: &Path) -> io::Result<()> {
    match std::fs::remove_file(through) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut source = open_regular(from)?;
    let metadata = source.metadata()?;
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(through)?;
    let copied = io::copy(&mut source, &mut copy)?;
    if copied != metadata.len() {
        return Err(io::Error::other("it changed while it was copied"));
    }
    copy.set_permissions(metadata.permissions())?;
    copy.set_modified(metadata.modified()?)?;
    copy.sync_all()?;
    if !same_content(from, through)? {
        return Err(io::Error::other("its copy came out different"));
    }
    sync_parent(through)?;
    rename_new(through, to)?;
    // The original is only taken away once its copy can't be lost any more.
    sync_parent(to)
}

/// Whether two files hold the same bytes.
pub fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (open_regular(a)?, open_regular(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let mut a: BufReader<File> = BufReader::with_capacity(1 << 18, a);
    let mut b: BufReader<File> = BufReader::with_capacity(1 << 18, b);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = a.read(&mut left)?;
        if read == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        match b.read_exact(&mut right[..read]) {
            Ok(()) if left[..read] == right[..read] => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
