//! The record scanner: one record at a time, from its start to the start of the next.

use memchr::{memchr, memchr2, memchr2_iter};

use super::marks::Marks;
use super::{Field, Oversized};
use crate::plan::Dialect;

/// Finds records in a buffer; it holds no state, so that a record is the same wherever reading
/// began.
#[derive(Clone, Copy, Debug)]
pub struct Scanner {
    delimiter: u8,
    quote: u8,
    max_record: usize,
}

/// What stands at a place in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A record; its fields are in the list that was given.
    Record(Record),
    /// A record with a fault; the span is that of the physical line it starts on.
    Bad(Record, Fault),
    /// A record that goes on beyond the largest length: pass the bytes after its first
    /// [`Oversized::length`] to [`Oversized::skip`].
    Oversized(Oversized),
    /// The buffer ends before this can be decided: at most the largest record's length and two more
    /// bytes are needed, counted from the record's start.
    NeedMore,
    /// The file ends here.
    End,
}

/// A record's span in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it starts.
    pub start: usize,
    /// Where it ends, before its line end.
    pub end: usize,
    /// Where the next line starts.
    pub next: usize,
    /// The physical lines that it covers.
    pub lines: u64,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Text after a closing quote.
    TextAfterQuote,
    /// A quoted field without an end in the file, or within the largest record.
    UnfinishedQuote,
    /// Longer than the largest record.
    TooLarge,
}

/// What limits the bytes that a record is looked for in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// The buffer's end: more bytes come after it.
    Buffer,
    /// The file's end.
    File,
    /// One byte more than the largest record.
    Limit,
}

/// The bytes from a record's start: all of them in the buffer, and those that may be the record's.
struct Window<'a> {
    at: usize,
    rest: &'a [u8],
    bytes: &'a [u8],
    edge: Edge,
    eof: bool,
}

impl Scanner {
    /// A scanner for a dialect.
    pub fn new(dialect: &Dialect) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            // Spans are 32 bits wide, with room for the bytes that an encoded row adds.
            max_record: dialect.max_record.min(1 << 27) as usize,
        }
    }

    /// The byte around quoted fields.
    pub fn quote(&self) -> u8 {
        self.quote
    }

    /// The largest record's length.
    pub fn max_record(&self) -> usize {
        self.max_record
    }

    /// Finds out what stands at `at`, which must be the start of a line; `eof` says that the file
    /// ends at the end of `bytes`. Fills `fields` where it is a record.
    pub fn scan(&self, bytes: &[u8], at: usize, eof: bool, fields: &mut Vec<Field>) -> Scan {
        fields.clear();
        let window = self.window(bytes, at, eof);
        let text = window.bytes;
        if text.is_empty() {
            return if eof { Scan::End } else { Scan::NeedMore };
        }
        let mut marks = Marks::new(text, self.delimiter);
        let mut position = 0;
        let mut lines = 1;
        loop {
            let end;
            if text.get(position) == Some(&self.quote) {
                let field = match self.quoted_field(&window, position + 1) {
                    Ok(field) => field,
                    Err(scan) => return scan,
                };
                let close = field.end as usize - at;
                if field.end > field.start {
                    lines += line_ends(&text[position + 1..close]);
                }
                fields.push(field);
                end = close + 1;
                // The mark at the end, if there is one, is what the next field starts behind.
                marks.skip_to(end + 1);
            } else {
                end = match (marks.next(), window.edge) {
                    (Some(mark), _) => mark,
                    (None, Edge::File) => text.len(),
                    (None, Edge::Buffer) => return Scan::NeedMore,
                    (None, Edge::Limit) => {
                        let seen = text.len() as u64;
                        return Scan::Oversized(Oversized::new(Fault::TooLarge, seen, lines));
                    }
                };
                fields.push(Field {
                    start: (at + position) as u32,
                    end: (at + end) as u32,
                    quoted: false,
                    escaped: false,
                });
            }
            if text.get(end) == Some(&self.delimiter) {
                position = end + 1;
                continue;
            }
            return match window.record(end, lines) {
                Some(record) => Scan::Record(record),
                None => Scan::NeedMore,
            };
        }
    }

    fn window<'a>(&self, bytes: &'a [u8], at: usize, eof: bool) -> Window<'a> {
        let rest = &bytes[at..];
        let limit = self.max_record + 1;
        let edge = if rest.len() >= limit {
            Edge::Limit
        } else if eof {
            Edge::File
        } else {
            Edge::Buffer
        };
        Window {
            at,
            rest,
            bytes: &rest[..rest.len().min(limit)],
            edge,
            eof,
        }
    }

    /// The field whose opening quote stands before `open`; the byte after its closing quote is a
    /// delimiter, a line end or the end of the file.
    fn quoted_field(&self, window: &Window, open: usize) -> Result<Field, Scan> {
        let text = window.bytes;
        let mut from = open;
        let mut escaped = false;
        loop {
            let close = match (memchr(self.quote, &text[from..]), window.edge) {
                (Some(length), _) => from + length,
                (None, Edge::Buffer) => return Err(Scan::NeedMore),
                (None, _) => return Err(window.bad(Fault::UnfinishedQuote)),
            };
            match (text.get(close + 1), window.edge) {
                (Some(&next), _) if next == self.quote => {
                    escaped = true;
                    from = close + 2;
                    continue;
                }
                (Some(&next), _) if next == self.delimiter || next == b'\n' || next == b'\r' => {}
                (Some(_), _) => return Err(window.bad(Fault::TextAfterQuote)),
                (None, Edge::File) => {}
                (None, Edge::Buffer) => return Err(Scan::NeedMore),
                (None, Edge::Limit) => return Err(window.bad(Fault::UnfinishedQuote)),
            }
            return Ok(Field {
                start: (window.at + open) as u32,
                end: (window.at + close) as u32,
                quoted: true,
                escaped,
            });
        }
    }
}

