//! The scanner of plain dialects: fields with one byte between them, and quotes that are doubled
//! inside quoted ones. Nearly every file is such a one, so that this is the hot path.

use memchr::memchr;

use super::marks::Marks;
use super::unclosed::Stopped;
use super::window::{Edge, Window, line_ends};
use super::{Fault, Field, Scan};

#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub delimiter: u8,
    pub quote: u8,
}

impl Plain {
    #[inline]
    pub fn scan(&self, window: &Window<'_>, fields: &mut Vec<Field>) -> Scan {
        let (at, text) = (window.at, window.bytes);
        let mut marks = Marks::new(text, self.delimiter);
        let mut position = 0;
        let mut lines = 1;
        loop {
            let end;
            if text.get(position) == Some(&self.quote) {
                let field = match self.quoted_field(window, position + 1) {
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
                    (None, Edge::Limit) => return window.too_large(lines),
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

    /// The field whose opening quote stands before `open`; the byte after its closing quote is a
    /// delimiter, a line end or the end of the file.
    fn quoted_field(&self, window: &Window<'_>, open: usize) -> Result<Field, Scan> {
        let text = window.bytes;
        let stop = |close, text_after_quote, scan| {
            window.stop(Stopped {
                open,
                close,
                text_after_quote,
            });
            Err(scan)
        };
        let mut from = open;
        let mut escaped = false;
        loop {
            let close = match (memchr(self.quote, &text[from..]), window.edge) {
                (Some(length), _) => from + length,
                (None, Edge::Buffer) => return stop(None, None, Scan::NeedMore),
                (None, _) => return stop(None, None, window.bad(Fault::UnfinishedQuote)),
            };
            match (text.get(close + 1), window.edge) {
                (Some(&next), _) if next == self.quote => {
                    escaped = true;
                    from = close + 2;
                    continue;
                }
                (Some(&next), _) if next == self.delimiter || next == b'\n' || next == b'\r' => {}
                (Some(_), _) => {
                    let bad = window.bad(Fault::TextAfterQuote);
                    return stop(Some(close), Some(close + 2), bad);
                }
                (None, Edge::File) => {}
                (None, Edge::Buffer) => return stop(None, None, Scan::NeedMore),
                (None, Edge::Limit) => {
                    return stop(None, None, window.bad(Fault::UnfinishedQuote));
                }
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
