//! A dialect out of one byte, so that a corpus can be read and written by hand.

use ingestd::plan::Dialect;

/// The dialect of a byte: each bit or pair of bits is one of its properties.
pub fn dialect(byte: u8) -> Dialect {
    let delimiter: &[u8] = match byte & 3 {
        0 | 1 => b",",
        2 => b"||",
        _ => "→".as_bytes(),
    };
    let quote = (byte & 4 == 0).then_some(b'"');
    Dialect {
        delimiter: delimiter.to_vec(),
        quote,
        escape: quote.and((byte & 8 != 0).then_some(b'\\')),
        comment: (byte & 16 != 0).then_some(b'#'),
        trim: byte & 32 != 0,
        max_record: if byte & 64 == 0 { 90 } else { 12 },
        ..Dialect::default()
    }
}
