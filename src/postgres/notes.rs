//! What has happened to pipelines and services, noted in the ledger for those who operate them: apart
//! from all loading, and never waited for.
//!
//! Whoever has something to note puts it in a queue; one task writes what waits, in its order and many at
//! once, so that a server that comes back is not stormed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ingestd_actors::error::{ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::supervision::Pulse;
use slog::Logger;
use tokio::sync::Notify;
use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

use super::{Database, classify};

/// Something that has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What, such as `pipeline.degraded`.
    pub kind: &'static str,
    /// The pipeline, where it has happened to one.
    pub pipeline: Option<String>,
    /// What else it has happened to.
    pub subject: Option<String>,
    /// Why.
    pub message: Option<String>,
}

/// How long a note is kept where the database does not take it.
const KEPT: Duration = Duration::from_secs(600);
/// How long until what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How many wait at most: what happens while they do is in the log alone.
const WAITING: usize = 500;
/// How many are written by one statement.
const GROUP: usize = 100;
/// After how many notes old ones are trimmed.
const TRIM_EVERY: usize = 100;
/// How often it is said that notes are dropped, at the most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The time of a note is when it happened, not when the database took it.
const WRITE: &str = "
    insert into ingestd.event_log (at, kind, pipeline, subject, message)
    select clock_timestamp() - w.age * interval '1 s', w.kind, w.pipeline, w.subject, w.message
    from unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[])
         with ordinality as w (age, kind, pipeline, subject, message, place)
    order by w.place";

/// The newest 10,000 of the last 30 days are kept.
const TRIM: &str = "
    delete from ingestd.event_log
    where event_id <= (select max(event_id) from ingestd.event_log) - 10000
       or at < clock_timestamp() - interval '30 days'";

/// Where it is noted what happens. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    queue: Arc<Mutex<Queue>>,
    wake: Arc<Notify>,
}

/// PURE: what waits to be written.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Instant, Note)>,
    /// No more is to come.
    closed: bool,
    /// Those that were dropped, and not told of yet.
    dropped: Dropped,
}

/// Notes that are in the log alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dropped {
    /// Since too many waited.
    too_many: u64,
    /// Since they waited for too long.
    too_old: u64,
    /// Since the server refuses them.
    refused: u64,
}

impl Queue {
    fn add(&mut self, now: Instant, note: Note) {
        if self.waiting.len() >= WAITING {
            self.dropped.too_many += 1;
        } else {
            self.waiting.push_back((now, note));
        }
    }

    /// Those that come next, with their age in seconds; what is too old is none of them.
    fn next(&mut self, now: Instant) -> Vec<(f64, Note)> {
        let age = |since: &Instant| now.saturating_duration_since(*since);
        while self
            .waiting
            .front()
            .is_some_and(|(since, _)| age(since) >= KEPT)
        {
            self.waiting.pop_front();
            self.dropped.too_old += 1;
        }
        let next = self.waiting.iter().take(GROUP);
        next.map(|(since, note)| (age(since).as_secs_f64(), note.clone()))
            .collect()
    }
}

impl Notes {
    /// Notes what has happened, as soon as the database takes it; never waits.
    pub fn note(&self, note: Note) {
        self.queue().add(Instant::now(), note);
        self.wake.notify_one();
    }

