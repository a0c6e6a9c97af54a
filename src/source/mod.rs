//! From a file to the rows of its partitions: the CSV scanner and the encoders, joined.
//!
//! [`CsvSource`] opens a claimed file where reading goes on, and streams its chunks. What is compressed
//! or in another encoding becomes UTF-8 text first (`input`); everything else knows text alone.
//! [`Decoder::decode`] turns a buffer into encoded rows and dead letters. Records with a value that
//! no encoder recognises stay [`Pending`]: the caller asks the server what [`Pending::questions`]
//! lists, and [`Decoder::complete`] puts the answers in.

mod ahead;
mod column_encoder;
mod decoder;
mod filters;
mod input;
mod look;
mod marker;
mod one_by_one;
mod open;
mod origin;
mod partitions;
mod pending;
mod reject;
mod row_encoder;
mod rule;
mod stream;
#[cfg(test)]
mod tests;
mod text;
mod width;
mod zones;

pub use decoder::{Decoded, Decoder};
pub use look::{Eyes, Looking};
pub use one_by_one::{Fate, GivenRecord, OneByOne};
pub use open::{CsvSource, read_file_header};
pub use origin::Origin;
pub use pending::Pending;
