//! Does what is due by time, beside everything else: it waits for nobody, and nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::error::{Error, Result};
use crate::failpoint::{Step, pass};
use crate::port::{Observer, Sweep, Swept};
use crate::retry::Retry;
use crate::supervision::Lifeline;

/// The longest sleep: clocks are set, and what is due may be another by then.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The shortest: what is due at every moment is done in groups.
const SHORTEST: Duration = Duration::from_millis(200);

/// What the sweeper needs.
#[derive(Clone)]
pub struct Deps {
    /// What is due, and how it is done.
    pub sweep: Arc<dyn Sweep>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor.
pub struct Sweeper {
    deps: Deps,
    lifeline: Lifeline,
}

impl Sweeper {
    /// A sweeper that begins when it is started.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self { deps, lifeline }
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let sweeping = sweep_for_ever(self.deps.clone()).into_actor(self);
        context.spawn(sweeping.map(|error, actor, context| actor.lifeline.fail(error, context)));
    }
}

/// Sweeps until something goes wrong that a wait does not heal.
async fn sweep_for_ever(deps: Deps) -> Error {
    let mut retry = Retry::new("sweeper", Arc::clone(&deps.observer), deps.log.clone());
    loop {
        match sweep_all(&deps).await {
            Ok((pause, None)) => {
                retry.succeeded();
                tokio::time::sleep(pause).await;
            }
            Ok((_, Some(error))) | Err(error) => {
                if let Err(error) = retry.wait_out(error).await {
                    return error;
                }
            }
        }
    }
}

/// Sweeps all that is due now; how long nothing more is, and what could not be done.
async fn sweep_all(deps: &Deps) -> Result<(Duration, Option<Error>)> {
    let mut trouble = None;
    loop {
        pass(Step::SweeperRound).await?;
        let mut swept = deps.sweep.sweep().await?;
        // The first is as good as any other: what is told is that there is some.
        trouble = trouble.or(swept.trouble.take());
        if !swept.more {
            return Ok((pause(&swept), trouble));
        }
    }
}

/// PURE: how long to sleep.
fn pause(swept: &Swept) -> Duration {
    swept.next.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_as_long_as_nothing_is_due_within_bounds() {
        let after = |next| {
            pause(&Swept {
                more: false,
                next,
                trouble: None,
            })
        };
        assert_eq!(after(None), LONGEST);
        assert_eq!(after(Some(Duration::ZERO)), SHORTEST);
        assert_eq!(after(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(after(Some(Duration::from_secs(1 << 30))), LONGEST);
    }
}