impl Window<'_> {
    /// The record that ends at `end`, where a line end or the end of the file stands; `None` where
    /// the buffer ends inside what may be a CRLF.
    fn record(&self, end: usize, lines: u64) -> Option<Record> {
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

    /// The physical line that the window starts with, as a faulty record.
    fn bad(&self, fault: Fault) -> Scan {
        let end = match (memchr2(b'\n', b'\r', self.bytes), self.edge) {
            (Some(end), _) => end,
            (None, Edge::File) => self.bytes.len(),
            (None, Edge::Buffer) => return Scan::NeedMore,
            (None, Edge::Limit) => {
                return Scan::Oversized(Oversized::new(fault, self.bytes.len() as u64, 1));
            }
        };
        match self.record(end, 1) {
            Some(record) => Scan::Bad(record, fault),
            None => Scan::NeedMore,
        }
    }
}

/// The line ends in a text: LF, CRLF and lone CR each count once.
fn line_ends(text: &[u8]) -> u64 {
    memchr2_iter(b'\n', b'\r', text)
        .filter(|&at| text[at] == b'\n' || text.get(at + 1) != Some(&b'\n'))
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(max_record: u64) -> Scanner {
        Scanner::new(&Dialect {
            max_record,
            ..Dialect::default()
        })
    }

    fn scan(text: &str, eof: bool) -> (Scan, Vec<(String, bool)>) {
        let mut fields = Vec::new();
        let scan = scanner(1 << 20).scan(text.as_bytes(), 0, eof, &mut fields);
        let texts = fields
            .iter()
            .map(|field| {
                let mut scratch = Vec::new();
                let text = field.text(text.as_bytes(), b'"', &mut scratch).to_vec();
                (String::from_utf8(text).unwrap(), field.quoted)
            })
            .collect();
        (scan, texts)
    }

    fn record(end: usize, next: usize, lines: u64) -> Scan {
        Scan::Record(Record {
            start: 0,
            end,
            next,
            lines,
        })
    }

    fn bad(end: usize, next: usize, fault: Fault) -> Scan {
        let record = Record {
            start: 0,
            end,
            next,
            lines: 1,
        };
        Scan::Bad(record, fault)
    }

    fn fields(text: &str) -> Vec<(String, bool)> {
        scan(text, true).1
    }

    fn owned(fields: &[(&str, bool)]) -> Vec<(String, bool)> {
        fields
            .iter()
            .map(|(text, quoted)| (text.to_string(), *quoted))
            .collect()
    }

    #[test]
    fn a_plain_record() {
        assert_eq!(scan("a,b\nc", true).0, record(3, 4, 1));
        assert_eq!(fields("a,b\nc"), owned(&[("a", false), ("b", false)]));
        assert_eq!(fields(",\n"), owned(&[("", false), ("", false)]));
    }

    #[test]
    fn every_line_end_ends_a_line() {
        assert_eq!(scan("a\r\nb", true).0, record(1, 3, 1));
        assert_eq!(scan("a\rb", true).0, record(1, 2, 1));
        assert_eq!(scan("a\r\r\n", true).0, record(1, 2, 1));
        assert_eq!(scan("a\r", true).0, record(1, 2, 1));
        assert_eq!(scan("a\r", false).0, Scan::NeedMore);
    }

    #[test]
    fn an_empty_line_is_one_empty_field() {
        assert_eq!(scan("\n", true).0, record(0, 1, 1));
        assert_eq!(fields("\n"), owned(&[("", false)]));
        assert_eq!(scan("", true).0, Scan::End);
        assert_eq!(scan("", false).0, Scan::NeedMore);
    }

    #[test]
    fn quoted_fields_hold_delimiters_line_ends_and_doubled_quotes() {
        let text = "\"a,\r\nb\",\"\",\"x\"\"y\"\r\nz";
        assert_eq!(scan(text, true).0, record(17, 19, 2));
        assert_eq!(
            fields(text),
            owned(&[("a,\r\nb", true), ("", true), ("x\"y", true)])
        );
        assert_eq!(scan("\"\r\r\n\n\"", true).0, record(6, 6, 4));
    }

    #[test]
    fn quotes_inside_an_unquoted_field_are_data() {
        assert_eq!(
            fields("a\"b\", \"c\"\n"),
            owned(&[("a\"b\"", false), (" \"c\"", false)])
        );
        assert_eq!(fields("\\.\n"), owned(&[("\\.", false)]));
    }

    #[test]
    fn a_record_may_end_with_the_file() {
        assert_eq!(scan("a,", true).0, record(2, 2, 1));
        assert_eq!(fields("a,"), owned(&[("a", false), ("", false)]));
        assert_eq!(scan("\"a\"", true).0, record(3, 3, 1));
        assert_eq!(scan("\"a\"", false).0, Scan::NeedMore);
        assert_eq!(scan("a,b", false).0, Scan::NeedMore);
    }

    #[test]
    fn bad_quoting_costs_the_physical_line() {
        let after = Fault::TextAfterQuote;
        assert_eq!(scan("\"a\"b,c\nd\n", true).0, bad(6, 7, after));
        assert_eq!(scan("\"a\nb\"c\nd\n", true).0, bad(2, 3, after));
        assert_eq!(scan("\"a\" \r\nd\n", true).0, bad(4, 6, after));
        assert_eq!(scan("\"a\"b", false).0, Scan::NeedMore);
        let unfinished = Fault::UnfinishedQuote;
        assert_eq!(scan("x,\"a\nb\n", true).0, bad(4, 5, unfinished));
        assert_eq!(scan("x,\"a\nb\n", false).0, Scan::NeedMore);
        assert_eq!(scan("\"", true).0, bad(1, 1, unfinished));
    }

    #[test]
    fn the_largest_record_is_exact() {
        let mut fields = Vec::new();
        let mut scan = |text: &str, eof| scanner(4).scan(text.as_bytes(), 0, eof, &mut fields);
        assert_eq!(scan("abcd\n", false), record(4, 5, 1));
        assert_eq!(scan("abcd\r", false), Scan::NeedMore);
        assert_eq!(scan("abcd\r\n", false), record(4, 6, 1));
        assert_eq!(scan("abcd", true), record(4, 4, 1));
        assert_eq!(scan("abcd", false), Scan::NeedMore);
        let too_large = Scan::Oversized(Oversized::new(Fault::TooLarge, 5, 1));
        assert_eq!(scan("abcde", false), too_large);
        assert_eq!(scan("abc,,", false), too_large);
        assert_eq!(scan("\"ab\",", false), too_large);
        assert_eq!(scan("\"ab\"\n", false), record(4, 5, 1));
        assert_eq!(
            scan("\"abc\"\n", true),
            Scan::Oversized(Oversized::new(Fault::UnfinishedQuote, 5, 1))
        );
        assert_eq!(
            scan("\"ab\"c", true),
            Scan::Oversized(Oversized::new(Fault::TextAfterQuote, 5, 1))
        );
        assert_eq!(scan("\"a\nbc\"\n", true), bad(2, 3, Fault::UnfinishedQuote));
    }
}
