//! Follows every file to its end: watermark, commit, archive.
//!
//! A file leaves the inbox only after the ledger says COMMITTED, and the ledger says so only when
//! every lane is durable up to the file's end and the counts add up to its records.

mod leaving;
mod measuring;
mod messages;
mod quarantine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::answer::{Owed, give_all};
use crate::archiver::Departures;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{Step, pass, pass_at_once};
use crate::flow::FileTracker;
use crate::model::{
    Candidate, Checkpoint, Counts, Epoch, FileEnd, FileId, FileState, Lane, OverBudget, Plan,
    Position,
};
use crate::port::{
    Archivable, Archive, Committed, Completion, Event, Leaving, Ledger, Measured, Observer,
    Progress,
};
use crate::retry::Retry;
use crate::supervision::Lifeline;

pub use messages::{
    AreOpen, Asker, ChunkAccepted, FileEnded, FileOpened, LaneMoved, Settle, TakeOut, WaitForAll,
    WaitForRoom,
};

/// How often the ledger learns how far files have come.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How soon it is told that the reading of a file has begun: one note for all that begin until then,
/// and none for those that are finished by then.
const OPENED_AFTER: Duration = Duration::from_millis(50);
/// How many files are committed in one transaction at most.
const GROUP: usize = 256;
/// How many files may be between their opening and their leaving: each holds an open file.
const MOST_FILES: usize = 256;

