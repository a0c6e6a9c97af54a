//! The hash of a file's whole content, taken while it is read, from which hashing can go on.
//!
//! The content is cut into blocks of [`BLOCK`] bytes. With `chain(0)` = 32 zero bytes,
//!
//! ```text
//! chain(i + 1) = BLAKE3 keyed with chain(i) of block i      for every whole block
//! hash         = BLAKE3 keyed with chain(n) of the rest     shorter than a block, perhaps empty
//! ```
//!
//! A chain value after whole blocks is all that has to be kept ([`HashMark`]) to go on after a
//! restart, and to prove that a file still begins with what was read of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ingestd_actors::model::HashMark;

/// The length of a block: 8 MiB.
pub const BLOCK: u64 = 8 << 20;

/// Hashes content as it comes.
#[derive(Clone)]
pub struct ContentHasher {
    chain: [u8; 32],
    blocks_end: u64,
    block: blake3::Hasher,
    in_block: u64,
}

impl ContentHasher {
    /// A hasher at the start of the content.
    pub fn new() -> Self {
        Self::resume(HashMark {
            offset: 0,
            chain: [0; 32],
        })
    }

    /// A hasher that goes on at `mark.offset`.
    pub fn resume(mark: HashMark) -> Self {
        Self {
            chain: mark.chain,
            blocks_end: mark.offset,
            block: blake3::Hasher::new_keyed(&mark.chain),
            in_block: 0,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK - self.in_block;
            let taken = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            self.block.update(&bytes[..taken]);
            self.in_block += taken as u64;
            bytes = &bytes[taken..];
            if self.in_block == BLOCK {
                self.chain = *self.block.finalize().as_bytes();
                self.blocks_end += BLOCK;
                self.block = blake3::Hasher::new_keyed(&self.chain);
                self.in_block = 0;
            }
        }
    }

    /// The state after the last whole block; `None` before the first.
    pub fn mark(&self) -> Option<HashMark> {
        (self.blocks_end > 0).then_some(HashMark {
            offset: self.blocks_end,
            chain: self.chain,
        })
    }

    /// How many bytes have been taken, those before a resumed mark included.
    pub fn offset(&self) -> u64 {
        self.blocks_end + self.in_block
    }

    /// The hash of all that was taken.
    pub fn finish(&self) -> [u8; 32] {
        *self.block.finalize().as_bytes()
    }
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self::new()
    }
}

/// Hashes the first `length` bytes of a file, wherever its cursor stands.
///
/// # Errors
/// `UnexpectedEof` where the file is shorter.
pub fn hash_prefix(file: &File, length: u64) -> io::Result<ContentHasher> {
    let mut hasher = ContentHasher::new();
    let mut buffer = vec![0; length.min(256 << 10) as usize];
    while hasher.offset() < length {
        let left = length - hasher.offset();
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        match file.read_at(&mut buffer[..wanted], hasher.offset()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher)
}

/// The content hash of a file of `length` bytes.
///
/// # Errors
/// As [`hash_prefix`].
pub fn hash_file(file: &File, length: u64) -> io::Result<[u8; 32]> {
    Ok(hash_prefix(file, length)?.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index * 31 % 251) as u8).collect()
    }

    fn hash(bytes: &[u8]) -> [u8; 32] {
        let mut hasher = ContentHasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn it_is_the_documented_formula() {
        let bytes = content(BLOCK as usize + 5);
        let chain = blake3::keyed_hash(&[0; 32], &bytes[..BLOCK as usize]);
        let expected = blake3::keyed_hash(chain.as_bytes(), &bytes[BLOCK as usize..]);
        assert_eq!(hash(&bytes), *expected.as_bytes());
    }

    #[test]
    fn a_whole_block_more_is_another_hash() {
        let bytes = content(BLOCK as usize);
        assert_ne!(hash(&bytes), hash(&bytes[..bytes.len() - 1]));
        assert_ne!(hash(&bytes), hash(&[]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn any_split_and_any_resume_give_the_same(
            length in 0usize..(2 * BLOCK as usize + 1000),
            mut cuts in proptest::collection::vec(0usize..(2 * BLOCK as usize + 1000), 0..6),
            resumed_after in 0usize..7,
        ) {
            let bytes = content(length);
            cuts.retain(|cut| *cut < length);
            cuts.push(length);
            cuts.sort();
            let mut hasher = ContentHasher::new();
            let mut start = 0;
            for (index, cut) in cuts.into_iter().enumerate() {
                hasher.update(&bytes[start..cut]);
                start = cut;
                if index == resumed_after && let Some(mark) = hasher.mark() {
                    prop_assert_eq!(mark.offset % BLOCK, 0);
                    hasher = ContentHasher::resume(mark);
                    start = mark.offset as usize;
                }
            }
            // A resume at the very end leaves the bytes after the mark to be taken again.
            hasher.update(&bytes[start..]);
            prop_assert_eq!(hasher.offset(), length as u64);
            prop_assert_eq!(hasher.finish(), hash(&bytes));
        }
    }
}
