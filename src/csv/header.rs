//! The header: the first record of a file, which names the columns.

use ingestd_actors::model::Position;
use memchr::{memchr, memchr2};

use super::{Escape, Fault, Field, Oversized, Scan, Scanner, is_blank_line};
use crate::plan::Dialect;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The names in a file's header, and where its records begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The names, as they are written; none where the file holds nothing but blank lines and
    /// comments.
    pub names: Vec<String>,
    /// The position after the header.
    pub end: Position,
}

/// Why a file's first record can't be a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// A fault in its quoting.
    #[error("the header, line {line}, is badly quoted")]
    BadQuoting {
        /// The line it starts on.
        line: u64,
    },
    /// Longer than the largest record.
    #[error("the header, line {line}, is longer than the largest record ({limit} bytes)")]
    TooLarge {
        /// The line it starts on.
        line: u64,
        /// The largest record.
        limit: usize,
    },
    /// Not valid UTF-8.
    #[error("the header, line {line}, is not valid UTF-8")]
    InvalidEncoding {
        /// The line it starts on.
        line: u64,
    },
    /// It holds a NUL byte.
    #[error("the header, line {line}, holds a NUL byte")]
    NulByte {
        /// The line it starts on.
        line: u64,
    },
}

/// Where the text of a file begins: after the UTF-8 byte order mark, if it has one; `None` where the
/// buffer is too short to tell.
pub fn skip_byte_order_mark(bytes: &[u8], eof: bool) -> Option<usize> {
    if bytes.starts_with(BYTE_ORDER_MARK) {
        Some(BYTE_ORDER_MARK.len())
    } else if BYTE_ORDER_MARK.starts_with(bytes) && !eof {
        None
    } else {
        Some(0)
    }
}

/// The search for the header at the start of a file. What stands before it (the byte order mark, the
/// lines to be skipped, comments, blank lines) is passed over without being held.
#[derive(Debug)]
pub struct HeaderSearch {
    scanner: Scanner,
    escape: Escape,
    header: bool,
    /// Whether the byte order mark is behind us.
    begun: bool,
    /// The lines that are still to be skipped.
    skip: u64,
    /// A comment that is longer than the largest record.
    passing: Option<Oversized>,
    /// Where the bytes start that are looked at next.
    at: Position,
}

/// What was found in some bytes.
enum Found {
    /// So many bytes and lines are passed over.
    Passed(usize, u64),
    /// So many bytes are passed over, and what comes after them can't be decided yet.
    More(usize),
    /// The names, with so many bytes and lines.
    Names(Vec<String>, usize, u64),
}

impl HeaderSearch {
    /// A search from the start of a file.
    pub fn new(dialect: &Dialect) -> HeaderSearch {
        HeaderSearch {
            scanner: Scanner::new(dialect),
            escape: Escape::new(dialect),
            header: dialect.header,
            begun: false,
            skip: dialect.skip_lines,
            passing: None,
            at: Position::START,
        }
    }

    /// Looks at the bytes that follow those that it has taken out of `bytes` before; `None` where
    /// more of them are needed, which is never so with `eof`, at the file's end.
    ///
    /// A dialect without a header has one without names: its end is where the records begin.
    ///
    /// # Errors
    /// Where the first record can't be a header; the file is at fault.
    pub fn look(&mut self, bytes: &mut Vec<u8>, eof: bool) -> Result<Option<Header>, HeaderFault> {
        let mut cursor = 0;
        let names = loop {
            match self.find(&bytes[cursor..], eof)? {
                Found::Passed(used, lines) => {
                    cursor += used;
                    self.at.line += lines;
                }
                Found::More(used) => {
                    cursor += used;
                    break None;
                }
                Found::Names(names, used, lines) => {
                    cursor += used;
                    self.at.line += lines;
                    break Some(names);
                }
            }
        };
        bytes.drain(..cursor);
        self.at.offset += cursor as u64;
        Ok(names.map(|names| Header {
            names,
            end: self.at,
        }))
    }

