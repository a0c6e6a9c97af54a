//! How a child's life ended.

use std::any::Any;
use std::fmt;

use actix::Message;
use tokio::task::JoinError;

use crate::error::Error;

/// Why a child ended.
#[derive(Debug)]
pub enum ExitReason {
    /// It stopped by itself, or was told to.
    Stopped,
    /// It gave up with an error.
    Failed(Error),
    /// It panicked, with this message.
    Panicked(String),
    /// Its supervisor ended it because it made no progress.
    Aborted,
}

impl ExitReason {
    /// Reads the end of a task whose actor left `failure` behind.
    pub fn of(end: Result<(), JoinError>, failure: Option<Error>) -> ExitReason {
        match (end, failure) {
            (Ok(()), None) => ExitReason::Stopped,
            (Ok(()), Some(error)) => ExitReason::Failed(error),
            (Err(error), _) => match error.try_into_panic() {
                Ok(panic) => ExitReason::Panicked(panic_message(panic.as_ref())),
                Err(_) => ExitReason::Aborted,
            },
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitReason::Stopped => f.write_str("stopped"),
            ExitReason::Failed(error) => write!(f, "failed: {error}"),
            ExitReason::Panicked(message) => write!(f, "panicked: {message}"),
            ExitReason::Aborted => f.write_str("aborted: it made no progress"),
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Tells a supervisor that one generation of a child has ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ChildExited {
    /// The child's name.
    pub child: String,
    /// The generation that ended; a supervisor ignores any but the current one.
    pub generation: u64,
    /// Why.
    pub reason: ExitReason,
}
