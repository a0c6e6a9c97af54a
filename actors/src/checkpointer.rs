//! Follows every file to its end: watermark, commit, archive.
//!
//! A file leaves the inbox only after the ledger says COMMITTED, and the ledger says so only when
//! every lane is durable up to the file's end and the counts add up to its records.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture};
use tokio::sync::oneshot;

use crate::archiver::{Archiver, Leaving};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::FileTracker;
use crate::model::{Candidate, Claim, Counts, Epoch, FileEnd, FileId, HashMark, Lane, Position};
use crate::port::{
    Archivable, Committed, Completion, Event, Ledger, Observer, Progress, Quarantined,
};
use crate::retry::Retry;
use crate::supervision::Lifeline;

/// How often the ledger learns how far files have come.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How soon it is told that the reading of a file has begun: one note for all that begin until then,
/// and none for those that are finished by then.
const OPENED_AFTER: Duration = Duration::from_millis(50);
/// How many files are committed in one transaction at most.
const GROUP: usize = 256;

/// What the checkpointer needs.
pub struct Deps {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Takes files out of the inbox.
    pub archiver: Archiver,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor.
pub struct Checkpointer {
    deps: Deps,
    lifeline: Lifeline,
    files: BTreeMap<FileId, OpenFile>,
    leaving: HashSet<FileId>,
    working: bool,
    /// How many notes of progress are on their way to the ledger.
    noting: usize,
    /// Whether files were opened that the ledger is about to be told of.
    opened_due: bool,
    waiting_for_all: Vec<oneshot::Sender<()>>,
    waiting_for_rest: Vec<oneshot::Sender<()>>,
}

struct OpenFile {
    epoch: Epoch,
    candidate: Candidate,
    tracker: FileTracker,
    noted: Option<Position>,
    counts: Counts,
    started: Instant,
    ending: Option<Ending>,
    read_for: Duration,
}

/// How the reading of a file ended.
#[derive(Debug)]
pub enum Ending {
    /// At its end.
    Complete(FileEnd),
    /// Before, since it can't be loaded.
    Quarantine(String),
}

impl Checkpointer {
    /// A checkpointer that follows no file yet.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            deps,
            lifeline,
            files: BTreeMap::new(),
            leaving: HashSet::new(),
            working: false,
            noting: 0,
            opened_due: false,
            waiting_for_all: Vec::new(),
            waiting_for_rest: Vec::new(),
        }
    }

    /// Takes the next step, one at a time: first quarantine and commit what has come to its end,
    /// then note progress.
    fn step(&mut self, context: &mut Context<Self>) {
        self.answer_waiting();
        if self.working {
            return;
        }
        if let Some((file, epoch, reason)) = self.next_quarantine() {
            return self.quarantine(file, epoch, reason, context);
        }
        let completions = self.completions();
        if !completions.is_empty() {
            self.commit(completions, context);
        }
    }

    fn next_quarantine(&self) -> Option<(FileId, Epoch, String)> {
        self.files.iter().find_map(|(&file, open)| {
            let Some(Ending::Quarantine(reason)) = &open.ending else {
                return None;
            };
            let durable = open.tracker.is_durable();
            durable.then(|| (file, open.epoch, reason.clone()))
        })
    }

    fn completions(&self) -> Vec<Completion> {
        let complete = self.files.iter().filter_map(|(&file, open)| {
            let Some(Ending::Complete(end)) = &open.ending else {
                return None;
            };
            open.tracker.is_durable().then(|| Completion {
                file,
                epoch: open.epoch,
                end: end.clone(),
            })
        });
        complete.take(GROUP).collect()
    }

    fn commit(&mut self, completions: Vec<Completion>, context: &mut Context<Self>) {
        let ledger = Arc::clone(&self.deps.ledger);
        let mut retry = self.retry();
        let started = Instant::now();
        let work = async move {
            let answers = loop {
                match ledger.commit(completions.clone()).await {
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
                let candidate = Candidate {
                    size: completion.end.size,
                    modified: completion.end.modified,
                    ..open.candidate
                };
                let archivable = Archivable {
                    file,
                    candidate,
                    handle: Some(Arc::clone(&completion.end.handle)),
                };
                self.leave(file, Leaving::Archive(archivable), context);
            }
            Committed::Fenced { file } => {
                let error = Error::new(
                    ErrorKind::Fenced,
                    format!("file {} was claimed by another life", file.0),
                );
                self.lifeline.fail(error, context);
            }
            Committed::Unbalanced { file, reason } => {
                slog::error!(self.deps.log, "file failed: its records don't add up";
                    "file" => file.0, "path" => %path.display(), "reason" => &reason);
                self.deps
                    .observer
                    .observe(&Event::FileQuarantined { path, reason });
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
            "rejected" => counts.rejected,
            "read_ms" => open.read_for.as_millis() as u64,
            "load_ms" => open.started.elapsed().as_millis() as u64,
            "commit_ms" => commit_time.as_millis() as u64);
    }

    fn quarantine(
        &mut self,
        file: FileId,
        epoch: Epoch,
        reason: String,
        context: &mut Context<Self>,
    ) {
        let ledger = Arc::clone(&self.deps.ledger);
        let mut retry = self.retry();
        let work = async move {
            while let Err(error) = ledger.quarantine(file, epoch, reason.clone()).await {
                retry.wait_out(error).await?;
            }
            retry.succeeded();
            Ok(reason)
        };
        self.run(work, context, move |actor, reason, context| {
            let Some(open) = actor.files.remove(&file) else {
                return;
            };
            let quarantined = Quarantined {
                file,
                candidate: open.candidate,
                reason,
            };
            actor.announce_quarantined(&quarantined);
            actor.leave(file, Leaving::Quarantine(quarantined), context);
        });
    }

    fn announce_quarantined(&self, quarantined: &Quarantined) {
        slog::warn!(self.deps.log, "file quarantined";
            "file" => quarantined.file.0, "path" => %quarantined.candidate.path.display(),
            "reason" => &quarantined.reason);
        self.deps.observer.observe(&Event::FileQuarantined {
            path: quarantined.candidate.path.clone(),
            reason: quarantined.reason.clone(),
        });
    }

    /// Lets the archiver take a file out of the inbox, beside everything else.
    fn leave(&mut self, file: FileId, leaving: Leaving, context: &mut Context<Self>) {
        self.leaving.insert(file);
        let archiver = self.deps.archiver.clone();
        let left = async move { archiver.take_out(leaving).await }.into_actor(self);
        context.spawn(left.map(move |(), actor, context| {
            actor.leaving.remove(&file);
            actor.deps.observer.observe(&Event::FileFinished { file });
            actor.step(context);
        }));
    }

    /// Writes to the ledger how far files have come since it was last told.
    fn note_progress(&mut self, context: &mut Context<Self>) {
        let progress: Vec<Progress> = self
            .files
            .iter_mut()
            .filter(|(_, open)| open.noted != Some(open.tracker.watermark()))
            .map(|(&file, open)| {
                open.noted = Some(open.tracker.watermark());
                Progress {
                    file,
                    epoch: open.epoch,
                    watermark: open.tracker.watermark(),
                    hash_mark: open.tracker.hash_mark(),
                    completed: open.ending.is_some(),
                }
            })
            .collect();
        if progress.is_empty() {
            return;
        }
        // Late or lost, it only costs reading again: no retry, and only an orderly end waits for it.
        let noted = self.deps.ledger.progress(progress);
        let log = self.deps.log.clone();
        let noting = async move {
            if let Err(error) = noted.await {
                slog::debug!(log, "progress not noted"; "reason" => %error);
            }
        };
        self.noting += 1;
        context.spawn(noting.into_actor(self).map(|(), actor, context| {
            actor.noting -= 1;
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
            && self.noting == 0
            && self.leaving.is_empty()
            && self.files.values().all(|open| open.ending.is_none());
        if at_rest {
            answer(&mut self.waiting_for_rest);
        }
        if at_rest && self.files.is_empty() {
            answer(&mut self.waiting_for_all);
        }
    }

    fn current(&mut self, file: FileId, epoch: Epoch) -> Option<&mut OpenFile> {
        self.files.get_mut(&file).filter(|open| open.epoch == epoch)
    }
}

/// Those who asked may be gone: nobody to tell.
fn answer(waiting: &mut Vec<oneshot::Sender<()>>) {
    for asked in waiting.drain(..) {
        let _ = asked.send(());
    }
}

impl Actor for Checkpointer {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(PROGRESS_EVERY, Self::note_progress);
    }
}

/// A file's reading begins.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FileOpened(pub Claim);

impl Handler<FileOpened> for Checkpointer {
    type Result = ();

    fn handle(&mut self, FileOpened(claim): FileOpened, context: &mut Self::Context) {
        let open = OpenFile {
            epoch: claim.epoch,
            tracker: FileTracker::new(claim.resume_at(), claim.hash_mark),
            candidate: claim.candidate,
            noted: None,
            counts: Counts::default(),
            started: Instant::now(),
            ending: None,
            read_for: Duration::ZERO,
        };
        self.files.insert(claim.file, open);
        if !self.opened_due {
            self.opened_due = true;
            context.run_later(OPENED_AFTER, |actor, context| {
                actor.opened_due = false;
                actor.note_progress(context);
            });
        }
        self.step(context);
    }
}

/// A chunk of a file is on its way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ChunkAccepted {
    /// The file.
    pub file: FileId,
    /// The claim.
    pub epoch: Epoch,
    /// Where the chunk ends.
    pub to: Position,
    /// The lanes that hold records of it which are not durable yet.
    pub lanes: Vec<Lane>,
    /// The content hash's state at or before its end.
    pub hash_mark: Option<HashMark>,
}

impl Handler<ChunkAccepted> for Checkpointer {
    type Result = ();

    fn handle(&mut self, chunk: ChunkAccepted, _: &mut Self::Context) {
        if let Some(open) = self.current(chunk.file, chunk.epoch) {
            open.tracker.accept(chunk.to, chunk.lanes, chunk.hash_mark);
        }
    }
}

/// A lane of a file is durable up to a position.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LaneMoved {
    /// The file.
    pub file: FileId,
    /// The claim.
    pub epoch: Epoch,
    /// The lane.
    pub lane: Lane,
    /// Up to where.
    pub to: Position,
    /// What became of the records.
    pub counts: Counts,
}

impl Handler<LaneMoved> for Checkpointer {
    type Result = ();

    fn handle(&mut self, moved: LaneMoved, context: &mut Self::Context) {
        if let Some(open) = self.current(moved.file, moved.epoch) {
            open.tracker.moved(moved.lane, moved.to);
            open.counts += moved.counts;
            self.step(context);
        }
    }
}

/// The reading of a file ended.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FileEnded {
    /// The file.
    pub file: FileId,
    /// The claim.
    pub epoch: Epoch,
    /// How.
    pub ending: Ending,
}

