//! The words of the tree as plain data: files, positions, rows, batches, dead letters.
//!
//! Nothing here does I/O or knows an actor.

mod batch;
mod chunk;
mod dead_letter;
mod file;
mod filtered;
mod order;
mod over_budget;
mod position;
mod rows;

pub use batch::{
    Batch, Counts, RejectBatch, RejectShare, Share, ShareOutcome, StageTimes, Written,
};
pub use chunk::{Chunk, FileEnd, HashMark, Read};
pub use dead_letter::{DeadLetter, Reason, by_reason};
pub use file::{Candidate, Checkpoint, Claim, Ends, Epoch, FileId, FileState, Plan};
pub use filtered::Filtered;
pub use order::{Order, Report, Wanted};
pub use over_budget::OverBudget;
pub use position::{Lane, Position};
pub use rows::{Place, RowRef, Rows};
