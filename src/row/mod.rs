//! PURE: from a field's text to the bytes of PostgreSQL's binary `COPY` format.
//!
//! A field is a 32-bit length and that many bytes; NULL is the length -1. What an encoder accepts
//! means exactly what the server's input function would make of it. What it does not recognise is
//! not wrong: the server is asked, and only the server refuses.
//!
//! The checks and the key's image work on those bytes, so that they are the same for a value that
//! the server encoded.

mod boolean;
mod bounds;
mod bpchar;
mod broken;
mod bytea;
mod clock;
mod date;
mod digits;
mod epoch;
mod float;
mod hex;
mod integer;
mod json;
mod key;
mod notation;
mod nulls;
mod number_format;
mod numeric;
mod order;
mod pattern;
mod question;
mod space;
mod text;
mod time;
mod time_format;
mod timestamp;
mod transform;
mod uuid;
mod zone;

pub use bounds::{BoundError, Bounds, OutOfBounds};
pub use broken::Broken;
pub use key::append_key_part;
pub use nulls::Nulls;
pub use number_format::NumberFormat;
pub use order::compare;
pub use pattern::Pattern;
pub use question::{Answers, Question, Refusal};
pub use space::trim;
pub use text::first_characters;
pub use time_format::TimeFormat;
pub use transform::Transform;
pub use zone::{UnknownZone, Zone, zone, zone_names};

use crate::plan::ValueType;

/// What an encoder says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The field has been appended.
    Encoded,
    /// Nothing has been appended: the server is to be asked.
    Unrecognised,
}

/// Appends the binary field for `text`, which is valid UTF-8 without a NUL, to `out`.
pub fn encode(value_type: ValueType, text: &[u8], out: &mut Vec<u8>) -> Verdict {
    match value_type {
        ValueType::Int2 => integer::encode_int2(text, out),
        ValueType::Int4 => integer::encode_int4(text, out),
        ValueType::Int8 => integer::encode_int8(text, out),
        ValueType::Float4 => float::encode_float4(text, out),
        ValueType::Float8 => float::encode_float8(text, out),
        ValueType::Numeric => numeric::encode(text, out),
        ValueType::Bool => boolean::encode(text, out),
        ValueType::Text | ValueType::Bpchar => text::encode(text, out),
        ValueType::Uuid => uuid::encode(text, out),
        ValueType::Date => date::encode(text, out),
        ValueType::Timestamp => timestamp::encode_timestamp(text, out),
        ValueType::Timestamptz => timestamp::encode_timestamptz(text, out),
        ValueType::Time => time::encode(text, out),
        ValueType::Json => json::encode_json(text, out),
        ValueType::Jsonb => json::encode_jsonb(text, out),
        ValueType::Bytea => bytea::encode(text, out),
        // The labels of an enumeration are its column's: whoever has that looks among them.
        ValueType::Enum | ValueType::Other => Verdict::Unrecognised,
    }
}

/// Appends a NULL to `out`.
#[inline]
pub fn append_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1i32).to_be_bytes());
}

/// Appends a field of these bytes to `out`.
#[inline]
pub fn append_field(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Whether `bytes`, which the server has sent, can be a binary value of the type.
pub fn is_well_formed(value_type: ValueType, bytes: &[u8]) -> bool {
    match value_type {
        ValueType::Bool => bytes.len() == 1,
        ValueType::Int2 => bytes.len() == 2,
        ValueType::Int4 | ValueType::Float4 | ValueType::Date => bytes.len() == 4,
        ValueType::Int8
        | ValueType::Float8
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::Timestamptz => bytes.len() == 8,
        ValueType::Uuid => bytes.len() == 16,
        ValueType::Numeric => numeric::is_well_formed(bytes),
        ValueType::Jsonb => bytes.first() == Some(&json::JSONB_VERSION),
        ValueType::Text
        | ValueType::Bpchar
        | ValueType::Json
        | ValueType::Bytea
        | ValueType::Enum
        | ValueType::Other => true,
    }
}

/// The value's bytes where `encode` recognises `text`, for tests.
#[cfg(test)]
fn encoded(value_type: ValueType, text: &str) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    match encode(value_type, text.as_bytes(), &mut out) {
        Verdict::Unrecognised => {
            assert_eq!(out, b"before", "nothing is appended for {text:?}");
            None
        }
        Verdict::Encoded => {
            let length = u32::from_be_bytes(out[6..10].try_into().expect("four bytes"));
            assert_eq!(length as usize, out.len() - 10, "the length of {text:?}");
            assert!(is_well_formed(value_type, &out[10..]));
            Some(out.split_off(10))
        }
    }
}