    /// Nothing more is to come: once all is written, whoever writes ends.
    pub fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_one();
    }

    /// How many are in the ledger not yet, or not at all without anybody's having been told.
    pub fn left(&self) -> u64 {
        let queue = self.queue();
        let Dropped {
            too_many,
            too_old,
            refused,
        } = queue.dropped;
        queue.waiting.len() as u64 + too_many + too_old + refused
    }

    /// Writes what there is to be written, until it is [closed](Notes::close) and all is done. What this
    /// has not written when it ends otherwise, the next one does.
    ///
    /// # Errors
    /// None that the server says: that is tried again, or given up for these notes.
    pub async fn keep(self, database: Database, log: Logger, pulse: Pulse) -> Result<()> {
        let mut until_trim = 0;
        let mut told: Option<Instant> = None;
        loop {
            pulse.working();
            let (next, closed) = {
                let mut queue = self.queue();
                (queue.next(Instant::now()), queue.closed)
            };
            if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) && self.tell_dropped(&log) {
                told = Some(Instant::now());
            }
            if next.is_empty() {
                if closed {
                    return Ok(());
                }
                pulse.waiting();
                self.wake.notified().await;
                continue;
            }
            pass(Step::NotesWrite).await?;
            pulse.waiting();
            match write(&database, &next).await {
                Ok(()) => {
                    self.queue().waiting.drain(..next.len());
                    until_trim = usize::saturating_sub(until_trim, next.len());
                }
                Err(error) if passes(error.kind()) => {
                    slog::debug!(log, "notes have to wait"; "reason" => %error);
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => {
                    // A role that may not, for one: what happens is in the log alone.
                    slog::debug!(log, "notes are refused"; "reason" => %error);
                    let mut queue = self.queue();
                    queue.waiting.drain(..next.len());
                    queue.dropped.refused += next.len() as u64;
                    continue;
                }
            }
            if until_trim == 0 {
                until_trim = TRIM_EVERY;
                // What is left is trimmed the next time.
                if let Ok(client) = database.client().await {
                    let _ = trim(&*client).await;
                }
            }
        }
    }

    /// Whether there was something to tell.
    fn tell_dropped(&self, log: &Logger) -> bool {
        let dropped = std::mem::take(&mut self.queue().dropped);
        if dropped == Dropped::default() {
            return false;
        }
        slog::warn!(log, "what has happened is in this log alone: the ledger does not take it";
            "too_many_waited" => dropped.too_many, "waited_too_long" => dropped.too_old,
            "refused" => dropped.refused);
        true
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it is worth trying again. (Where the answer of a COMMIT is lost, notes may be there twice.)
fn passes(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Transient | ErrorKind::Unknown)
}

