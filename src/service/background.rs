//! What runs beside the tree of actors, looked after as a child of it is: whatever it fails of, it is
//! logged, counted, and started anew after a pause that grows. None of it loads anything, so that none
//! of it ends the service.

use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use ingestd_actors::supervision::{Decision, ExitReason, Pulse, RestartPolicy, Restarts};
use slog::Logger;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use crate::metrics::Metrics;

/// Looks after the parts of a service. Clones are the same.
#[derive(Clone)]
pub struct Background {
    metrics: Option<Metrics>,
    stuck_after: Duration,
    log: Logger,
}

/// A part that is looked after, until this is dropped.
pub struct Kept(AbortOnDropHandle<()>);

impl Kept {
    /// Waits for its orderly end.
    pub async fn ended(self) {
        // The one who looks after it does not panic.
        let _ = self.0.await;
    }

    /// Lets it go on until it ends by itself.
    pub fn let_go(self) {
        drop(self.0.detach());
    }
}

impl Background {
    /// Looks after parts; one that works on something for longer than this hangs.
    pub fn new(metrics: Option<Metrics>, stuck_after: Duration, log: &Logger) -> Background {
        Background {
            metrics,
            stuck_after,
            log: log.clone(),
        }
    }

    /// Runs a part on this runtime, one life after the other, until one of them ends well. While its
    /// pulse says that it works, it is watched; while it waits, it may take its time.
    pub fn keep<F>(
        &self,
        runtime: &Handle,
        name: &'static str,
        mut life: impl FnMut(Pulse) -> F + Send + 'static,
    ) -> Kept
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        if let Some(metrics) = &self.metrics {
            metrics.add_service_child(name);
        }
        let (own, on) = (self.clone(), runtime.clone());
        let policy = RestartPolicy {
            maximum: usize::MAX,
            ..RestartPolicy::default()
        };
        let mut restarts = Restarts::new(policy);
        let looking_after = async move {
            loop {
                let pulse = Pulse::default();
                let Some(reason) = own.live(&on, name, life(pulse.clone()), &pulse).await else {
                    return;
                };
                let pause = match restarts.decide(Instant::now(), rand::random()) {
                    Decision::RestartAfter(pause) => pause,
                    Decision::Escalate => policy.backoff.maximum,
                };
                slog::error!(own.log, "part of the service restarts";
                    "part" => name, "reason" => %reason, "after_ms" => pause.as_millis() as u64);
                if let Some(metrics) = &own.metrics {
                    metrics.service_child_restarts(name);
                }
                tokio::time::sleep(pause).await;
            }
        };
        Kept(AbortOnDropHandle::new(runtime.spawn(looking_after)))
    }

    /// One life; `None` where it has ended well.
    async fn live(
        &self,
        runtime: &Handle,
        name: &'static str,
        life: impl Future<Output = Result<()>> + Send + 'static,
        pulse: &Pulse,
    ) -> Option<ExitReason> {
        let mut task = AbortOnDropHandle::new(runtime.spawn(life));
        tokio::select! {
            ended = &mut task => match ended {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(ExitReason::Failed(error)),
                Err(error) => Some(ExitReason::of(Err(error), None)),
            },
            () = stuck(pulse, self.stuck_after) => {
                slog::error!(self.log, "part of the service makes no progress: ending it";
                    "part" => name, "stuck_after_s" => self.stuck_after.as_secs_f64());
                Some(ExitReason::Aborted)
            }
        }
    }
}

/// Resolves once a step takes too long.
async fn stuck(pulse: &Pulse, limit: Duration) {
    while !pulse.is_stuck(limit) {
        tokio::time::sleep((limit / 4).max(Duration::from_millis(1))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ingestd_actors::error::{Error, ErrorKind};

    use super::*;

    fn background(metrics: &Metrics) -> Background {
        let log = Logger::root(slog::Discard, slog::o!());
        Background::new(Some(metrics.clone()), Duration::from_millis(50), &log)
    }

    #[tokio::test]
    async fn whatever_a_part_fails_of_it_is_counted_and_lives_again() {
        let metrics = Metrics::new().expect("metrics");
        let lives = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lives);
        let kept = background(&metrics).keep(&Handle::current(), "alerts", move |pulse| {
            let life = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match life {
                    0 => panic!("in its first life"),
                    1 => Err(Error::new(ErrorKind::Bug, "in its second")),
                    2 => {
                        pulse.working();
                        std::future::pending().await
                    }
                    _ => Ok(()),
                }
            }
        });
        let ended = tokio::time::timeout(Duration::from_secs(20), kept.ended()).await;
        ended.expect("its end");
        assert_eq!(lives.load(Ordering::SeqCst), 4);
        let tree = metrics.service_children();
        let alerts = tree.iter().find(|child| child.child == "alerts");
        assert_eq!(alerts.expect("in the tree").restarts, 3);
        let text = metrics.encode();
        let counter = "ingestd_restarts_total{child=\"alerts\",pipeline=\"\"} 3";
        assert!(text.contains(counter), "{text}");
    }

    #[tokio::test]
    async fn one_that_waits_does_not_hang_and_ends_with_whoever_holds_it() {
        let metrics = Metrics::new().expect("metrics");
        let alive = Arc::new(());
        let inside = Arc::clone(&alive);
        let kept = background(&metrics).keep(&Handle::current(), "rates", move |pulse| {
            let inside = Arc::clone(&inside);
            async move {
                let _inside = inside;
                pulse.working();
                pulse.waiting();
                std::future::pending().await
            }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let tree = metrics.service_children();
        assert!(tree.iter().all(|child| child.restarts == 0), "{tree:?}");
        drop(kept);
        let gone = async {
            while Arc::strong_count(&alive) > 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(5), gone).await;
        gone.expect("it has ended");
    }
}
