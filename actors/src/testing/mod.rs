//! A whole outside in memory: an inbox, a ledger, a table, an archive, around one [`World`].
//!
//! Every call of a port is a [`Step`] that a test can make fail, panic, hang, wait or lose its
//! answer. The world keeps the rules that the real adapters keep (the fence, one transaction for
//! rows and checkpoint) and notes every violation of what the tree promises.

mod control;
mod fault;
mod files;
mod inbox;
mod indexes;
mod ledger;
mod life;
mod sink;
mod source;
mod sweep;
mod world;

pub use fault::{Fault, Hold, Step};
pub use files::{TestFile, TestRecord};
pub use life::{Life, Setting};
pub use world::{FileEntry, State, World};
