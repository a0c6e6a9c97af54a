//! The supervision tree of `ingestd`: the model, the ports, and one actor a file.
//!
//! This crate knows no CSV, no SQL and no HTTP: what it needs from the outside are the traits in
//! [`port`]. Its tests run on ports in memory, without a database.
//!
//! # The tree
//!
//! ```text
//! service supervisor
//! ├── companion                  the private server, where no database is configured
//! ├── control                    commands, whichever way they come, and what was done about them
//! └── pipeline supervisor        one a pipeline; its children restart together, from the ledger
//!     ├── directory watcher      events are hints, a scan is the truth
//!     ├── file reader            admits, opens and reads files, one after the other
//!     ├── batch accumulator      rows to batches by partition; holds the reader back
//!     ├── writer supervisor      owns the batches that are not acknowledged
//!     │   └── partition writer   one a partition, with a connection of its own
//!     ├── dead letters           records that could not be decoded; the count of filtered ones
//!     ├── checkpointer           watermark, commit, archive
//!     ├── index builder          what a first load has put off
//!     └── sweeper                what is due by time; restarts alone
//! ```
//!
//! Data flows one way, by messages that are answered: reader → accumulator → writers and dead
//! letters; their answers, and only those, move the checkpointer. An actor holds recipients; only a
//! supervisor holds its child's address.
//!
//! # Exactly once
//!
//! One rule carries it: *a batch's rows and its checkpoint commit in one transaction of the target
//! database, and the checkpoint moves first.*
//!
//! - **The fence.** A batch holds, for each of its files, the position where the lane's checkpoint
//!   stands and the one where it will stand. The transaction begins by moving it from the one to
//!   the other, for the newest claim (epoch) only. Where it does not stand there, nothing is
//!   written: above, an earlier try has committed, and its rows are trimmed; below or gone, or
//!   under another epoch, this life has lost the file and starts again from the ledger. COMMIT is
//!   sent only after every other reply was a success, so a lost connection leaves either nothing or
//!   a COMMIT whose outcome the checkpoint tells, read under its row lock.
//! - **One key, one lane.** Rows of one key go through one lane, and a lane is written in order,
//!   one batch at a time; so what a lane has committed is always a prefix of what it was given.
//! - **The start of a position** is where the ledger stood when the file was claimed, or what a
//!   batch of this life was seen to commit; it is never counted ([`flow::LaneQueue`]).
//! - **Resuming.** Reading goes on at the lowest checkpoint, or at the watermark where that is
//!   higher: it passes lanes that had nothing outstanding ([`flow::FileTracker`]). What a lane's
//!   checkpoint covers is discarded as it comes again.
//! - **Restarts.** Reader, accumulator, dead letters and checkpointer hold nothing that the ledger
//!   does not know or the file does not hold: they restart together, and claim their files anew.
//!   The new epoch fences what the old generation had in flight. A writer restarts alone: its
//!   supervisor owns the batches until they are acknowledged, and hands them out again in order.
//! - **Several services.** Where the order of files matters, one life at a time holds a pipeline; else
//!   each file is in the hands of one. Whoever takes a file over raises its epoch: one that was only
//!   thought dead finds its batches fenced, and begins anew.
//! - **Rejects** are a lane like the others: the transaction that stores dead letters moves the
//!   rejects' checkpoint. It counts the records that a filter left out, too: their chunk holds the
//!   watermark until they are counted, so that after a crash each comes again either with a number
//!   that the checkpoint covers, or to be counted. Counts alone wait for each other
//!   ([`flow::Patience`]).
//! - **Giving up.** A file that is over its error budget ([`flow::Budget`]) is read no further, what
//!   waits of it is dropped, and what is in flight is waited for; then the ledger makes it QUARANTINED
//!   under a new epoch. Until then nothing but its checkpoints says how far it has come: a life that
//!   ends before goes on from them, and gives it up again. The counts here only lag behind the
//!   ledger's, which judges once more as it commits a file.
//! - **All or nothing.** Where a plan asks for it, a lane's rows go into a staging table of the file,
//!   with the checkpoints as ever, and the transaction that makes the file COMMITTED moves them; so
//!   these files are committed one by one, in the order in which they were begun.
//! - **The end.** A file is COMMITTED in a transaction that adds up its lanes' counts and compares
//!   them with its records, and only then leaves the inbox.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(panic = "abort")]
compile_error!("the supervision tree needs panics to unwind: do not build with panic = \"abort\"");

mod answer;
pub mod archiver;
pub mod batch_accumulator;
pub mod checkpointer;
pub mod companion;
pub mod control;
pub mod dead_letters;
pub mod directory_watcher;
pub mod error;
pub mod failpoint;
pub mod file_reader;
pub mod flow;
pub mod index_builder;
pub mod model;
pub mod partition_writer;
pub mod pipeline_supervisor;
pub mod policy;
pub mod port;
mod retry;
pub mod service_supervisor;
pub mod supervision;
pub mod sweeper;
#[cfg(feature = "testing")]
pub mod testing;
pub mod writer_supervisor;
