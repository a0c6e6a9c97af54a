//! The record scanner: one record at a time, from its start to the start of the next.

use super::general::General;
use super::plain::Plain;
use super::window::Window;
use super::{Field, Oversized};
use crate::plan::Dialect;

/// Finds records in a buffer; it holds no state, so that a record is the same wherever reading
/// began.
#[derive(Clone, Debug)]
pub struct Scanner {
    syntax: Syntax,
    max_record: usize,
}

#[derive(Clone, Debug)]
enum Syntax {
    Plain(Plain),
    General(General),
}

/// What stands at a place in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A record; its fields are in the list that was given.
    Record(Record),
    /// A record with a fault; the span is that of the physical line it starts on.
    Bad(Record, Fault),
    /// A line that is no record.
    Comment(Record),
    /// A record (or a comment) that goes on beyond the largest length: pass the bytes after its
    /// first [`Oversized::length`] to [`Oversized::skip`].
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

impl Scanner {
    /// A scanner for a dialect.
    pub fn new(dialect: &Dialect) -> Self {
        let plain = dialect.escape.is_none() && dialect.comment.is_none() && !dialect.trim;
        let syntax = match (&dialect.delimiter[..], dialect.quote) {
            (&[delimiter], Some(quote)) if plain => Syntax::Plain(Plain { delimiter, quote }),
            _ => Syntax::General(General::new(dialect)),
        };
        Self {
            syntax,
            // Spans are 32 bits wide, with room for the bytes that an encoded row adds.
            max_record: dialect.max_record.min(1 << 27) as usize,
        }
    }

    /// The largest record's length.
    pub fn max_record(&self) -> usize {
        self.max_record
    }

    /// Finds out what stands at `at`, which must be the start of a line; `eof` says that the file
    /// ends at the end of `bytes`. Fills `fields` where it is a record.
    pub fn scan(&self, bytes: &[u8], at: usize, eof: bool, fields: &mut Vec<Field>) -> Scan {
        fields.clear();
        let window = Window::new(bytes, at, eof, self.max_record);
        if window.bytes.is_empty() {
            return if eof { Scan::End } else { Scan::NeedMore };
        }
        self.scan_window(&window, fields)
    }

    #[inline]
    pub(super) fn scan_window(&self, window: &Window<'_>, fields: &mut Vec<Field>) -> Scan {
        match &self.syntax {
            Syntax::Plain(plain) => plain.scan(window, fields),
            Syntax::General(general) => general.scan(window, fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Escape;
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
                let escape = Escape::new(&Dialect::default());
                let text = field.text(text.as_bytes(), escape, &mut scratch).to_vec();
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
        let too_large = Scan::Oversized(Oversized::new(Some(Fault::TooLarge), 5, 1));
        assert_eq!(scan("abcde", false), too_large);
        assert_eq!(scan("abc,,", false), too_large);
        assert_eq!(scan("\"ab\",", false), too_large);
        assert_eq!(scan("\"ab\"\n", false), record(4, 5, 1));
        assert_eq!(
            scan("\"abc\"\n", true),
            Scan::Oversized(Oversized::new(Some(Fault::UnfinishedQuote), 5, 1))
        );
        assert_eq!(
            scan("\"ab\"c", true),
            Scan::Oversized(Oversized::new(Some(Fault::TextAfterQuote), 5, 1))
        );
        assert_eq!(scan("\"a\nbc\"\n", true), bad(2, 3, Fault::UnfinishedQuote));
    }
}
