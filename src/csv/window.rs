//! The bytes that one record is looked for in.

use std::cell::Cell;

use memchr::{memchr2, memchr2_iter};

use super::unclosed::Stopped;
use super::{Fault, Oversized, Record, Scan};

/// What limits the bytes that a record is looked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The buffer's end: more bytes come after it.
    Buffer,
    /// The file's end.
    File,
    /// One byte more than the largest record.
    Limit,
}

/// The bytes from a record's start: all of them in the buffer, and those that may be the record's.
pub(super) struct Window<'a> {
    /// Where the record starts in the buffer.
    pub at: usize,
    rest: &'a [u8],
    /// Those that may be the record's.
    pub bytes: &'a [u8],
    /// What limits them.
    pub edge: Edge,
    eof: bool,
    stopped: Cell<Option<Stopped>>,
}

impl<'a> Window<'a> {
    #[inline]
    pub fn new(buffer: &'a [u8], at: usize, eof: bool, max_record: usize) -> Self {
        let rest = &buffer[at..];
        let limit = max_record + 1;
        let edge = if rest.len() >= limit {
            Edge::Limit
        } else if eof {
            Edge::File
        } else {
            Edge::Buffer
        };
        Self {
            at,
            rest,
            bytes: &rest[..rest.len().min(limit)],
            edge,
            eof,
            stopped: Cell::new(None),
        }
    }

    /// The record that ends at `end`, where a line end or the end of the file stands; `None` where
    /// the buffer ends inside what may be a CRLF.
    #[inline]
    pub fn record(&self, end: usize, lines: u64) -> Option<Record> {
        let next = match (self.rest.get(end), self.rest.get(end + 1)) {
            (None, _) => end,
            (Some(b'\n'), _) => end + 1,
            (Some(_), Some(b'\n')) => end + 2,
            (Some(_), Some(_)) => end + 1,
            (Some(_), None) if self.eof => end + 1,
            (Some(_), None) => return None,
        };
        Some(Record {
            start: self.at,
            end: self.at + end,
            next: self.at + next,
            lines,
        })
    }

    /// Notes where looking ends inside of a quoted field, or right behind one.
    #[cold]
    pub fn stop(&self, stopped: Stopped) {
        self.stopped.set(Some(stopped));
    }

    /// What was noted so.
    pub fn stopped(&self) -> Option<Stopped> {
        self.stopped.get()
    }

    /// The physical line that the window starts with, as a faulty record.
    pub fn bad(&self, fault: Fault) -> Scan {
        self.line(Some(fault))
    }

    /// The physical line that the window starts with, as a comment.
    pub fn comment(&self) -> Scan {
        self.line(None)
    }

    /// A record without an end in the window, whose first fields cover so many lines.
    pub fn too_large(&self, lines: u64) -> Scan {
        let seen = self.bytes.len() as u64;
        Scan::Oversized(Oversized::new(Some(Fault::TooLarge), seen, lines))
    }

    fn line(&self, fault: Option<Fault>) -> Scan {
        let end = match (memchr2(b'\n', b'\r', self.bytes), self.edge) {
            (Some(end), _) => end,
            (None, Edge::File) => self.bytes.len(),
            (None, Edge::Buffer) => return Scan::NeedMore,
            (None, Edge::Limit) => {
                return Scan::Oversized(Oversized::new(fault, self.bytes.len() as u64, 1));
            }
        };
        match (self.record(end, 1), fault) {
            (Some(record), Some(fault)) => Scan::Bad(record, fault),
            (Some(record), None) => Scan::Comment(record),
            (None, _) => Scan::NeedMore,
        }
    }
}

/// The line ends in a text: LF, CRLF and lone CR each count once.
pub(super) fn line_ends(text: &[u8]) -> u64 {
    memchr2_iter(b'\n', b'\r', text)
        .filter(|&at| text[at] == b'\n' || text.get(at + 1) != Some(&b'\n'))
        .count() as u64
}