async fn write(database: &Database, notes: &[(f64, Note)]) -> Result<()> {
    // A text of the server's has no such sign.
    let clean = |text: &Option<String>| text.as_ref().map(|it| it.replace('\0', "\u{FFFD}"));
    let column = |of: fn(&Note) -> &Option<String>| -> Vec<Option<String>> {
        notes.iter().map(|(_, note)| clean(of(note))).collect()
    };
    let ages: Vec<f64> = notes.iter().map(|(age, _)| *age).collect();
    let kinds: Vec<&str> = notes.iter().map(|(_, note)| note.kind).collect();
    let pipelines = column(|note| &note.pipeline);
    let subjects = column(|note| &note.subject);
    let messages = column(|note| &note.message);
    let client = database.client().await?;
    client
        .execute_typed(
            WRITE,
            &[
                (&ages, Type::FLOAT8_ARRAY),
                (&kinds, Type::TEXT_ARRAY),
                (&pipelines, Type::TEXT_ARRAY),
                (&subjects, Type::TEXT_ARRAY),
                (&messages, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(|error| classify(error, "noting what has happened"))?;
    Ok(())
}

/// Forgets old notes.
///
/// # Errors
/// What the server says.
pub async fn trim(client: &impl GenericClient) -> Result<()> {
    let trimmed = client.execute_typed(TRIM, &[]).await;
    trimmed.map_err(|error| classify(error, "forgetting old notes"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tests::fixture::{Fixture, ITEMS, connect};

    fn note(message: usize) -> Note {
        Note {
            kind: "child.restarted",
            message: Some(message.to_string()),
            ..Note::default()
        }
    }

    #[test]
    fn no_more_wait_than_may_and_none_for_too_long() {
        let start = Instant::now();
        let mut queue = Queue::default();
        for number in 0..WAITING + 7 {
            let at = start + Duration::from_millis(number as u64);
            queue.add(at, note(number));
        }
        assert_eq!(
            (queue.waiting.len(), queue.dropped.too_many),
            (WAITING, 7),
            "the newest are dropped"
        );
        let next = queue.next(start + Duration::from_secs(1));
        assert_eq!(next.len(), GROUP);
        assert_eq!(next[0], (1.0, note(0)));
        assert_eq!(next[99].1, note(99), "in their order");
        assert_eq!(queue.waiting.len(), WAITING, "they are not written yet");
        let next = queue.next(start + KEPT + Duration::from_millis(9));
        assert_eq!((queue.dropped.too_old, &next[0].1), (10, &note(10)));
    }

    /// Whoever writes for these notes.
    fn writer(notes: &Notes, database: &Database) -> tokio::task::JoinHandle<Result<()>> {
        let log = Logger::root(slog::Discard, slog::o!());
        tokio::spawn(notes.clone().keep(database.clone(), log, Pulse::default()))
    }

    async fn written(fixture: &Fixture) -> Vec<i32> {
        let query = "select message::int from ingestd.event_log order by event_id";
        let rows = fixture.client.query_typed(query, &[]).await.expect("notes");
        rows.iter().map(|row| row.get(0)).collect()
    }

    #[tokio::test]
    async fn they_are_written_in_their_order_and_many_at_once() {
        let fixture = Fixture::new(ITEMS).await;
        let notes = Notes::default();
        for number in 0..250 {
            notes.note(note(number));
        }
        notes.close();
        writer(&notes, &fixture.database)
            .await
            .expect("no panic")
            .expect("its end");
        assert_eq!(written(&fixture).await, (0..250).collect::<Vec<i32>>());
        let query = "select count(distinct xmin::text) from ingestd.event_log";
        let row = fixture.client.query_typed_one(query, &[]).await;
        assert_eq!(row.expect("a count").get::<_, i64>(0), 3, "statements");
        assert_eq!(notes.left(), 0);
    }

    #[tokio::test]
    async fn what_happens_while_the_ledger_is_locked_is_noted_after_that_with_its_time() {
        let fixture = Fixture::new(ITEMS).await;
        let notes = Notes::default();
        let other = connect(&fixture.url).await;
        let lock = "begin; lock table ingestd.event_log in access exclusive mode";
        other.batch_execute(lock).await.expect("a lock");
        let writing = writer(&notes, &fixture.database);
        notes.note(note(1));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(notes.left(), 1, "it is not in the ledger");
        other.batch_execute("rollback").await.expect("let go");
        notes.close();
        writing.await.expect("no panic").expect("its end");
        assert_eq!(written(&fixture).await, [1]);
    }

    #[tokio::test]
    async fn what_the_server_refuses_is_given_up_and_counted_and_the_rest_goes_on() {
        let fixture = Fixture::new(ITEMS).await;
        let change =
            "alter table ingestd.event_log add constraint t check (message <> '3') not valid";
        fixture.client.batch_execute(change).await.expect(change);
        let notes = Notes::default();
        notes.note(note(3));
        let writing = writer(&notes, &fixture.database);
        while notes.queue().waiting.len() + usize::from(!writing.is_finished()) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        notes.note(note(4));
        notes.close();
        writing.await.expect("no panic").expect("its end");
        assert_eq!(written(&fixture).await, [4]);
    }

    #[tokio::test]
    async fn nobody_waits_long_for_a_server_that_is_away() {
        let nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
            .parse()
            .expect("a URL");
        let database = Database::new(&nowhere, tokio::runtime::Handle::current()).await;
        let notes = Notes::default();
        notes.note(note(1));
        notes.note(note(2));
        notes.close();
        let writing = writer(&notes, &database.expect("a pool"));
        let ended = tokio::time::timeout(Duration::from_millis(300), writing).await;
        assert!(ended.is_err(), "it goes on trying");
        assert_eq!(notes.left(), 2);
    }
}
