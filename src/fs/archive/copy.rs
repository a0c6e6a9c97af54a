//! Copying to another file system, and compressing on the way.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use ingestd_actors::failpoint::{Step, pass_io};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::content::{Form, hash_of, same_content};
use super::rename::{rename_new, rename_over, sync_parent};
use crate::fs::open_itself;

/// What a copy keeps of the permissions. It belongs to the service's user: with the set-user-ID bit,
/// whoever dropped the file would have a program that runs as that user.
const PERMISSIONS: u32 = 0o777;

/// What is copied.
pub struct Copy<'a> {
    /// The file.
    pub from: &'a Path,
    /// The private name under which the copy is written.
    pub through: &'a Path,
    /// Its name once it is whole and durable.
    pub to: &'a Path,
    /// How it is written.
    pub form: Form,
    /// Which file it is, where that is known: another one may stand at that path by now.
    pub inode: Option<u64>,
    /// The hash of what the file holds, where the ledger knows it.
    pub content: Option<&'a [u8]>,
    /// Whether it takes the place of what has the name.
    pub replaces: bool,
}

impl Copy<'_> {
    /// Writes the copy, reads it again, and gives it its name once it is durable. It keeps the time
    /// of the last change and the permissions, which it gets once it is whole; until then nobody else
    /// may read it.
    ///
    /// # Errors
    /// `AlreadyExists` where something has the new name; otherwise where the copy can't be made:
    /// what was written of it is removed, so that it takes no room.
    pub fn make(&self) -> io::Result<()> {
        let copy = lock(self.through)?;
        let made = self
            .write(&copy)
            .and_then(|()| self.verify())
            .and_then(|()| self.give_name());
        if made.is_err() {
            // Nothing more can be done about a leftover than to try.
            let _ = std::fs::remove_file(self.through);
        }
        made?;
        pass_io(Step::ArchiveNamed)?;
        // The original is only taken away once its copy can't be lost any more.
        sync_parent(self.to)
    }

    fn give_name(&self) -> io::Result<()> {
        pass_io(Step::ArchiveCopied)?;
        sync_parent(self.through)?;
        match self.replaces {
            true => rename_over(self.through, self.to),
            false => rename_new(self.through, self.to),
        }
    }

    fn write(&self, copy: &File) -> io::Result<()> {
        let mut source = open_itself(self.from)?;
        let metadata = source.metadata()?;
        if self.inode.is_some_and(|inode| inode != metadata.ino()) {
            return Err(io::Error::other("another file took its place"));
        }
        copy.set_len(0)?;
        let copied = match self.form {
            Form::Plain => io::copy(&mut source, &mut &*copy)?,
            Form::Zstd => compress(&mut source, copy, metadata.len())?,
        };
        if copied != metadata.len() {
            return Err(io::Error::other("it changed while it was copied"));
        }
        copy.set_permissions(Permissions::from_mode(metadata.mode() & PERMISSIONS))?;
        copy.set_modified(metadata.modified()?)?;
        copy.sync_all()
    }

    fn verify(&self) -> io::Result<()> {
        let same = match (self.form, self.content) {
            (Form::Zstd, Some(content)) => {
                hash_of(self.through, Form::Zstd)?.is_some_and(|hash| hash == content)
            }
            (form, _) => same_content(self.from, self.through, form)?,
        };
        match same {
            true => Ok(()),
            false => Err(io::Error::other("its copy came out different")),
        }
    }
}

fn compress(source: &mut File, copy: &File, length: u64) -> io::Result<u64> {
    let mut encoder = zstd::stream::write::Encoder::new(copy, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(length))?;
    let copied = io::copy(source, &mut encoder)?;
    encoder.finish()?;
    Ok(copied)
}

/// Opens the private name for writing. Another process that writes under it is let alone: it may be
/// about to give the file its name.
fn lock(through: &Path) -> io::Result<File> {
    let open = || {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
            .open(through)
    };
    let copy = match open() {
        // A life that was killed has given it the permissions of an original that nobody may write.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_itself(through)?.set_permissions(Permissions::from_mode(0o600))?;
            open()?
        }
        other => other?,
    };
    let busy = || {
        let reason = "another instance is copying it";
        io::Error::new(io::ErrorKind::WouldBlock, reason)
    };
    match flock(&copy, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(busy()),
        // A file system without locks.
        Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    // Whoever had it locked before may have given it its name meanwhile.
    let here = std::fs::symlink_metadata(through).map_err(|_| busy())?;
    match here.ino() == copy.metadata()?.ino() {
        true => Ok(copy),
        false => Err(busy()),
    }
}
