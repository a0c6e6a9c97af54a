//! Any text as a value of any type: what the encoder accepts is read back by a decoder of its own to a
//! value that means what the text says, and whose text is encoded to the same bytes again. The first byte
//! is the type.

#![no_main]

use ingestd::plan::ValueType;
use ingestd::row::{Verdict, encode, is_well_formed};
use ingestd_fuzz::binary::{decode, means};
use libfuzzer_sys::fuzz_target;

const TYPES: [ValueType; 16] = [
    ValueType::Int2,
    ValueType::Int4,
    ValueType::Int8,
    ValueType::Float4,
    ValueType::Float8,
    ValueType::Numeric,
    ValueType::Bool,
    ValueType::Text,
    ValueType::Uuid,
    ValueType::Date,
    ValueType::Timestamp,
    ValueType::Timestamptz,
    ValueType::Time,
    ValueType::Json,
    ValueType::Jsonb,
    ValueType::Bytea,
];

fuzz_target!(|data: &[u8]| {
    let Some((&kind, text)) = data.split_first() else {
        return;
    };
    let value_type = TYPES[usize::from(kind) % TYPES.len()];
    if std::str::from_utf8(text).is_err() || text.contains(&0) {
        return;
    }
    let Some(bytes) = encoded(value_type, text) else {
        return;
    };
    assert!(
        is_well_formed(value_type, &bytes),
        "{value_type:?} {bytes:?}"
    );
    let written = decode(value_type, &bytes);
    let again = encoded(value_type, written.as_bytes());
    assert_eq!(again.as_ref(), Some(&bytes), "{value_type:?} {written:?}");
    let text = std::str::from_utf8(text).expect("looked at above");
    assert!(
        means(value_type, text, &bytes),
        "{value_type:?} {text:?} became {written:?}"
    );
});

/// The value's bytes, without the length before them.
fn encoded(value_type: ValueType, text: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    match encode(value_type, text, &mut out) {
        Verdict::Unrecognised => {
            assert_eq!(
                out, b"before",
                "nothing is appended for what is not recognised"
            );
            None
        }
        Verdict::Encoded => {
            let (length, value) = out["before".len()..]
                .split_first_chunk::<4>()
                .expect("a length");
            assert_eq!(u32::from_be_bytes(*length) as usize, value.len());
            Some(value.to_vec())
        }
    }
}
