//! Trying again: what the children that talk to the outside have in common.

use std::sync::Arc;

use rand::RngExt;

use crate::error::{Error, Result};
use crate::policy::{Policy, policy};
use crate::port::{Event, Observer};
use crate::supervision::Backoff;

/// Counts the failures of one child in a row, and tells the observer when they begin and end.
pub struct Retry {
    child: String,
    observer: Arc<dyn Observer>,
    log: slog::Logger,
    failures: u32,
}

impl Retry {
    /// For the child of this name.
    pub fn new(child: impl Into<String>, observer: Arc<dyn Observer>, log: slog::Logger) -> Self {
        Self {
            child: child.into(),
            observer,
            log,
            failures: 0,
        }
    }

    /// Something went right.
    pub fn succeeded(&mut self) {
        if self.failures == 0 {
            return;
        }
        self.failures = 0;
        slog::info!(self.log, "going on"; "child" => &self.child);
        self.observer.observe(&Event::Recovered {
            child: self.child.clone(),
        });
    }

    /// Waits out an error that passes by itself or by an operator's hand; returns any other.
    pub async fn wait_out(&mut self, error: Error) -> Result<()> {
        let Policy::Retry(backoff) = policy(error.kind()) else {
            return Err(error);
        };
        let delay = self.note(&error, backoff);
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn note(&mut self, error: &Error, backoff: Backoff) -> std::time::Duration {
        let delay = backoff.delay(self.failures, rand::rng().random::<f64>());
        self.failures = self.failures.saturating_add(1);
        slog::warn!(self.log, "waiting to try again";
            "child" => &self.child, "failures" => self.failures, "retry_ms" => delay.as_millis() as u64,
            "reason" => %error, "source" => source_of(error));
        self.observer.observe(&Event::Degraded {
            child: self.child.clone(),
            kind: error.kind(),
            reason: error.to_string(),
        });
        delay
    }
}

impl Drop for Retry {
    /// Whoever dies while it is degraded has a successor that knows nothing of it, and says so
    /// itself where the outage goes on.
    fn drop(&mut self) {
        if self.failures > 0 && !std::thread::panicking() {
            self.observer.observe(&Event::Recovered {
                child: self.child.clone(),
            });
        }
    }
}

/// The chain of causes below an error, for a log.
fn source_of(error: &Error) -> String {
    let mut chain = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    chain.join(": ")
}
