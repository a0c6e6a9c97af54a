//! What can be wrong with a file before there is any text.

use std::io;

use ingestd_actors::error::{Error, ErrorKind};

use crate::fs::file_error;

/// What is wrong; offsets are those of the file's own bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file ends within a member or frame.
    #[error(
        "its {format} data end in the middle, at byte {at}: it was cut short; send all of it again"
    )]
    CutShort {
        /// The format's name.
        format: &'static str,
        /// Where.
        at: u64,
    },
    /// The data contradict themselves, or a checksum.
    #[error("its {format} data are damaged before byte {at} ({why}); send it again")]
    Damaged {
        /// The format's name.
        format: &'static str,
        /// How far it was read.
        at: u64,
        /// What the decoder says.
        why: String,
    },
    /// The data refer back further than memory is given for.
    #[error(
        "its zstd data need more than the 128 MiB that are given for them; compress it without --long"
    )]
    Window,
    /// Something follows the last member or frame.
    #[error("from byte {at} on, after its {format} data, it holds something else")]
    Trailing {
        /// The format's name.
        format: &'static str,
        /// Where.
        at: u64,
    },
    /// The data give more text than is allowed.
    #[error(
        "its first {compressed} bytes of {format} data give {text} bytes of text, more than {max_ratio} for each; \
         where that is meant to be, raise max_ratio"
    )]
    Ratio {
        /// The format's name.
        format: &'static str,
        /// What was read of the file.
        compressed: u64,
        /// What came out of that.
        text: u64,
        /// What is allowed.
        max_ratio: u64,
    },
    /// A format that is not read.
    #[error("it is {0}, which is not read; unpack it, or compress it with gzip or zstd")]
    Foreign(&'static str),
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, fault)
    }
}

/// What an error means that came while text was read; `doing` says what was being done.
pub fn input_error(error: io::Error, doing: &str) -> Error {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref());
    match fault {
        Some(fault) => Error::new(ErrorKind::File, Fault::to_string(fault)),
        None => file_error(error, doing),
    }
}
