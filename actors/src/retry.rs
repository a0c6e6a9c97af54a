//! Trying again: what the children that talk to the outside have in common.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::error::{Error, Result};
use crate::policy::{Policy, policy};
use crate::port::{Event, Measured, Observer};
use crate::supervision::Backoff;

/// How often the same reason is logged, at the most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Counts the failures of one child in a row, and tells the observer when they begin and end.
pub struct Retry {
    child: String,
    observer: Arc<dyn Observer>,
    log: slog::Logger,
    failures: u32,
    /// What was logged last, and when.
    logged: Option<(String, Instant)>,
}

impl Retry {
    /// For the child of this name.
    pub fn new(child: impl Into<String>, observer: Arc<dyn Observer>, log: slog::Logger) -> Self {
        Self {
            child: child.into(),
            observer,
            log,
            failures: 0,
            logged: None,
        }
    }

    /// Something went right.
    pub fn succeeded(&mut self) {
        if self.failures == 0 {
            return;
        }
        self.failures = 0;
        self.logged = None;
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

    fn note(&mut self, error: &Error, backoff: Backoff) -> Duration {
        let delay = backoff.delay(self.failures, rand::rng().random::<f64>());
        self.failures = self.failures.saturating_add(1);
        let reason = error.to_string();
        if self.is_news(&reason) {
            slog::warn!(self.log, "waiting to try again";
                "child" => &self.child, "failures" => self.failures, "retry_ms" => delay.as_millis() as u64,
                "reason" => &reason, Source(error));
            self.logged = Some((reason.clone(), Instant::now()));
        }
        self.observer.observe(&Event::Degraded {
            child: self.child.clone(),
            kind: error.kind(),
            reason,
        });
        self.observer.observe(&Event::Measured(Measured::Retried {
            kind: error.kind(),
            code: error.code().map(str::to_owned),
        }));
        delay
    }

    /// Whether it is worth a line in the log: it is not what it was, or was said a while ago.
    fn is_news(&self, reason: &str) -> bool {
        let logged = self.logged.as_ref();
        logged.is_none_or(|(before, at)| before != reason || at.elapsed() >= LOG_EVERY)
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

/// The chain of causes below an error, where it has any, for a log.
struct Source<'a>(&'a Error);

impl slog::KV for Source<'_> {
    fn serialize(&self, _: &slog::Record, serializer: &mut dyn slog::Serializer) -> slog::Result {
        match source_of(self.0) {
            chain if chain.is_empty() => Ok(()),
            chain => serializer.emit_str("source", &chain),
        }
    }
}

fn source_of(error: &Error) -> String {
    let mut chain = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain.push(cause.to_string());
        source = cause.source();
    }
    chain.join(": ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Arguments;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use slog::{KV, Serializer};

    use super::*;
    use crate::error::ErrorKind;

    struct Nobody;

    impl Observer for Nobody {
        fn observe(&self, _: &Event) {}
    }

    /// Counts the lines.
    struct Lines(Arc<AtomicUsize>);

    impl slog::Drain for Lines {
        type Ok = ();
        type Err = slog::Never;

        fn log(
            &self,
            _: &slog::Record<'_>,
            _: &slog::OwnedKVList,
        ) -> std::result::Result<(), slog::Never> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    /// Notes the fields of a log line.
    #[derive(Default)]
    struct Fields(Vec<(String, String)>);

    impl Serializer for Fields {
        fn emit_arguments(&mut self, key: slog::Key, value: &Arguments<'_>) -> slog::Result {
            self.0.push((key.to_string(), value.to_string()));
            Ok(())
        }
    }

    /// An instance that waited for another one's lease said so at each try of each pipeline.
    #[test]
    fn the_same_reason_is_logged_once() {
        let lines = Arc::new(AtomicUsize::new(0));
        let log = slog::Logger::root(Lines(Arc::clone(&lines)), slog::o!());
        let mut retry = Retry::new("reader", Arc::new(Nobody), log);
        let Policy::Retry(backoff) = policy(ErrorKind::Transient) else {
            panic!("it is tried again");
        };
        let mut fails = |reason: &str| {
            retry.note(&Error::new(ErrorKind::Transient, reason), backoff);
            lines.load(Ordering::Relaxed)
        };
        assert_eq!(fails("loaded by process 1"), 1);
        assert_eq!(fails("loaded by process 1"), 1);
        assert_eq!(fails("loaded by process 2"), 2);
        retry.logged.as_mut().expect("logged").1 -= LOG_EVERY;
        retry.note(
            &Error::new(ErrorKind::Transient, "loaded by process 2"),
            backoff,
        );
        assert_eq!(lines.load(Ordering::Relaxed), 3, "a minute later");
        retry.succeeded();
        assert_eq!(lines.load(Ordering::Relaxed), 4);
        retry.note(
            &Error::new(ErrorKind::Transient, "loaded by process 2"),
            backoff,
        );
        assert_eq!(lines.load(Ordering::Relaxed), 5, "it had ended meanwhile");
    }

    fn fields(error: &Error) -> Vec<(String, String)> {
        let mut fields = Fields::default();
        let tag = slog::record_static!(slog::Level::Warning, "");
        let message = format_args!("");
        let record = slog::Record::new(&tag, &message, slog::BorrowedKV(&()));
        Source(error)
            .serialize(&record, &mut fields)
            .expect("noted");
        fields.0
    }

    #[test]
    fn a_cause_is_a_field_where_there_is_one() {
        let error = Error::new(ErrorKind::Transient, "away");
        assert_eq!(fields(&error), []);
        let error = error.with_source(std::io::Error::other("refused"));
        let source = ("source".to_owned(), "refused".to_owned());
        assert_eq!(fields(&error), [source]);
    }
}
