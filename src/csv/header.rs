//! The header: the first record of a file, which names the columns.

use ingestd_actors::model::Position;

use super::{Fault, Scan, Scanner};
use crate::plan::Dialect;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The names in a file's header, and where its records begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The names, as they are written; none where the file holds nothing but blank lines.
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

/// Reads the header from the first bytes of a file; `None` where more of them are needed. Blank
/// lines before it are passed over.
///
/// # Errors
/// Where the first record can't be a header; the file is at fault.
pub fn read_header(
    bytes: &[u8],
    eof: bool,
    dialect: &Dialect,
) -> Result<Option<Header>, HeaderFault> {
    let scanner = Scanner::new(dialect);
    let Some(mut at) = skip_byte_order_mark(bytes, eof) else {
        return Ok(None);
    };
    let mut line = 1;
    let mut fields = Vec::new();
    loop {
        match scanner.scan(bytes, at, eof, &mut fields) {
            Scan::NeedMore => return Ok(None),
            Scan::End => return Ok(Some(header(Vec::new(), at, line))),
            Scan::Record(record) if record.start == record.end => {
                at = record.next;
                line += record.lines;
            }
            Scan::Record(record) => {
                let names = names(&bytes[record.start..record.end], dialect, line)?;
                return Ok(Some(header(names, record.next, line + record.lines)));
            }
            Scan::Bad(_, fault) => return Err(header_fault(fault, line, &scanner)),
            Scan::Oversized(oversized) => {
                return Err(header_fault(oversized.fault, line, &scanner));
            }
        }
    }
}

fn header(names: Vec<String>, offset: usize, line: u64) -> Header {
    Header {
        names,
        end: Position {
            record: 0,
            offset: offset as u64,
            line,
        },
    }
}

fn header_fault(fault: Fault, line: u64, scanner: &Scanner) -> HeaderFault {
    match fault {
        Fault::TooLarge => HeaderFault::TooLarge {
            line,
            limit: scanner.max_record(),
        },
        Fault::TextAfterQuote | Fault::UnfinishedQuote => HeaderFault::BadQuoting { line },
    }
}

/// The names in one well-formed record; whether they were quoted does not matter here.
fn names(record: &[u8], dialect: &Dialect, line: u64) -> Result<Vec<String>, HeaderFault> {
    if memchr::memchr(0, record).is_some() {
        return Err(HeaderFault::NulByte { line });
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(dialect.delimiter)
        .quote(dialect.quote)
        .from_reader(record);
    let mut names = csv::StringRecord::new();
    match reader.read_record(&mut names) {
        Ok(_) => Ok(names.iter().map(str::to_owned).collect()),
        // The bytes are in memory and one record long: only their encoding can be wrong.
        Err(_) => Err(HeaderFault::InvalidEncoding { line }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], eof: bool) -> Result<Option<Header>, HeaderFault> {
        read_header(bytes, eof, &Dialect::default())
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
            read_header(b"abcd\n", false, &dialect),
            Err(HeaderFault::TooLarge { line: 1, limit: 3 })
        );
    }
}
