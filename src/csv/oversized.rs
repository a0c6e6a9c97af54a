//! A record, a comment, or the line of a badly quoted record, that is longer than the largest
//! record: it is passed over, buffer by buffer, without being held.

use memchr::memchr2;

use super::Fault;

/// How far an oversized record has been passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// Why the record is none; `None` for a comment.
    pub fault: Option<Fault>,
    /// Its bytes so far; once its end is found, its true length, the line end not counted.
    pub length: u64,
    /// The physical lines that it covers.
    pub lines: u64,
    /// Its line end has begun with a CR, which was the last byte so far.
    carriage_return: bool,
}

impl Oversized {
    /// A record whose first `length` bytes have been seen and hold no end.
    pub(super) fn new(fault: Option<Fault>, length: u64, lines: u64) -> Self {
        Self {
            fault,
            length,
            lines,
            carriage_return: false,
        }
    }

    /// Passes over the bytes that follow; returns where in them the next line starts, or `None`
    /// where they are used up before it. With `eof`, nothing comes after `bytes`.
    pub fn skip(&mut self, bytes: &[u8], eof: bool) -> Option<usize> {
        if self.carriage_return {
            return match bytes.first() {
                Some(b'\n') => Some(1),
                Some(_) => Some(0),
                None => eof.then_some(0),
            };
        }
        let Some(end) = memchr2(b'\n', b'\r', bytes) else {
            self.length += bytes.len() as u64;
            return eof.then_some(bytes.len());
        };
        self.length += end as u64;
        match (bytes[end], bytes.get(end + 1)) {
            (b'\n', _) => Some(end + 1),
            (_, Some(b'\n')) => Some(end + 2),
            (_, Some(_)) => Some(end + 1),
            (_, None) if eof => Some(end + 1),
            (_, None) => {
                self.carriage_return = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oversized_record_is_passed_over_in_pieces() {
        let pieces: [(&[u8], Option<usize>); 3] =
            [(b"xyz", None), (b"z\r", None), (b"\nnext", Some(1))];
        let mut oversized = Oversized::new(Some(Fault::TooLarge), 5, 1);
        for (piece, next) in pieces {
            assert_eq!(oversized.skip(piece, false), next);
        }
        assert_eq!(oversized.length, 9);
        let mut oversized = Oversized::new(Some(Fault::TooLarge), 5, 1);
        assert_eq!(oversized.skip(b"xy", true), Some(2));
        assert_eq!(oversized.length, 7);
    }
}
