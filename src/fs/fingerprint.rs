//! What tells files apart cheaply: the hashes of their ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ingestd_actors::model::Candidate;

use super::{candidate_of, hash_file, open_regular};

/// The length of the head and of the tail that are hashed: 64 KiB, less in a shorter file.
pub const EDGE: u64 = 64 << 10;

/// Up to this length (1 MiB) a file's whole content is hashed at once.
pub const SMALL: u64 = 1 << 20;

/// The hashes that a file is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// BLAKE3 of its first [`EDGE`] bytes.
    pub head: [u8; 32],
    /// BLAKE3 of its last [`EDGE`] bytes.
    pub tail: [u8; 32],
    /// The content hash, of a file of at most [`SMALL`] bytes.
    pub content: Option<[u8; 32]>,
}

/// The fingerprint of a candidate; `None` where the file is no longer what the scan saw.
///
/// # Errors
/// Where the file can't be opened or read.
pub fn fingerprint(candidate: &Candidate) -> io::Result<Option<Fingerprint>> {
    let file = open_regular(&candidate.path)?;
    if !is_still(&file, candidate)? {
        return Ok(None);
    }
    let hashes = edge_hashes(&file, candidate.size).and_then(|(head, tail)| {
        let content = match candidate.size <= SMALL {
            true => Some(hash_file(&file, candidate.size)?),
            false => None,
        };
        Ok(Fingerprint {
            head,
            tail,
            content,
        })
    });
    match hashes {
        Ok(found) if is_still(&file, candidate)? => Ok(Some(found)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The hashes of the ends of a file's first `length` bytes.
///
/// # Errors
/// `UnexpectedEof` where the file is shorter.
pub fn edge_hashes(file: &File, length: u64) -> io::Result<([u8; 32], [u8; 32])> {
    let edge = length.min(EDGE);
    let mut buffer = vec![0; edge as usize];
    file.read_exact_at(&mut buffer, 0)?;
    let head = *blake3::hash(&buffer).as_bytes();
    if edge == length {
        return Ok((head, head));
    }
    file.read_exact_at(&mut buffer, length - edge)?;
    Ok((head, *blake3::hash(&buffer).as_bytes()))
}

fn is_still(file: &File, candidate: &Candidate) -> io::Result<bool> {
    let now = candidate_of(candidate.path.clone(), &file.metadata()?);
    Ok(&now == candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::candidate_at;
    use std::path::Path;

    fn candidate(path: &Path) -> Candidate {
        candidate_at(path).unwrap().unwrap()
    }

    #[test]
    fn a_small_file_is_hashed_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let found = fingerprint(&candidate(&path)).unwrap().unwrap();
        assert_eq!(found.head, *blake3::hash(b"a,b\n1,2\n").as_bytes());
        assert_eq!(found.tail, found.head);
        assert!(found.content.is_some());
    }

    #[test]
    fn of_a_large_file_only_the_ends_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        let mut bytes = vec![b'x'; 3 << 20];
        std::fs::write(&path, &bytes).unwrap();
        let first = fingerprint(&candidate(&path)).unwrap().unwrap();
        bytes[1 << 20] = b'y';
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(fingerprint(&candidate(&path)).unwrap().unwrap(), first);
        assert_eq!(first.content, None);
        *bytes.last_mut().unwrap() = b'y';
        std::fs::write(&path, &bytes).unwrap();
        assert_ne!(fingerprint(&candidate(&path)).unwrap().unwrap(), first);
    }

    #[test]
    fn a_file_that_is_another_by_now_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let seen = candidate(&path);
        std::fs::write(&path, "a\n1\n2\n").unwrap();
        assert_eq!(fingerprint(&seen).unwrap(), None);
    }

    #[test]
    fn a_fifo_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let seen = candidate(&path);
        let error = fingerprint(&seen).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
