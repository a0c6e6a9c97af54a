//! What is measured of a pipeline: figures for whoever counts, told as [`super::Event::Measured`].
//!
//! Told once for a chunk, a batch or a file, never for a record.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::error::ErrorKind;
use crate::model::{Counts, FileState, Reason};

/// One thing that was measured.
#[derive(Clone, Debug)]
pub enum Measured {
    /// A chunk was read and decoded.
    Read {
        /// How many records.
        records: u64,
        /// How many bytes of text they took.
        bytes: u64,
    },
    /// So many bytes are between the reader and the commit now.
    InFlight {
        /// The bytes.
        bytes: usize,
    },
    /// A batch of rows is durable.
    Batch {
        /// Its partition.
        partition: u16,
        /// Its rows.
        rows: u64,
        /// From its being handed to the connection to the answer to its COMMIT.
        took: Duration,
        /// How long moving its checkpoints took, which waits for the locks on them and on the table.
        fence: Duration,
    },
    /// A batch, or a group of dead letters, could not be written this time.
    Unwritten {
        /// How long the try took.
        took: Duration,
        /// The SQLSTATE or the I/O error's name, where there is one.
        code: Option<String>,
    },
    /// Dead letters are durable.
    DeadLetters {
        /// Why their records could not be loaded.
        reason: Reason,
        /// How many.
        count: u64,
    },
    /// The rows of a file that is loaded as a whole were moved into the table.
    Moved {
        /// What became of them; none is `staged` any more.
        counts: Counts,
    },
    /// A file is ready, and waits to be loaded.
    Found {
        /// Where it stands.
        path: PathBuf,
        /// Its length in bytes.
        size: u64,
    },
    /// A file that was found is not waited for any more, or was found too early: it is found again then.
    LetGo {
        /// Where it stands, or stood.
        path: PathBuf,
    },
    /// A file has come into a state.
    State(FileState),
    /// A file is COMMITTED that stands there, whole, since then.
    Arrived {
        /// When it was written to its end, or moved to its place.
        at: SystemTime,
    },
    /// Something did not go and is tried again.
    Retried {
        /// Whether it passes by itself, or somebody has to change something.
        kind: ErrorKind,
        /// The SQLSTATE or the I/O error's name, where there is one.
        code: Option<String>,
    },
    /// A child has ended and starts again; children that restart together count once.
    Restarted {
        /// The one that has ended.
        child: String,
    },
    /// Whether the pipeline is held back by a command now.
    Paused(bool),
}
