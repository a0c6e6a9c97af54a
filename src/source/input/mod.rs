//! The bytes of a file as UTF-8 text, whatever they are in the file: compressed, or in another
//! encoding.
//!
//! Everything beyond counts text: a record's offset in a compressed or re-encoded file is that of
//! the decoded text, and so are the positions in the ledger. The file's size and content hash are
//! those of its bytes as they stand. Decoding has no state that could be kept, so a resume decodes
//! from the start up to its position, and finds the same text there: what comes out depends on the
//! bytes alone, never on how they were cut into reads.

mod decompression;
mod encoded;
mod fault;
mod raw;
mod resume;
#[cfg(test)]
mod tests;
mod transcoder;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use encoding_rs::UTF_8;
use ingestd_actors::error::Result;
use ingestd_actors::model::HashMark;

use crate::fs::ContentHasher;
use crate::plan::{Dialect, HEAD};
use encoded::Encoded;
use fault::Fault;
use raw::{Raw, ReadAt};

pub use fault::input_error;
pub use resume::input_at;

/// The bytes of a file as UTF-8 text.
pub enum Input {
    /// They are text as they stand.
    Plain(Box<Raw>),
    /// They have to be decoded.
    Encoded(Box<Encoded>),
}

impl Input {
    /// The text of a file from its start; its first bytes say what it is.
    ///
    /// # Errors
    /// Where the file can't be read, or its form is known but not read.
    pub fn start(dialect: &Dialect, read_at: ReadAt<'_>) -> io::Result<Input> {
        let head = head_by(read_at)?;
        if let Some(name) = dialect.foreign_archive(&head) {
            return Err(Fault::Foreign(name).into());
        }
        if dialect.is_plain(&head) {
            return Ok(Input::plain(ContentHasher::new()));
        }
        let encoded = Encoded::start(dialect, dialect.archive(&head), read_at)?;
        Ok(Input::Encoded(Box::new(encoded)))
    }

    /// Text as it stands, from where the hasher stands.
    fn plain(hasher: ContentHasher) -> Input {
        Input::Plain(Box::new(Raw::new(hasher)))
    }

    /// The next bytes of text; 0 at the end. After an error that passes, the same is read again.
    ///
    /// # Errors
    /// What `read_at` says, or a [`Fault`] of the archive.
    pub fn read(&mut self, text: &mut [u8], read_at: ReadAt<'_>) -> io::Result<usize> {
        match self {
            Input::Plain(raw) => raw.read(text, read_at),
            Input::Encoded(encoded) => encoded.read(text, read_at),
        }
    }

    /// How much text has been read.
    pub fn text(&self) -> u64 {
        match self {
            Input::Plain(raw) => raw.offset(),
            Input::Encoded(encoded) => encoded.text(),
        }
    }

    /// The hash of the file's bytes, as far as they were read.
    pub fn hasher(&self) -> &ContentHasher {
        match self {
            Input::Plain(raw) => raw.hasher(),
            Input::Encoded(encoded) => encoded.raw().hasher(),
        }
    }

    /// The state of that hash after whole blocks, with the offset in the text that is behind them:
    /// where reading goes on from there, the blocks were read before.
    pub fn mark(&self) -> Option<(u64, HashMark)> {
        match self {
            Input::Plain(raw) => raw.hasher().mark().map(|mark| (mark.offset, mark)),
            Input::Encoded(encoded) => encoded.mark().map(|mark| (encoded.text(), mark)),
        }
    }

    /// Whether the text is the file's bytes as they stand.
    pub fn is_plain(&self) -> bool {
        matches!(self, Input::Plain(_))
    }

    /// Whether the file is compressed.
    fn is_compressed(&self) -> bool {
        match self {
            Input::Plain(_) => false,
            Input::Encoded(encoded) => encoded.is_compressed(),
        }
    }

    /// The name of the text's encoding in the file.
    pub fn encoding(&self) -> &'static str {
        match self {
            Input::Plain(_) => UTF_8.name(),
            Input::Encoded(encoded) => encoded.encoding(),
        }
    }
}

/// The first bytes of a file: [`HEAD`], or all of it.
fn head_by(read_at: ReadAt<'_>) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let mut seen = 0;
    while seen < head.len() {
        match read_at(&mut head[seen..], seen as u64) {
            Ok(0) => break,
            Ok(read) => seen += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(seen);
    Ok(head)
}

/// A file that gives more text than this is not read to its end before it is loaded.
const CHECKED: u64 = 128 << 20;

/// Decompresses a file to its end, where it is compressed: of one that is found to be broken before
/// any of it is loaded, nothing is half loaded.
///
/// # Errors
/// As [`Input::read`].
pub fn check_archive(file: &File, dialect: &Dialect) -> Result<()> {
    const DOING: &str = "looking at the whole file";
    let text = TextOf::new(file, dialect).map_err(|error| input_error(error, DOING))?;
    if !text.input.is_compressed() {
        return Ok(());
    }
    io::copy(&mut text.take(CHECKED), &mut io::sink())
        .map_err(|error| input_error(error, DOING))?;
    Ok(())
}

/// Reads the text of a file from its start, without moving a cursor that others may share.
pub struct TextOf<'a> {
    file: &'a File,
    input: Input,
}

impl<'a> TextOf<'a> {
    /// The text of a file.
    ///
    /// # Errors
    /// As [`Input::start`].
    pub fn new(file: &'a File, dialect: &Dialect) -> io::Result<TextOf<'a>> {
        Ok(TextOf {
            file,
            input: Input::start(dialect, &|buffer, offset| file.read_at(buffer, offset))?,
        })
    }

    /// The name of its encoding in the file.
    pub fn encoding(&self) -> &'static str {
        self.input.encoding()
    }
}

impl Read for TextOf<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let file = self.file;
        self.input
            .read(buffer, &|buffer, offset| file.read_at(buffer, offset))
    }
}
