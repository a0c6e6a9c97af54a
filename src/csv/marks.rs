//! Where unquoted fields may end: delimiters and line ends, found a block at a time.
//!
//! A search that starts anew for each field spends most of its time starting: fields are short.

/// How many bytes are looked at together.
const BLOCK: usize = 32;

/// The delimiters and line ends of a text, one after the other.
pub struct Marks<'a> {
    text: &'a [u8],
    delimiter: u8,
    /// Where the block starts that is being looked at.
    block: usize,
    /// Its marks that are still to come: bit 0 is its first byte.
    bits: u32,
}

impl<'a> Marks<'a> {
    /// The marks of a text.
    pub fn new(text: &'a [u8], delimiter: u8) -> Self {
        Self {
            text,
            delimiter,
            block: 0,
            bits: marks_at(text, 0, delimiter),
        }
    }

    /// Passes over what stands before `position`, which is behind the last mark; not at the end.
    pub fn skip_to(&mut self, position: usize) {
        if position < self.block + BLOCK {
            self.bits &= u32::MAX << (position - self.block);
        } else {
            self.block = position;
            self.bits = marks_at(self.text, position, self.delimiter);
        }
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            if self.block + BLOCK >= self.text.len() {
                return None;
            }
            self.block += BLOCK;
            self.bits = marks_at(self.text, self.block, self.delimiter);
        }
        let mark = self.block + self.bits.trailing_zeros() as usize;
        self.bits &= self.bits - 1;
        Some(mark)
    }
}

#[inline]
fn marks_at(text: &[u8], start: usize, delimiter: u8) -> u32 {
    let rest = text.get(start..).unwrap_or_default();
    match rest.first_chunk() {
        Some(block) => marks(block, delimiter),
        None => {
            let mut block = [0; BLOCK];
            block[..rest.len()].copy_from_slice(rest);
            marks(&block, delimiter) & !(u32::MAX << rest.len())
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn marks(block: &[u8; BLOCK], delimiter: u8) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    // SAFETY: the instructions are those of SSE2, which every x86_64 processor has.
    let half = |bytes: &[u8]| unsafe {
        let word = |at: usize| i64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let bytes = _mm_set_epi64x(word(8), word(0));
        let is = |byte: u8| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8));
        let line_end = _mm_or_si128(is(b'\n'), is(b'\r'));
        _mm_movemask_epi8(_mm_or_si128(line_end, is(delimiter))) as u32
    };
    half(&block[..16]) | half(&block[16..]) << 16
}

#[cfg(not(target_arch = "x86_64"))]
fn marks(block: &[u8; BLOCK], delimiter: u8) -> u32 {
    let bits = block.iter().enumerate().map(|(at, byte)| {
        let mark = matches!(byte, b'\n' | b'\r') || *byte == delimiter;
        u32::from(mark) << at
    });
    bits.fold(0, |all, bit| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let byte =
            prop_oneof![6 => any::<u8>(), 1 => Just(b','), 1 => Just(b'\n'), 1 => Just(b'\r')];
        prop::collection::vec(byte, 0..200)
    }

    fn first_mark(text: &[u8], from: usize) -> Option<usize> {
        (from..text.len()).find(|at| matches!(text[*at], b',' | b'\n' | b'\r'))
    }

    proptest! {
        #[test]
        fn every_mark_is_found(
            text in text(), skips in prop::collection::vec(0..60usize, 0..8),
        ) {
            let mut marks = Marks::new(&text, b',');
            let mut position = 0;
            for skip in skips {
                if skip < 30 {
                    position += skip;
                    marks.skip_to(position);
                }
                let expected = first_mark(&text, position);
                prop_assert_eq!(marks.next(), expected);
                let Some(mark) = expected else { break };
                position = mark + 1;
            }
        }
    }

    #[test]
    fn a_delimiter_of_zero_is_no_mark_beyond_the_end() {
        assert_eq!(Marks::new(b"a\0b", 0).collect::<Vec<_>>(), [1]);
    }
}
