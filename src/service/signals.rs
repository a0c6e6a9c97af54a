//! Signals, as what they ask for.

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio::signal::unix::{self, SignalKind};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: end in order.
    Stop,
    /// SIGUSR1.
    Pause,
    /// SIGUSR2.
    Resume,
}

/// The signals of this process, caught from now on.
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    user1: unix::Signal,
    user2: unix::Signal,
}

impl Signals {
    /// Catches them; inside a runtime.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn catch() -> Result<Signals> {
        let catch = |kind| {
            unix::signal(kind).map_err(|error| {
                Error::new(
                    ErrorKind::Transient,
                    format!("signals can't be caught: {error}"),
                )
            })
        };
        Ok(Signals {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            user1: catch(SignalKind::user_defined1())?,
            user2: catch(SignalKind::user_defined2())?,
        })
    }

    /// Resolves once one asks for the end.
    pub async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.user1.recv() => Signal::Pause,
            _ = self.user2.recv() => Signal::Resume,
        }
    }
}
