//! The file's bytes as they stand, hashed as they are read.

use std::io;

use crate::fs::ContentHasher;

/// Reads a file at an offset.
pub type ReadAt<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<usize>;

/// How far a file was read, and the hash of that.
pub struct Raw {
    hasher: ContentHasher,
}

impl Raw {
    /// Goes on where the hasher stands.
    pub fn new(hasher: ContentHasher) -> Raw {
        Raw { hasher }
    }

    /// The next bytes; 0 at the end.
    ///
    /// # Errors
    /// What `read_at` says; the same bytes are read by the next call then.
    pub fn read(&mut self, buffer: &mut [u8], read_at: ReadAt<'_>) -> io::Result<usize> {
        loop {
            match read_at(buffer, self.hasher.offset()) {
                Ok(read) => {
                    self.hasher.update(&buffer[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.hasher.offset()
    }

    /// Their hash.
    pub fn hasher(&self) -> &ContentHasher {
        &self.hasher
    }
}