impl Handler<FileEnded> for Checkpointer {
    type Result = ();

    fn handle(&mut self, ended: FileEnded, context: &mut Self::Context) {
        if let Some(open) = self.current(ended.file, ended.epoch) {
            open.read_for = open.started.elapsed();
            open.ending = Some(ended.ending);
            self.step(context);
        }
    }
}

/// Files that the ledger has done with, but that still stand in the inbox.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct TakeOut(pub Leaving);

impl Handler<TakeOut> for Checkpointer {
    type Result = ();

    fn handle(&mut self, TakeOut(leaving): TakeOut, context: &mut Self::Context) {
        if let Leaving::Quarantine(quarantined) = &leaving {
            self.announce_quarantined(quarantined);
        }
        if self.leaving.contains(&leaving.file()) {
            return;
        }
        self.leave(leaving.file(), leaving, context);
    }
}

/// Which of these paths belong to files that are being loaded.
#[derive(Debug, Message)]
#[rtype(result = "Vec<bool>")]
pub struct AreOpen(pub Vec<PathBuf>);

impl Handler<AreOpen> for Checkpointer {
    type Result = Vec<bool>;

    fn handle(&mut self, AreOpen(paths): AreOpen, _: &mut Self::Context) -> Self::Result {
        let open: HashSet<&PathBuf> = self
            .files
            .values()
            .map(|open| &open.candidate.path)
            .collect();
        paths.iter().map(|path| open.contains(path)).collect()
    }
}

/// Asks for an answer once no file is open any more.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct WaitForAll;

impl Handler<WaitForAll> for Checkpointer {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: WaitForAll, context: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.waiting_for_all.push(answer);
        self.step(context);
        Box::pin(async move {
            // The checkpointer is gone: the whole group starts again.
            let _ = answered.await;
        })
    }
}

/// Asks for an answer once everything that was read to its end is committed and has left, and the
/// ledger knows how far the rest has come.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Settle;

impl Handler<Settle> for Checkpointer {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Settle, context: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.waiting_for_rest.push(answer);
        self.note_progress(context);
        self.step(context);
        Box::pin(async move {
            let _ = answered.await;
        })
    }
}
