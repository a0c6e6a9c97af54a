//! What passes is waited for: a server that restarts, a lock, a deadlock.

use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::supervision::Backoff;

/// How often something is tried that meets what passes: for up to 20 s in all.
const TRIES: u32 = 10;
const BACKOFF: Backoff = Backoff {
    initial: Duration::from_millis(20),
    maximum: Duration::from_secs(10),
};

/// How often it was tried.
#[derive(Default)]
pub struct Patience {
    failures: u32,
}

impl Patience {
    /// Waits for what passes.
    ///
    /// # Errors
    /// The same one, where it does not pass, or has been waited for too often.
    pub async fn wait_out(&mut self, error: Error) -> Result<()> {
        let delay = BACKOFF.delay(self.failures, rand::random());
        self.failures += 1;
        if !passes(&error) || self.failures == TRIES {
            return Err(error);
        }
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// Whether it may be gone after a while.
pub fn passes(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transient | ErrorKind::Unknown)
}
