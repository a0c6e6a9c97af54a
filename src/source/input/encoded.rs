//! A file whose bytes are no text as they stand: decompressed first, then turned into UTF-8.

use std::io;
use std::ops::Range;

use encoding_rs::{Encoding, UTF_8};
use ingestd_actors::model::HashMark;

use super::decompression::Decompression;
use super::raw::{Raw, ReadAt};
use super::transcoder::Transcoder;
use crate::fs::ContentHasher;
use crate::plan::{Archive, Dialect};

/// How many bytes are turned into text at a time.
const STAGE: usize = 64 << 10;

/// The bytes of the longest byte order mark.
const MARK: usize = 3;

/// The text of such a file.
pub struct Encoded {
    bytes: Bytes,
    encoding: &'static Encoding,
    /// `None`: what the file holds is UTF-8.
    transcoder: Option<Transcoder>,
    /// Bytes that are not text yet.
    stage: Vec<u8>,
    staged: Range<usize>,
    /// All of them were staged.
    drained: bool,
    text: u64,
}

/// The bytes of the text in its own encoding.
struct Bytes {
    raw: Raw,
    decompression: Option<Decompression>,
    /// The hash's state when all that was read of the file had been used.
    used_up: Option<HashMark>,
}

impl Bytes {
    fn read(&mut self, buffer: &mut [u8], read_at: ReadAt<'_>) -> io::Result<usize> {
        let Bytes {
            raw,
            decompression,
            used_up,
        } = self;
        // More of the file is read only once everything before it has been used.
        let mut read = |buffer: &mut [u8]| {
            *used_up = raw.hasher().mark();
            raw.read(buffer, read_at)
        };
        match decompression {
            Some(decompression) => decompression.read(buffer, &mut read),
            None => read(buffer),
        }
    }
}

impl Encoded {
    /// At the start of a file.
    ///
    /// # Errors
    /// Where its first bytes can't be read.
    pub fn start(
        dialect: &Dialect,
        archive: Option<Archive>,
        read_at: ReadAt<'_>,
    ) -> io::Result<Encoded> {
        let decompression = archive
            .map(|archive| Decompression::new(archive, dialect.max_ratio))
            .transpose()?;
        let mut bytes = Bytes {
            raw: Raw::new(ContentHasher::new()),
            decompression,
            used_up: None,
        };
        let mut stage = vec![0; STAGE];
        let mut staged = 0..0;
        let mut drained = false;
        while staged.len() < MARK && !drained {
            let read = bytes.read(&mut stage[staged.end..], read_at)?;
            staged.end += read;
            drained = read == 0;
        }
        let encoding = dialect.encoding_of(&stage[staged.clone()]);
        Ok(Encoded {
            bytes,
            encoding,
            transcoder: (encoding != UTF_8).then(|| Transcoder::new(encoding)),
            stage,
            staged,
            drained,
            text: 0,
        })
    }

    /// See [`super::Input::read`].
    pub fn read(&mut self, text: &mut [u8], read_at: ReadAt<'_>) -> io::Result<usize> {
        if text.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.transcoder {
            None if self.staged.is_empty() => self.bytes.read(text, read_at)?,
            None => {
                let taken = self.staged.len().min(text.len());
                let end = self.staged.start + taken;
                text[..taken].copy_from_slice(&self.stage[self.staged.start..end]);
                self.staged.start = end;
                taken
            }
            Some(transcoder) => loop {
                if self.staged.is_empty() && !self.drained {
                    let read = self.bytes.read(&mut self.stage, read_at)?;
                    self.staged = 0..read;
                    self.drained = read == 0;
                }
                let bytes = &self.stage[self.staged.clone()];
                let last = self.drained;
                let (used, written) = transcoder.decode(bytes, text, last);
                self.staged.start += used;
                if written > 0 || (last && self.staged.is_empty()) {
                    break written;
                }
            },
        };
        self.text += read as u64;
        Ok(read)
    }

    /// How much text was read.
    pub fn text(&self) -> u64 {
        self.text
    }

    /// The file's bytes.
    pub fn raw(&self) -> &Raw {
        &self.bytes.raw
    }

    /// The hash's state at or before the bytes that the text so far came from.
    pub fn mark(&self) -> Option<HashMark> {
        self.bytes.used_up
    }

    /// Whether the file is compressed.
    pub fn is_compressed(&self) -> bool {
        self.bytes.decompression.is_some()
    }

    /// The name of the encoding.
    pub fn encoding(&self) -> &'static str {
        self.encoding.name()
    }
}
