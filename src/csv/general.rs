//! The scanner of all other dialects: delimiters of several bytes, no quotes, an escape character,
//! comments, white space around fields.

use memchr::memchr2;

use super::marks::Marks;
use super::unclosed::Stopped;
use super::window::{Edge, Window, line_ends};
use super::{Fault, Field, Scan};
use crate::plan::Dialect;

#[derive(Clone, Debug)]
pub(super) struct General {
    delimiter: Box<[u8]>,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    trim: bool,
}

/// Whether a delimiter stands at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    Here,
    /// The text ends within what may be one, or before it.
    Cut,
    Not,
}

/// A field, and where what follows it begins.
type Found = (Field, usize);

impl General {
    pub fn new(dialect: &Dialect) -> General {
        General {
            delimiter: dialect.delimiter.clone().into(),
            quote: dialect.quote,
            escape: dialect.escape.or(dialect.quote),
            comment: dialect.comment,
            trim: dialect.trim,
        }
    }

    pub fn scan(&self, window: &Window<'_>, fields: &mut Vec<Field>) -> Scan {
        let text = window.bytes;
        if self.comment.is_some() && text.first().copied() == self.comment {
            return window.comment();
        }
        // A delimiter is looked for by its first byte.
        let mut marks = Marks::new(text, self.delimiter[0]);
        let (mut position, mut lines) = (0, 1);
        loop {
            let start = position + self.blanks(&text[position..]);
            let found = match self.quote {
                Some(quote) if text.get(start) == Some(&quote) => {
                    self.quoted_field(window, quote, start + 1, &mut lines)
                }
                _ => self.unquoted_field(window, start, &mut marks, lines),
            };
            let (field, end) = match found {
                Ok(found) => found,
                Err(scan) => return scan,
            };
            fields.push(field);
            if self.delimiter_at(&text[end..]) != Delimiter::Here {
                return window
                    .record(end, lines)
                    .map_or(Scan::NeedMore, Scan::Record);
            }
            position = end + self.delimiter.len();
            marks.skip_to(position);
        }
    }

    fn unquoted_field(
        &self,
        window: &Window<'_>,
        start: usize,
        marks: &mut Marks<'_>,
        lines: u64,
    ) -> Result<Found, Scan> {
        let text = window.bytes;
        let end = loop {
            let Some(mark) = marks.next() else {
                break match window.edge {
                    Edge::File => text.len(),
                    Edge::Buffer => return Err(Scan::NeedMore),
                    Edge::Limit => return Err(window.too_large(lines)),
                };
            };
            if matches!(text[mark], b'\n' | b'\r') {
                break mark;
            }
            match (self.delimiter_at(&text[mark..]), window.edge) {
                (Delimiter::Here, _) => break mark,
                (Delimiter::Cut, Edge::Buffer) => return Err(Scan::NeedMore),
                (Delimiter::Cut, Edge::Limit) => return Err(window.too_large(lines)),
                (Delimiter::Cut, Edge::File) | (Delimiter::Not, _) => {}
            }
        };
        let field = Field {
            start: (window.at + start) as u32,
            end: (window.at + end - self.blanks_before(&text[start..end])) as u32,
            quoted: false,
            escaped: false,
        };
        Ok((field, end))
    }

    /// The field whose opening quote stands before `open`; what follows it is a delimiter, a line
    /// end or the end of the file.
    fn quoted_field(
        &self,
        window: &Window<'_>,
        quote: u8,
        open: usize,
        lines: &mut u64,
    ) -> Result<Found, Scan> {
        let text = window.bytes;
        let escape = self.escape.unwrap_or(quote);
        let stop = |scan| {
            window.stop(Stopped {
                open,
                close: None,
                text_after_quote: None,
            });
            Err(scan)
        };
        let mut from = open;
        let mut escaped = false;
        let close = loop {
            let at = match (memchr2(quote, escape, &text[from..]), window.edge) {
                (Some(length), _) => from + length,
                (None, Edge::Buffer) => return stop(Scan::NeedMore),
                (None, _) => return stop(window.bad(Fault::UnfinishedQuote)),
            };
            if text[at] == escape {
                match (text.get(at + 1), window.edge) {
                    (Some(&next), _) if next == quote || next == escape => {
                        escaped = true;
                        from = at + 2;
                        continue;
                    }
                    (None, Edge::Buffer) => return stop(Scan::NeedMore),
                    _ => {}
                }
            }
            if text[at] == quote {
                break at;
            }
            // An escape before anything else is data.
            from = at + 1;
        };
        *lines += line_ends(&text[open..close]);
        let end = self.end_after_quote(window, open, close, *lines)?;
        let field = Field {
            start: (window.at + open) as u32,
            end: (window.at + close) as u32,
            quoted: true,
            escaped,
        };
        Ok((field, end))
    }

    /// Where what follows a closing quote begins.
    fn end_after_quote(
        &self,
        window: &Window<'_>,
        open: usize,
        close: usize,
        lines: u64,
    ) -> Result<usize, Scan> {
        let text = window.bytes;
        let end = close + 1 + self.blanks(&text[close + 1..]);
        let rest = &text[end..];
        if matches!(rest.first(), Some(b'\n' | b'\r')) {
            return Ok(end);
        }
        let certain = end + self.delimiter.len();
        let stop = |text_after_quote, scan| {
            window.stop(Stopped {
                open,
                close: Some(close),
                text_after_quote,
            });
            Err(scan)
        };
        match (self.delimiter_at(rest), window.edge) {
            (Delimiter::Here, _) => Ok(end),
            (Delimiter::Cut, Edge::File) if rest.is_empty() => Ok(end),
            (Delimiter::Cut, Edge::Buffer) => stop(None, Scan::NeedMore),
            // The quote itself is the one byte more than the largest record.
            (Delimiter::Cut, Edge::Limit) if close + 1 == text.len() => {
                Err(window.bad(Fault::UnfinishedQuote))
            }
            (Delimiter::Cut, Edge::Limit) => Err(window.too_large(lines)),
            (Delimiter::Cut, Edge::File) | (Delimiter::Not, _) => {
                stop(Some(certain), window.bad(Fault::TextAfterQuote))
            }
        }
    }

    #[inline]
    fn delimiter_at(&self, rest: &[u8]) -> Delimiter {
        match (rest.first(), &self.delimiter[..]) {
            (None, _) => Delimiter::Cut,
            (Some(byte), [first, ..]) if byte != first => Delimiter::Not,
            (Some(_), [_]) => Delimiter::Here,
            (Some(_), delimiter) if rest.starts_with(delimiter) => Delimiter::Here,
            (Some(_), delimiter) if delimiter.starts_with(rest) => Delimiter::Cut,
            _ => Delimiter::Not,
        }
    }

    /// How many blanks, which are taken off, a text begins with.
    #[inline]
    fn blanks(&self, text: &[u8]) -> usize {
        match self.trim {
            true => text.iter().take_while(|byte| is_blank(**byte)).count(),
            false => 0,
        }
    }

    /// How many it ends with.
    #[inline]
    fn blanks_before(&self, text: &[u8]) -> usize {
        match self.trim {
            true => text
                .iter()
                .rev()
                .take_while(|byte| is_blank(**byte))
                .count(),
            false => 0,
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
#[path = "general_tests.rs"]
mod tests;
