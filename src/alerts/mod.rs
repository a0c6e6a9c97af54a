//! Alerts in the service itself: rules are read every few seconds, and what changes is told once.
//!
//! Deciding is pure ([`rule`], [`tally`], [`words`]). [`look`] reads the ledger over a connection of its
//! own, [`disks`] asks the file systems, [`book`] keeps what fires in the ledger, and [`sink`] tells of
//! it. The task that ties them together is [`Alerts`]: nothing of it stands in the way of the loading.

pub mod book;
pub mod disks;
pub mod look;
pub mod notice;
mod plan;
pub mod rule;
pub mod sink;
mod standing;
pub mod tally;
mod watch;
pub mod words;

pub use notice::{Alert, Notice, Status};
pub use watch::Alerts;