    fn find(&mut self, bytes: &[u8], eof: bool) -> Result<Found, HeaderFault> {
        if !self.begun {
            let Some(mark) = skip_byte_order_mark(bytes, eof) else {
                return Ok(Found::More(0));
            };
            self.begun = true;
            return Ok(Found::Passed(mark, 0));
        }
        if self.skip > 0 {
            return Ok(self.skip_line(bytes, eof));
        }
        if !self.header {
            return Ok(Found::Names(Vec::new(), 0, 0));
        }
        if let Some(passing) = &mut self.passing {
            return Ok(match passing.skip(bytes, eof) {
                Some(next) => {
                    self.passing = None;
                    Found::Passed(next, 1)
                }
                None => Found::More(bytes.len()),
            });
        }
        self.find_record(bytes, eof)
    }

    /// Passes over what the bytes have of a physical line.
    fn skip_line(&mut self, bytes: &[u8], eof: bool) -> Found {
        let next = match memchr2(b'\n', b'\r', bytes) {
            None if eof => {
                // The file ends within what is to be skipped.
                self.skip = 0;
                return Found::Passed(bytes.len(), u64::from(!bytes.is_empty()));
            }
            None => return Found::More(bytes.len()),
            Some(end) => match (bytes[end], bytes.get(end + 1)) {
                (b'\r', Some(b'\n')) => end + 2,
                (b'\r', None) if !eof => return Found::More(end),
                _ => end + 1,
            },
        };
        self.skip -= 1;
        Found::Passed(next, 1)
    }

    fn find_record(&mut self, bytes: &[u8], eof: bool) -> Result<Found, HeaderFault> {
        let line = self.at.line;
        let mut fields = Vec::new();
        Ok(match self.scanner.scan(bytes, 0, eof, &mut fields) {
            Scan::NeedMore => Found::More(0),
            Scan::End => Found::Names(Vec::new(), 0, 0),
            Scan::Comment(record) => Found::Passed(record.next, record.lines),
            Scan::Record(record) if is_blank_line(&fields) => {
                Found::Passed(record.next, record.lines)
            }
            Scan::Record(record) => {
                let names = names(&bytes[..record.end], &fields, self.escape, line)?;
                Found::Names(names, record.next, record.lines)
            }
            Scan::Bad(_, fault) => return Err(self.fault(fault)),
            Scan::Oversized(oversized) => match oversized.fault {
                Some(fault) => return Err(self.fault(fault)),
                None => {
                    let seen = oversized.length as usize;
                    self.passing = Some(oversized);
                    Found::Passed(seen, 0)
                }
            },
        })
    }

    fn fault(&self, fault: Fault) -> HeaderFault {
        let line = self.at.line;
        match fault {
            Fault::TooLarge => HeaderFault::TooLarge {
                line,
                limit: self.scanner.max_record(),
            },
            Fault::TextAfterQuote | Fault::UnfinishedQuote => HeaderFault::BadQuoting { line },
        }
    }
}

