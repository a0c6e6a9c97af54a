//! What is known of quotes that have no end nearby.
//!
//! A badly quoted record is the line that it starts on, and the next line is looked at as a record of
//! its own. That one may open a quote which goes as far again: in a file where each line does
//! (`a","b`), each would be looked at as far as the largest record goes. But whoever is inside of
//! quotes at a line end goes on from there as everybody does who is. So one look, up to the buffer's
//! end, tells what the lines behind it would find, and of each only the line itself is looked at.

use memchr::memchr2;

use super::window::Window;
use super::{Fault, Field, Scan, Scanner};

/// A stretch of a file, as it looks from the start of a badly quoted record: all its line ends are
/// inside of quotes. Positions count from `base`, an offset in the file.
#[derive(Clone, Debug)]
pub struct Unclosed {
    base: u64,
    /// Where the record starts.
    from: u64,
    /// The line ends before this are inside of quotes.
    until: u64,
    /// With so many bytes it is certain that text follows a closing quote.
    text_after_quote: Option<u64>,
    /// The quoted fields, from behind the opening quote to the closing one.
    quoted: Vec<(u32, u32)>,
}

/// Where looking has ended inside of a quoted field, or right behind one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopped {
    /// Behind the opening quote.
    pub open: usize,
    /// The closing quote, where there is one.
    pub close: Option<usize>,
    /// So many bytes tell that text follows the closing quote.
    pub text_after_quote: Option<usize>,
}

impl Scanner {
    /// What [`Scanner::scan`] finds, in a time that the quotes of the lines before don't add to:
    /// `unclosed` is kept from one record of a file to the next, and `offset` is where `bytes` start
    /// in the file.
    #[inline]
    pub fn scan_on(
        &self,
        bytes: &[u8],
        (offset, at): (u64, usize),
        eof: bool,
        fields: &mut Vec<Field>,
        unclosed: &mut Option<Unclosed>,
    ) -> Scan {
        if unclosed.is_some()
            && let Some(found) = self.scan_behind(bytes, (offset, at), eof, fields, unclosed)
        {
            return found;
        }
        let found = self.scan(bytes, at, eof, fields);
        if let Scan::Bad(..) = found {
            *unclosed = Some(self.look_far(bytes, (offset, at), eof));
        }
        found
    }

    /// What is found by the line alone, or known of its quotes.
    #[cold]
    fn scan_behind(
        &self,
        bytes: &[u8],
        (offset, at): (u64, usize),
        eof: bool,
        fields: &mut Vec<Field>,
        unclosed: &mut Option<Unclosed>,
    ) -> Option<Scan> {
        let start = offset + at as u64;
        let known = unclosed.as_ref()?;
        if start >= known.until {
            *unclosed = None;
            return None;
        }
        let line_end = at + memchr2(b'\n', b'\r', &bytes[at..])?;
        if start <= known.from || offset + line_end as u64 >= known.until {
            return None;
        }
        // What stands behind a CR tells whether that is the line end.
        let line = bytes.get(..line_end + 1 + usize::from(bytes[line_end] == b'\r'))?;
        match self.scan(line, at, false, fields) {
            // Its line end is inside of quotes.
            Scan::NeedMore => {
                let fault = known.fault(start + self.max_record() as u64 + 1)?;
                let window = Window::new(bytes, at, eof, self.max_record());
                Some(window.bad(fault))
            }
            found => Some(found),
        }
    }

    /// Looks from a badly quoted record as far as there are bytes.
    #[cold]
    fn look_far(&self, bytes: &[u8], (offset, at): (u64, usize), eof: bool) -> Unclosed {
        let mut fields = Vec::new();
        let window = Window::new(bytes, at, eof, usize::MAX - 1);
        let found = self.scan_window(&window, &mut fields);
        let mut quoted: Vec<(u32, u32)> = fields
            .iter()
            .filter(|field| field.quoted)
            .map(|field| (field.start, field.end))
            .collect();
        let stopped = window.stopped();
        if let Some(Stopped { open, close, .. }) = stopped {
            let end = match close {
                Some(close) => (at + close) as u32,
                // There is none in the file; or what stands behind the buffer is not known.
                None if eof => u32::MAX,
                None => bytes.len() as u32 - 1,
            };
            quoted.push(((at + open) as u32, end));
        }
        let until = match (found, stopped.and_then(|it| it.close)) {
            (Scan::Record(record), _) => record.end,
            (_, Some(close)) => at + close,
            _ => bytes.len(),
        };
        let text_after_quote = stopped.and_then(|it| it.text_after_quote);
        Unclosed {
            base: offset,
            from: offset + at as u64,
            until: offset + until as u64,
            text_after_quote: text_after_quote.map(|length| offset + (at + length) as u64),
            quoted,
        }
    }
}

impl Unclosed {
    /// Why a record is none that is inside of quotes at one of the line ends, and may go up to `limit`;
    /// `None` where that is not known, or it is not about quotes.
    fn fault(&self, limit: u64) -> Option<Fault> {
        if self
            .text_after_quote
            .is_some_and(|certain| certain <= limit)
        {
            return Some(Fault::TextAfterQuote);
        }
        let limit = limit - self.base;
        let after = self
            .quoted
            .partition_point(|&(open, _)| u64::from(open) <= limit);
        let &(_, close) = self.quoted.get(after.checked_sub(1)?)?;
        // A closing quote that is the last byte may be half of a doubled one.
        (limit <= u64::from(close) + 1).then_some(Fault::UnfinishedQuote)
    }
}
