//! Whether records are text: valid UTF-8 without a NUL, as no other can go into a `text`.

use memchr::memchr;

use super::reject::Reject;
use crate::csv::Record;

/// How far is looked ahead at first, and at most.
const FIRST: usize = 1 << 10;
const MOST: usize = 32 << 10;

/// What of a buffer is known to be text. Many records are looked at together, since most of the time
/// for a short one goes into starting.
#[derive(Debug)]
pub struct Text {
    /// Up to here, from the start of the record that was looked at last.
    known: usize,
    ahead: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            known: 0,
            ahead: FIRST,
        }
    }
}

impl Text {
    /// Checks a record of the buffer; records come in order.
    ///
    /// # Errors
    /// Why it is no text.
    #[inline]
    pub fn check(&mut self, bytes: &[u8], record: &Record) -> Result<(), Reject> {
        if record.end <= self.known {
            return Ok(());
        }
        self.look_ahead(bytes, record)
    }

    fn look_ahead(&mut self, bytes: &[u8], record: &Record) -> Result<(), Reject> {
        let end = record.end.max(record.start + self.ahead).min(bytes.len());
        let ahead = &bytes[record.start..end];
        let no_nul = &ahead[..memchr(0, ahead).unwrap_or(ahead.len())];
        let text = match std::str::from_utf8(no_nul) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        self.known = record.start + text;
        if record.end <= self.known {
            self.ahead = (self.ahead * 2).min(MOST);
            return Ok(());
        }
        // Where many are bad, looking far ahead would be in vain each time.
        self.ahead = FIRST;
        Err(match memchr(0, &bytes[record.start..record.end]) {
            Some(at) => Reject::nul_byte(at),
            None => Reject::invalid_encoding(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is wrong with a line, looked at by itself.
    fn alone(line: &[u8]) -> Result<(), Reject> {
        if let Some(at) = memchr(0, line) {
            return Err(Reject::nul_byte(at));
        }
        std::str::from_utf8(line)
            .map(|_| ())
            .map_err(|error| Reject::invalid_encoding(error.valid_up_to()))
    }

    proptest! {
        #[test]
        fn looking_ahead_changes_nothing(
            lines in prop::collection::vec(
                prop_oneof![
                    20 => "[a-z\u{e9}\u{7f8e}\u{1f600}]{0,40}".prop_map(String::into_bytes),
                    1 => (0..3_000usize).prop_map(|length| "\u{e9}".repeat(length).into_bytes()),
                    1 => prop::collection::vec(any::<u8>(), 0..40),
                    1 => prop::collection::vec(Just(0), 0..2),
                ],
                0..150,
            ),
        ) {
            let mut bytes = Vec::new();
            let mut records = Vec::new();
            for line in &lines {
                let start = bytes.len();
                bytes.extend_from_slice(line);
                let end = bytes.len();
                bytes.push(b'\n');
                records.push(Record { start, end, next: end + 1, lines: 1 });
            }
            let mut text = Text::default();
            for (line, record) in lines.iter().zip(&records) {
                prop_assert_eq!(text.check(&bytes, record), alone(line));
            }
        }
    }
}
