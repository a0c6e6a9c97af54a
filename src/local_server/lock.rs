//! Locks on files, which the kernel lets go of when their holder dies, however it dies.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ingestd_actors::error::Result;
use rustix::fs::{FlockOperation, flock};

use super::io_error;

/// A lock on a file; dropping it lets go.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Locks the file for us alone; `None` where somebody else has it.
    pub fn try_exclusive(path: &Path) -> Result<Option<Lock>> {
        let file = open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(io_error(
                format!("locking {}", path.display()),
                error.into(),
            )),
        }
    }

    /// Locks the file in common with others; waits while somebody has it alone.
    pub fn shared(path: &Path) -> Result<Lock> {
        let file = open(path)?;
        wait(&file, FlockOperation::LockShared, path)?;
        Ok(Lock { file })
    }

    /// Turns a common lock into one for us alone; waits for the others to let go.
    pub fn make_exclusive(&self, path: &Path) -> Result<()> {
        wait(&self.file, FlockOperation::LockExclusive, path)
    }

    /// Writes who has the lock, for people.
    pub fn sign(&mut self, holder: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(holder.as_bytes())
    }
}

/// What the holder of a lock wrote about itself.
pub(super) fn signature(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // A signature is a courtesy: what can't be read is left out of a message.
        let _ = file.take(200).read_to_string(&mut text);
    }
    text.trim().to_owned()
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|error| {
            io_error(format!("opening {}", path.display()), error).with_advice(
                "is it below a data directory that is this user's? --data-dir names another",
            )
        })
}

fn wait(file: &File, operation: FlockOperation, path: &Path) -> Result<()> {
    rustix::io::retry_on_intr(|| flock(file, operation))
        .map_err(|error| io_error(format!("locking {}", path.display()), error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_its_signature_can_be_read() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("lock");
        let mut first = Lock::try_exclusive(&path).expect("io").expect("free");
        first.sign("process 123456").expect("writing");
        first.sign("process 12").expect("writing");
        assert!(Lock::try_exclusive(&path).expect("io").is_none());
        assert_eq!(signature(&path), "process 12");
        drop(first);
        assert!(Lock::try_exclusive(&path).expect("io").is_some());
    }

    #[test]
    fn a_common_lock_keeps_out_who_wants_it_alone() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let path = place.path().join("lock");
        let one = Lock::shared(&path).expect("io");
        let two = Lock::shared(&path).expect("io");
        assert!(Lock::try_exclusive(&path).expect("io").is_none());
        drop(one);
        two.make_exclusive(&path).expect("the only one left");
        assert!(Lock::try_exclusive(&path).expect("io").is_none());
    }
}
