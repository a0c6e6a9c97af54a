//! What a file holds, as it stands or decompressed.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::fs::{ContentHasher, open_itself, open_regular};

/// How the bytes of a file stand in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they were.
    Plain,
    /// Compressed with zstd.
    Zstd,
}

/// The hash of what a file holds; `None` where it is not of that form, or cut short.
///
/// # Errors
/// Where it can't be read.
pub fn hash_of(path: &Path, form: Form) -> io::Result<Option<[u8; 32]>> {
    let file = open_regular(path)?;
    match form {
        Form::Plain => hash_all(file).map(Some),
        Form::Zstd => match zstd::stream::read::Decoder::new(file).and_then(hash_all) {
            Ok(hash) => Ok(Some(hash)),
            // What the decoder itself says has no number of the system's.
            Err(error) if error.raw_os_error().is_none() => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// Whether a file in the archive holds what another one holds as it stands.
pub fn same_content(plain: &Path, archived: &Path, form: Form) -> io::Result<bool> {
    match form {
        Form::Plain => same_bytes(plain, archived),
        Form::Zstd => Ok(hash_of(plain, Form::Plain)? == hash_of(archived, Form::Zstd)?),
    }
}

fn hash_all(mut from: impl Read) -> io::Result<[u8; 32]> {
    let mut hasher = ContentHasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    // Neither the inbox nor the archive has links that are meant.
    let (a, b) = (open_itself(a)?, open_itself(b)?);
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
