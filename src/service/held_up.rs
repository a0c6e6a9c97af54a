//! What holds a pipeline up, noted in the ledger, so that `ingestd status` can show it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ingestd_actors::error::Result;
use ingestd_actors::port::{Event, Measured, Observer};
use tokio::sync::watch;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::beside::Beside;
use crate::postgres::{Database, Note, Notes, classify};

/// How long until a note that could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Hands every event on, and notes in the ledger what the children wait for.
///
/// A note is written apart from the tree, as soon as the database lets it: only the newest counts.
pub(super) struct HeldUpNotes {
    next: Arc<dyn Observer>,
    reasons: Mutex<BTreeMap<String, String>>,
    note: watch::Sender<Option<String>>,
    happened: Notes,
    pipeline: String,
}

impl HeldUpNotes {
    /// An observer between the tree and `next`, for this life of a pipeline.
    pub(super) fn before(
        next: Arc<dyn Observer>,
        beside: &Beside,
        pipeline: &str,
        instance: Uuid,
    ) -> Arc<dyn Observer> {
        let (note, reasons) = watch::channel(None);
        let ledger = Keeper {
            database: beside.database.clone(),
            pipeline: pipeline.to_owned(),
            instance: instance.to_string(),
        };
        let runtime = beside.database.runtime();
        let mut is_first = true;
        let kept = beside.background.keep(runtime, "held-up notes", move |_| {
            let mut reasons = reasons.clone();
            // The life before may not have written what holds now.
            if !std::mem::take(&mut is_first) {
                reasons.mark_changed();
            }
            ledger.clone().keep(reasons)
        });
        // It ends with the observer, once the last note is written.
        kept.let_go();
        Arc::new(HeldUpNotes {
            next,
            reasons: Mutex::default(),
            note,
            happened: beside.notes.clone(),
            pipeline: pipeline.to_owned(),
        })
    }

    fn observe_reasons(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut reasons);
        let text = in_words(&reasons);
        let was = self.note.borrow().is_some();
        let changed = self.note.send_if_modified(|note| {
            let differs = *note != text;
            *note = text.clone();
            differs
        });
        match (changed, text, was) {
            (true, Some(text), _) => self.remember("pipeline.degraded", None, Some(text)),
            (true, None, true) => self.remember("pipeline.recovered", None, None),
            _ => {}
        }
    }

    /// For whoever asks later what has happened.
    fn remember(&self, kind: &'static str, subject: Option<String>, message: Option<String>) {
        let happened = Note {
            kind,
            pipeline: Some(self.pipeline.clone()),
            subject,
            message,
        };
        self.happened.note(happened);
    }
}

impl Observer for HeldUpNotes {
    fn observe(&self, event: &Event) {
        match event {
            Event::Degraded { child, reason, .. } => self.observe_reasons(|reasons| {
                reasons.insert(child.clone(), reason.clone());
            }),
            Event::Recovered { child } => self.observe_reasons(|reasons| {
                reasons.remove(child);
            }),
            Event::Measured(Measured::Restarted { child }) => {
                self.remember("child.restarted", Some(child.clone()), None);
            }
            _ => {}
        }
        self.next.observe(event);
    }
}

/// All reasons, each once: two writers mostly wait for the same.
fn in_words(reasons: &BTreeMap<String, String>) -> Option<String> {
    let different: BTreeSet<&str> = reasons.values().map(String::as_str).collect();
    if different.is_empty() {
        return None;
    }
    Some(different.into_iter().collect::<Vec<_>>().join("; "))
}

/// The column of the ledger that the notes are written to.
#[derive(Clone)]
struct Keeper {
    database: Database,
    pipeline: String,
    instance: String,
}

impl Keeper {
    /// Writes each note, until the observer is gone.
    async fn keep(self, mut notes: watch::Receiver<Option<String>>) -> Result<()> {
        while notes.changed().await.is_ok() {
            loop {
                let note = notes.borrow_and_update().clone();
                if self.write(note.as_deref()).await.is_ok() {
                    break;
                }
                // What holds the pipeline up may be that the database is down.
                tokio::time::sleep(AGAIN).await;
            }
        }
        Ok(())
    }

    /// One that shares the pipeline notes it beside its name, any other beside the pipeline's. Whoever
    /// waits for another instance's pipeline leaves that one's note alone.
    async fn write(&self, note: Option<&str>) -> Result<()> {
        let client = self.database.client().await?;
        client
            .execute_typed(
                "with own as (
                     update ingestd.instances i
                     set degraded = $2,
                         degraded_at = case when $2 is null then null
                                            else coalesce(i.degraded_at, clock_timestamp()) end
                     where i.instance = $3::uuid and i.shares returning i.instance)
                 insert into ingestd.pipelines as p (name, degraded, degraded_at)
                 select $1, $2, case when $2 is not null then clock_timestamp() end
                 where not exists (select from own)
                 on conflict (name) do update
                 set degraded = excluded.degraded,
                     degraded_at = case when p.degraded is null or excluded.degraded is null
                                        then excluded.degraded_at else p.degraded_at end
                 where p.lease_instance = $3::uuid
                    or p.lease_instance is null
                       and not exists (select from ingestd.live_instances i
                                       where i.pipeline = $1 and i.instance <> $3::uuid)",
                &[
                    (&self.pipeline, Type::TEXT),
                    (&note, Type::TEXT),
                    (&self.instance, Type::TEXT),
                ],
            )
            .await
            .map_err(|error| classify(error, "noting what holds the pipeline up"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_said_once() {
        let reason = |child: &str, reason: &str| (child.to_owned(), reason.to_owned());
        let mut reasons = BTreeMap::from([
            reason("writer 0", "no permission"),
            reason("writer 1", "no permission"),
            reason("archiver", "no space"),
        ]);
        let words = in_words(&reasons);
        assert_eq!(words.as_deref(), Some("no permission; no space"));
        reasons.clear();
        assert_eq!(in_words(&reasons), None);
    }
}
