//! What is asked for as somebody asks for the metrics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::supervision::Pulse;
use prometheus::TextEncoder;

use super::ledger::{self, Seen, latest};
use super::meter::{Counters, STATES};
use super::{Metrics, lock};

/// How long a scrape waits for the ledger: Prometheus gives up after 10 s, and all else is there.
const WAIT: Duration = Duration::from_secs(2);

impl Metrics {
    /// The metrics in the text form of Prometheus, with what the ledger said when it was last asked;
    /// where that is a while ago, it is asked now for the next time. Never waits.
    pub fn encode(&self) -> String {
        self.shared.wanted.notify_one();
        self.text()
    }

    /// The same with what the ledger says now, where it answers soon and was not asked just before.
    pub async fn scrape(&self) -> String {
        let mut looks = self.shared.looks.subscribe();
        let is_due = lock(&self.shared.ledger).is_due(Instant::now());
        if is_due && lock(&self.shared.database).is_some() {
            self.shared.wanted.notify_one();
            // It goes on beside where this ends.
            let _ = tokio::time::timeout(WAIT, looks.changed()).await;
        }
        self.text()
    }

    /// Asks the ledger whenever somebody wants to know, where it is time to.
    ///
    /// # Errors
    /// None of the database's: that it does not answer is what is told then.
    pub async fn look_for_ever(self, pulse: Pulse) -> Result<()> {
        loop {
            pulse.waiting();
            self.shared.wanted.notified().await;
            let Some(database) = lock(&self.shared.database).clone() else {
                continue;
            };
            if !lock(&self.shared.ledger).is_due(Instant::now()) {
                continue;
            }
            pulse.working();
            pass(Step::MetricsLook).await?;
            let names = self.living().into_iter().map(|it| it.name().to_owned());
            let names = names.collect();
            let started = Instant::now();
            pulse.waiting();
            let answer = ledger::look(database, names).await;
            lock(&self.shared.ledger).note(answer, started.elapsed(), Instant::now());
            self.shared.looks.send_replace(());
        }
    }

    fn living(&self) -> Vec<Arc<Counters>> {
        let pipelines = lock(&self.shared.pipelines);
        let living = pipelines.values().filter(|counters| counters.is_alive());
        living.cloned().collect()
    }

    fn text(&self) -> String {
        let _one = lock(&self.shared.scrape);
        self.set_pipelines();
        self.set_database();
        let families = self.shared.families.registry.gather();
        // It refuses families without a metric, which are not gathered.
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }

    /// Those of pipelines that are gone are gone too.
    fn set_pipelines(&self) {
        let families = &self.shared.families;
        for gauge in [
            &families.in_flight,
            &families.backlog_files,
            &families.backlog_bytes,
            &families.paused,
            &families.files,
        ] {
            gauge.reset();
        }
        families.lag.reset();
        families.last_commit.reset();
        let ledger = lock(&self.shared.ledger);
        for counters in self.living() {
            let name = [counters.name()];
            let (now, seen) = (counters.now(), ledger.pipelines.get(counters.name()));
            let in_flight = families.in_flight.with_label_values(&name);
            in_flight.set(now.in_flight.cast_signed());
            let files = families.backlog_files.with_label_values(&name);
            files.set(now.backlog_files as i64);
            let bytes = families.backlog_bytes.with_label_values(&name);
            bytes.set(now.backlog_bytes.cast_signed());
            let paused = families.paused.with_label_values(&name);
            paused.set(i64::from(now.paused));
            // A file that an earlier life has left has waited since then; without a backlog here, what
            // is unfinished is in other hands.
            let since = seen.and_then(|seen| seen.oldest);
            let known = since.map(|(age, asked)| age + asked.elapsed().as_secs_f64());
            let lag = match now.backlog_files {
                0 => 0.0,
                _ => known.unwrap_or(0.0).max(now.lag),
            };
            families.lag.with_label_values(&name).set(lag);
            let before = seen.and_then(|seen| seen.last_commit);
            if let Some(last) = latest(now.last_commit, before) {
                families.last_commit.with_label_values(&name).set(last);
            }
            if let Some(seen) = seen {
                self.set_files(counters.name(), seen);
            }
        }
    }

    fn set_files(&self, name: &str, seen: &Seen) {
        for state in STATES.map(|state| state.name()) {
            let count = seen.files.in_state(state);
            let gauge = self.shared.families.files.with_label_values(&[name, state]);
            gauge.set(count.cast_signed());
        }
    }

    fn set_database(&self) {
        let families = &self.shared.families;
        if let Some(answers) = lock(&self.shared.ledger).answers {
            let up = families.database_up.with_label_values::<&str>(&[]);
            up.set(i64::from(answers));
        }
        let Some(database) = lock(&self.shared.database).clone() else {
            return;
        };
        let (idle, in_use) = database.connections();
        for (state, count) in [("idle", idle), ("in_use", in_use)] {
            let gauge = families.pool_connections.with_label_values(&[state]);
            gauge.set(i64::from(count));
        }
    }
}
