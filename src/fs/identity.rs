//! What the file system says of a file, and what its errors mean.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind};
use ingestd_actors::model::Candidate;
use rustix::fs::OFlags;

/// What a file is, by its metadata.
pub fn candidate_of(path: PathBuf, metadata: &Metadata) -> Candidate {
    Candidate {
        path,
        size: metadata.len(),
        modified: nanoseconds(metadata),
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

/// What stands at a path now, links followed; `None` where nothing does.
///
/// # Errors
/// Where the file system can't say.
pub fn candidate_at(path: &Path) -> io::Result<Option<Candidate>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(candidate_of(path.to_owned(), &metadata))),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The modification time in nanoseconds since 1970, held at the ends of what fits.
fn nanoseconds(metadata: &Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

/// Opens a regular file for reading, and never waits: a FIFO that took the file's place in the
/// meantime is refused, not opened until somebody writes to it.
///
/// # Errors
/// As [`File::open`]; `InvalidInput` where it is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::NONBLOCK, &std::fs::metadata(path)?)
}

/// The same of what stands at the path itself: a link is refused, wherever it leads. For what stands
/// in an inbox, where others may put one in the place of a file between a look at it and its opening.
///
/// # Errors
/// As [`open_regular`].
pub fn open_itself(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    open_with(path, flags, &std::fs::symlink_metadata(path)?)
}

fn open_with(path: &Path, flags: OFlags, found: &Metadata) -> io::Result<File> {
    refuse_irregular(found)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    refuse_irregular(&file.metadata()?)?;
    Ok(file)
}

fn refuse_irregular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() {
        "it is a directory"
    } else if metadata.is_symlink() {
        "it is a symbolic link"
    } else {
        "it is no regular file"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// What an error of the file system means for the tree; `doing` says what was being done.
pub fn file_error(error: io::Error, doing: &str) -> Error {
    use io::ErrorKind::*;
    let (kind, advice) = match error.kind() {
        StorageFull | QuotaExceeded => (ErrorKind::Transient, Some("make room on the disk")),
        Interrupted
        | TimedOut
        | WouldBlock
        | ResourceBusy
        | StaleNetworkFileHandle
        | HostUnreachable
        | NetworkDown => (ErrorKind::Transient, None),
        _ if is_out_of_files(&error) => (
            ErrorKind::Transient,
            Some("raise the limit of open files (ulimit -n)"),
        ),
        PermissionDenied | ReadOnlyFilesystem => (
            ErrorKind::Configuration,
            Some("give the service's user the right to read and write there"),
        ),
        NotADirectory | NotFound => (ErrorKind::Configuration, None),
        _ => (ErrorKind::File, None),
    };
    let text = Error::new(kind, format!("{doing}: {error}"));
    let text = match advice {
        Some(advice) => text.with_advice(advice),
        None => text,
    };
    text.with_source(error)
}

fn is_out_of_files(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    number == Some(rustix::io::Errno::MFILE.raw_os_error())
        || number == Some(rustix::io::Errno::NFILE.raw_os_error())
}