/// The names in one well-formed record; whether they were quoted does not matter here.
fn names(
    record: &[u8],
    fields: &[Field],
    escape: Escape,
    line: u64,
) -> Result<Vec<String>, HeaderFault> {
    if memchr(0, record).is_some() {
        return Err(HeaderFault::NulByte { line });
    }
    let mut scratch = Vec::new();
    let name = |field: &Field| {
        let text = field.text(record, escape, &mut scratch);
        let name = std::str::from_utf8(text).map(str::to_owned);
        name.map_err(|_| HeaderFault::InvalidEncoding { line })
    };
    fields.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], eof: bool) -> Result<Option<Header>, HeaderFault> {
        HeaderSearch::new(&Dialect::default()).look(&mut bytes.to_vec(), eof)
    }

    /// Reads a whole file, so many bytes at a time.
    fn read_all(
        dialect: &Dialect,
        file: &[u8],
        step: usize,
    ) -> Result<Option<Header>, HeaderFault> {
        let mut search = HeaderSearch::new(dialect);
        let (mut filled, mut held) = (0, Vec::new());
        loop {
            let next = (filled + step).min(file.len());
            held.extend_from_slice(&file[filled..next]);
            filled = next;
            let found = search.look(&mut held, filled == file.len())?;
            let most = dialect.max_record as usize + 2;
            assert!(
                held.len() < most + step || found.is_some(),
                "more is held than needed"
            );
            if found.is_some() || filled == file.len() {
                return Ok(found);
            }
        }
    }

    fn some(names: &[&str], offset: u64, line: u64) -> Result<Option<Header>, HeaderFault> {
        Ok(Some(Header {
            names: names.iter().map(|name| name.to_string()).collect(),
            end: Position {
                record: 0,
                offset,
                line,
            },
        }))
    }

    #[test]
    fn names_are_taken_as_they_stand() {
        assert_eq!(
            read(b"id, name ,\n1", false),
            some(&["id", " name ", ""], 11, 2)
        );
        assert_eq!(read(b"id\r\n1", false), some(&["id"], 4, 2));
        assert_eq!(read(b"id,name", true), some(&["id", "name"], 7, 2));
        assert_eq!(read(b"id,name", false), Ok(None));
    }

    #[test]
    fn quoted_names_are_unescaped() {
        assert_eq!(
            read(b"\"a,b\",\"c\"\"d\",\"e\nf\",g\"h\n", false),
            some(&["a,b", "c\"d", "e\nf", "g\"h"], 23, 3)
        );
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_name() {
        assert_eq!(read(b"\xEF\xBB\xBFid\n", false), some(&["id"], 6, 2));
        assert_eq!(read(b"\xEF\xBB", false), Ok(None));
        assert_eq!(
            read(b"\xEF\xBB", true),
            Err(HeaderFault::InvalidEncoding { line: 1 })
        );
    }

    #[test]
    fn a_file_may_hold_nothing() {
        assert_eq!(read(b"", true), some(&[], 0, 1));
        assert_eq!(read(b"\n\r\n", true), some(&[], 3, 3));
        assert_eq!(read(b"\n\nid,b\n", true), some(&["id", "b"], 7, 4));
    }

    #[test]
    fn a_first_record_that_is_no_header_says_why() {
        assert_eq!(
            read(b"\"a\"b\n", false),
            Err(HeaderFault::BadQuoting { line: 1 })
        );
        assert_eq!(
            read(b"\na\xFF,b\n", false),
            Err(HeaderFault::InvalidEncoding { line: 2 })
        );
        assert_eq!(
            read(b"a\0,b\n", false),
            Err(HeaderFault::NulByte { line: 1 })
        );
        let dialect = Dialect {
            max_record: 3,
            ..Dialect::default()
        };
        assert_eq!(
            read_all(&dialect, b"abcd\n", 9),
            Err(HeaderFault::TooLarge { line: 1, limit: 3 })
        );
    }

    fn preamble(skip_lines: u64) -> Dialect {
        Dialect {
            comment: Some(b'#'),
            skip_lines,
            max_record: 12,
            ..Dialect::default()
        }
    }

    #[test]
    fn preamble_lines_before_the_header_are_passed_over() {
        let file = b"\xEF\xBB\xBFreport, \"weekly\rof the whole department\r\n\n\
                     # a comment that is longer than the largest record\r\n#\n\nid,b\n1,2\n";
        for step in 1..file.len() {
            let header = read_all(&preamble(3), file, step);
            assert_eq!(header, some(&["id", "b"], file.len() as u64 - 4, 8));
        }
    }

    #[test]
    fn a_file_may_end_in_its_preamble() {
        for step in 1..9 {
            let read = |file: &[u8]| read_all(&preamble(3), file, step);
            assert_eq!(read(b""), some(&[], 0, 1));
            assert_eq!(read(b"a\nb"), some(&[], 3, 3));
            assert_eq!(read(b"a\nb\nc\r"), some(&[], 6, 4));
            assert_eq!(read(b"a\nb\nc\n#d"), some(&[], 8, 5));
        }
    }

    #[test]
    fn without_a_header_the_records_begin_behind_the_preamble() {
        let dialect = Dialect {
            header: false,
            ..preamble(1)
        };
        let read = |file: &[u8]| read_all(&dialect, file, 3);
        assert_eq!(read(b"what\r\n1,2\n"), some(&[], 6, 2));
        let none = Dialect {
            skip_lines: 0,
            ..dialect.clone()
        };
        assert_eq!(read_all(&none, b"\xEF\xBB\xBF1,2\n", 1), some(&[], 3, 1));
    }
}
