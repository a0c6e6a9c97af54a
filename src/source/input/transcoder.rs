//! From any encoding to UTF-8.

use std::ops::Range;

use encoding_rs::{Decoder, DecoderResult, Encoding};

/// Stands in the text for a malformed sequence. No UTF-8 has this byte, so that the check of the
/// records finds those that hold one; a U+FFFD that is in the file itself is text like any other.
pub const MALFORMED: u8 = 0xFF;

/// More than any step of any encoding writes.
const STEP: usize = 16;

/// Turns bytes into UTF-8, with [`MALFORMED`] for what is none of the encoding's.
pub struct Transcoder {
    decoder: Decoder,
    /// Text for which there was no room.
    spill: [u8; STEP],
    spilled: Range<usize>,
    finished: bool,
}

impl Transcoder {
    /// At the start of the text. A byte order mark becomes one of UTF-8.
    pub fn new(encoding: &'static Encoding) -> Transcoder {
        Transcoder {
            decoder: encoding.new_decoder_without_bom_handling(),
            spill: [0; STEP],
            spilled: 0..0,
            finished: false,
        }
    }

    /// Turns bytes into text until the bytes are used up, or the text is full: how many were used,
    /// and how many written. With `last`, nothing comes after `bytes`.
    pub fn decode(&mut self, bytes: &[u8], text: &mut [u8], last: bool) -> (usize, usize) {
        let (mut used, mut written) = (0, 0);
        loop {
            written += self.take_spilled(&mut text[written..]);
            if written == text.len() || self.finished {
                return (used, written);
            }
            let room = &mut text[written..];
            let rest = &bytes[used..];
            let all_used = if room.len() < STEP {
                let step = step(&mut self.decoder, rest, &mut self.spill, last);
                self.spilled = 0..step.written;
                used += step.used;
                step.all_used
            } else {
                let step = step(&mut self.decoder, rest, room, last);
                written += step.written;
                used += step.used;
                step.all_used
            };
            self.finished = all_used && last;
            if all_used && self.spilled.is_empty() {
                return (used, written);
            }
        }
    }

    fn take_spilled(&mut self, text: &mut [u8]) -> usize {
        let taken = self.spilled.len().min(text.len());
        let end = self.spilled.start + taken;
        text[..taken].copy_from_slice(&self.spill[self.spilled.start..end]);
        self.spilled.start = end;
        taken
    }
}

struct Step {
    used: usize,
    written: usize,
    all_used: bool,
}

fn step(decoder: &mut Decoder, bytes: &[u8], text: &mut [u8], last: bool) -> Step {
    // One byte is kept for the mark of a malformed sequence.
    let most = text.len() - 1;
    let (result, used, mut written) =
        decoder.decode_to_utf8_without_replacement(bytes, &mut text[..most], last);
    if let DecoderResult::Malformed(..) = result {
        text[written] = MALFORMED;
        written += 1;
    }
    Step {
        used,
        written,
        all_used: result == DecoderResult::InputEmpty,
    }
}
