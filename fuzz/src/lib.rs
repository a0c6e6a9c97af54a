//! What the fuzz targets share: a dialect out of a byte, a reader of records, and a decoder of
//! PostgreSQL's binary values that knows nothing of the encoders.

pub mod binary;
pub mod dialects;
pub mod records;