/// What the checkpointer needs.
pub struct Deps {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Where finished files go.
    pub archive: Arc<dyn Archive>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor.
pub struct Checkpointer {
    deps: Deps,
    lifeline: Lifeline,
    files: BTreeMap<FileId, OpenFile>,
    /// How many were opened so far.
    opened: u64,
    leaving: Departures,
    /// A group of them is on its way.
    moving: bool,
    /// Counts the times that files could not leave; taken while it waits to try again.
    moves: Option<Retry>,
    working: bool,
    /// The ledger is being told how far files have come.
    noting: bool,
    /// Files were opened that the ledger is about to be told of.
    opened_due: bool,
    /// Who waits until no file is open. A newer question of the same actor takes the place of the
    /// older one, so that a watcher that asks in every round leaves nothing behind.
    waiting_for_all: BTreeMap<Asker, Owed>,
    waiting_for_rest: Vec<Owed>,
    waiting_for_room: Vec<Owed>,
}

struct OpenFile {
    epoch: Epoch,
    candidate: Candidate,
    plan: Arc<Plan>,
    /// Which of the files that were opened it is.
    turn: u64,
    tracker: FileTracker,
    /// What the ledger was told last: the watermark, and whether it was read to its end.
    noted: Option<(Position, bool)>,
    counts: Counts,
    /// How many of its records were dead letters when it was claimed.
    rejected_before: u64,
    /// Up to where each lane was seen to commit.
    lanes: BTreeMap<Lane, Position>,
    started: Instant,
    ending: Option<Ending>,
    read_for: Duration,
    /// How long of that the reader waited for credit.
    waited_for: Duration,
}

/// How the reading of a file ended.
#[derive(Debug)]
pub enum Ending {
    /// At its end.
    Complete(FileEnd),
    /// Before, since it can't be loaded.
    Quarantine(String),
    /// Before, since another one took its place.
    Replaced,
    /// Before, since it is over its error budget, and nothing of it is in flight any more.
    GivenUp(OverBudget),
    /// Before, since nobody wanted more of it.
    Stopped,
}

impl Checkpointer {
    /// A checkpointer that follows no file yet.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            moves: Some(Self::moves_retry(&deps)),
            deps,
            lifeline,
            files: BTreeMap::new(),
            opened: 0,
            leaving: Departures::default(),
            moving: false,
            working: false,
            noting: false,
            opened_due: false,
            waiting_for_all: BTreeMap::new(),
            waiting_for_rest: Vec::new(),
            waiting_for_room: Vec::new(),
        }
    }

    /// Takes the next step, one at a time: first quarantine and commit what has come to its end,
    /// then note progress.
    fn step(&mut self, context: &mut Context<Self>) {
        if !self.waiting_for_rest.is_empty() {
            self.note_progress(context);
        }
        self.answer_waiting();
        if self.working {
            return;
        }
        if let Some((file, epoch, why)) = self.next_quarantine() {
            return self.quarantine(file, epoch, why, context);
        }
        let completions = self.completions();
        if !completions.is_empty() {
            self.commit(completions, context);
        }
    }

    fn completions(&self) -> Vec<Completion> {
        // Files of different plans are never open together.
        let first = self.files.iter().min_by_key(|(_, open)| open.turn);
        if let Some((&file, open)) = first.filter(|(_, open)| open.plan.all_or_nothing) {
            return open.completion(file).into_iter().collect();
        }
        let complete = self.files.iter();
        let complete = complete.filter_map(|(&file, open)| open.completion(file));
        complete.take(GROUP).collect()
    }

    fn commit(&mut self, completions: Vec<Completion>, context: &mut Context<Self>) {
        let ledger = Arc::clone(&self.deps.ledger);
        let mut retry = self.retry();
        let started = Instant::now();
        let work = async move {
            let answers = loop {
                let committed = async {
                    pass(Step::CheckpointerCommit).await?;
                    ledger.commit(completions.clone()).await
                };
                match committed.await {
                    Ok(answers) => break answers,
                    Err(error) => retry.wait_out(error).await?,
                }
            };
            retry.succeeded();
            Ok(completions.into_iter().zip(answers).collect::<Vec<_>>())
        };
        self.run(
            work,
            context,
            move |actor, files: Vec<(Completion, Committed)>, context| {
                let commit_time = started.elapsed();
                for (completion, answer) in files {
                    actor.note_committed(&completion, answer, commit_time, context);
                }
            },
        );
    }

    fn note_committed(
        &mut self,
        completion: &Completion,
        answer: Committed,
        commit_time: Duration,
        context: &mut Context<Self>,
    ) {
        let Some(open) = self.files.remove(&completion.file) else {
            return;
        };
        if let Err(error) = pass_at_once(Step::CheckpointerNoted) {
            return self.lifeline.fail(error, context);
        }
        let path = open.candidate.path.clone();
        match answer {
            Committed::Done { file, counts } => {
                self.log_committed(file, &open, counts, completion, commit_time);
                self.deps.observer.observe(&Event::FileCommitted {
                    file,
                    path,
                    counts,
                    size: completion.end.size,
                });
                self.measure_committed(&open, counts, &completion.end);
                let archivable = Archivable {
                    file,
                    candidate: at_its_end(open.candidate, completion),
                    handle: Some(Arc::clone(&completion.end.handle)),
                };
                self.leave(Leaving::Archive(archivable), context);
            }
            Committed::Fenced { file } => {
                let error = Error::new(
                    ErrorKind::Fenced,
                    format!(
                        "file {} was claimed by another life, or the server lost commits in a crash",
                        file.0
                    ),
                );
                self.lifeline.fail(error, context);
            }
            Committed::Unbalanced { file, reason } => {
                slog::error!(self.deps.log, "file failed: its records don't add up";
                    "file" => file.0, "path" => %path.display(), "reason" => &reason);
                self.deps
                    .observer
                    .observe(&Event::FileQuarantined { path, reason });
                self.measure(Measured::State(FileState::Failed));
            }
            Committed::Refused { file, reason } => {
                let candidate = at_its_end(open.candidate, completion);
                self.note_quarantined(file, candidate, reason, context);
            }
        }
    }

    fn log_committed(
        &self,
        file: FileId,
        open: &OpenFile,
        counts: Counts,
        completion: &Completion,
        commit_time: Duration,
    ) {
        let path = open.candidate.path.display().to_string();
        slog::info!(self.deps.log, "file committed";
            "file" => file.0, "path" => path, "bytes" => completion.end.size,
            "records" => completion.end.end.record,
            "inserted" => counts.inserted, "updated" => counts.updated,
            "unchanged" => counts.unchanged, "duplicate" => counts.duplicate,
            "deleted" => counts.deleted, "filtered" => counts.filtered, "rejected" => counts.rejected,
            "read_us" => open.read_for.as_micros() as u64,
            "waited_us" => open.waited_for.as_micros() as u64,
            "load_us" => open.started.elapsed().as_micros() as u64,
            "commit_us" => commit_time.as_micros() as u64);
    }

    /// Tells the ledger soon that the reading of a file has begun.
    fn note_opened_soon(&mut self, context: &mut Context<Self>) {
        if self.opened_due {
            return;
        }
        self.opened_due = true;
        context.run_later(OPENED_AFTER, |actor, context| {
            actor.opened_due = false;
            actor.note_progress(context);
        });
    }

    /// Writes to the ledger how far files have come since it was last told; one at a time, so that
    /// an older note never comes after a newer one, and an outage doesn't heap them up.
    fn note_progress(&mut self, context: &mut Context<Self>) {
        if self.noting {
            return;
        }
        let progress: Vec<Progress> = self
            .files
            .iter_mut()
            .filter(|(_, open)| open.noted != Some(open.to_note()))
            .map(|(&file, open)| {
                open.noted = Some(open.to_note());
                Progress {
                    file,
                    epoch: open.epoch,
                    watermark: open.tracker.watermark(),
                    seen: open.seen(),
                    hash_mark: open.tracker.hash_mark(),
                    completed: open.ending.is_some(),
                }
            })
            .collect();
        if progress.is_empty() {
            return;
        }
        // Late or lost, it only costs reading again: no retry, and only an orderly end waits for it.
        self.noting = true;
        let ledger = Arc::clone(&self.deps.ledger);
        let log = self.deps.log.clone();
        let noting = async move {
            let noted = async {
                pass(Step::CheckpointerProgress).await?;
                ledger.progress(progress).await
            };
            if let Err(error) = noted.await {
                slog::debug!(log, "progress not noted"; "reason" => %error);
            }
        };
        context.spawn(noting.into_actor(self).map(|(), actor, context| {
            actor.noting = false;
            actor.step(context);
        }));
    }

    fn run<T: 'static>(
        &mut self,
        work: impl Future<Output = Result<T>> + 'static,
        context: &mut Context<Self>,
        done: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        self.working = true;
        context.spawn(
            work.into_actor(self)
                .map(move |result, actor, context| match result {
                    Ok(output) => {
                        actor.working = false;
                        done(actor, output, context);
                        actor.step(context);
                    }
                    Err(error) => actor.lifeline.fail(error, context),
                }),
        );
    }

    fn retry(&self) -> Retry {
        Retry::new(
            "checkpointer",
            Arc::clone(&self.deps.observer),
            self.deps.log.clone(),
        )
    }

    fn answer_waiting(&mut self) {
        let at_rest = !self.working
            && self.leaving.is_empty()
            && self.files.values().all(|open| open.ending.is_none());
        if at_rest && !self.noting && self.files.values().all(OpenFile::is_noted) {
            give_all(&mut self.waiting_for_rest);
        }
        if at_rest && self.files.is_empty() {
            for (_, owed) in std::mem::take(&mut self.waiting_for_all) {
                // Whoever asked may be gone: nobody to tell.
                let _ = owed.send(());
            }
        }
        if self.files.len() + self.leaving.len() < MOST_FILES {
            give_all(&mut self.waiting_for_room);
        }
    }

    fn current(&mut self, file: FileId, epoch: Epoch) -> Option<&mut OpenFile> {
        self.files.get_mut(&file).filter(|open| open.epoch == epoch)
    }
}

/// What a file was when it was read to its end: it may have grown since it was found.
fn at_its_end(found: Candidate, completion: &Completion) -> Candidate {
    Candidate {
        size: completion.end.size,
        modified: completion.end.modified,
        ..found
    }
}

impl OpenFile {
    /// What is to be committed, once all of it is durable up to its end.
    fn completion(&self, file: FileId) -> Option<Completion> {
        let Some(Ending::Complete(end)) = &self.ending else {
            return None;
        };
        self.tracker.is_durable().then(|| Completion {
            file,
            epoch: self.epoch,
            seen: self.seen(),
            end: end.clone(),
            plan: Arc::clone(&self.plan),
        })
    }

    fn to_note(&self) -> (Position, bool) {
        (self.tracker.watermark(), self.ending.is_some())
    }

    fn seen(&self) -> Vec<Checkpoint> {
        let lanes = self.lanes.iter();
        lanes
            .map(|(&lane, &position)| Checkpoint { lane, position })
            .collect()
    }

    fn is_noted(&self) -> bool {
        self.noted == Some(self.to_note())
    }
}

impl Actor for Checkpointer {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(PROGRESS_EVERY, Self::note_progress);
    }
}
