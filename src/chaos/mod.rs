//! A service under faults, and the comparison with a known answer.
//!
//! | file | what it is |
//! |---|---|
//! | `fault`, `sequence` | pure: which faults there are, and which comes when |
//! | `wave` | pure: files that are dropped together, and what has to come of them |
//! | `judge`, `tally` | pure: what differs, and what came of each fault |
//! | `config` | pure: how the service under test is configured |
//! | `places`, `process`, `server` | the scratch directory, the service, the database |
//! | `watcher` | how far the ledger has come |
//! | `strikes` | the faults as they are injected |
//! | `trial`, `run` | waves of files while faults strike, and the comparison of each |
//! | `report`, `soak`, `figures` | lines of progress; what a long run costs, and whether that is flat (`soak` is pure) |
//! | `compare` | table, dead letters, ledger and archive beside the known answer |

mod compare;
mod config;
mod fault;
mod figures;
mod judge;
mod places;
mod process;
mod report;
mod run;
mod sequence;
mod server;
mod soak;
mod strikes;
mod tally;
mod trial;
mod watcher;
mod wave;

pub use fault::{Choice, Fault};
pub use judge::Differences;
pub use run::{Orders, Outcome, run};
pub use server::drop_all;
pub use soak::{Judged, LEAST, judge};
pub use tally::HEADING;
pub use trial::Interrupts;
