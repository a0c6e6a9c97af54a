//! PURE: what the tree does about an error, by its kind alone.

use std::time::Duration;

use crate::error::ErrorKind;
use crate::supervision::Backoff;

/// What to do about an error of a port.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    /// Try the same again, for as long as it takes.
    Retry(Backoff),
    /// The file is at fault: it is ended, and the others go on.
    RejectFile,
    /// This life can't go on: end, and let the supervisor start the next from the ledger.
    Escalate,
}

/// The policy for errors of a kind.
///
/// An outage is retried quickly at first; what an operator has to heal is looked at again slowly,
/// so that a GRANT heals it. `Row` and `TooBig` are dealt with by the sink: one that comes out of
/// it is a fault of the program.
pub fn policy(kind: ErrorKind) -> Policy {
    match kind {
        ErrorKind::Transient | ErrorKind::Unknown => Policy::Retry(Backoff {
            initial: Duration::from_millis(50),
            maximum: Duration::from_secs(5),
        }),
        ErrorKind::Configuration => Policy::Retry(Backoff {
            initial: Duration::from_secs(2),
            maximum: Duration::from_secs(30),
        }),
        ErrorKind::File | ErrorKind::Replaced => Policy::RejectFile,
        ErrorKind::Fenced | ErrorKind::Row | ErrorKind::TooBig | ErrorKind::Bug => Policy::Escalate,
    }
}
