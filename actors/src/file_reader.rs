//! Reads files one after the other: admits them, opens them, and hands on their chunks.
//!
//! One step at a time, and each step's answer leads to the next: nothing is read while the
//! accumulator has no credit, while the pipeline is paused, or while files of another plan are open.
//! Only the next candidates are admitted beside it, so that small files needn't wait for the ledger.

mod messages;
mod reading;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};

use crate::answer::{Owed, ask, ended, give_all};
use crate::batch_accumulator::{Decoded, OpenFileFor};
use crate::checkpointer::{AreOpen, FileEnded, TakeOut, WaitForAll, WaitForRoom};
use crate::error::{ErrorKind, Result};
use crate::failpoint::{Step, pass};
use crate::model::{Candidate, FileId, FileState};
use crate::port::{Archivable, Event, Leaving, Ledger, Measured, Observer, Source, Verdict};
use crate::retry::Retry;
use crate::supervision::Lifeline;
use reading::Reading;

pub use messages::{FilesFound, SetPaused};

/// How many candidates are admitted in one transaction at most.
const GROUP: usize = 256;
/// The next are admitted once there are fewer verdicts to follow than this.
const FEW: usize = 128;

/// What the reader needs.
pub struct Deps {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Where records come from.
    pub source: Arc<dyn Source>,
    /// The accumulator's ears.
    pub open: Recipient<OpenFileFor>,
    /// See `open`.
    pub chunks: Recipient<Decoded>,
    /// See `open`.
    pub ended: Recipient<FileEnded>,
    /// The checkpointer's ears.
    pub are_open: Recipient<AreOpen>,
    /// See `are_open`.
    pub wait_for_all: Recipient<WaitForAll>,
    /// See `are_open`.
    pub wait_for_room: Recipient<WaitForRoom>,
    /// See `are_open`.
    pub take_out: Recipient<TakeOut>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor.
pub struct FileReader {
    deps: Deps,
    lifeline: Lifeline,
    /// Found, not yet admitted.
    found: VecDeque<Candidate>,
    /// Those of the files found that have to be announced again.
    again: Vec<PathBuf>,
    found_answer: Option<Owed<Vec<PathBuf>>>,
    /// Admitted, not yet begun.
    verdicts: VecDeque<Verdict>,
    /// What is claimed, and not known to the checkpointer yet.
    claimed: HashMap<FileId, Candidate>,
    admitting: bool,
    reading: Option<Reading>,
    /// The plan of the file that was opened last: another one waits behind a barrier.
    last_plan: Option<i64>,
    resumed: bool,
    /// Files were found: other lives may have left something.
    looks_behind: bool,
    busy: bool,
    /// What is under way reads from the file; all else, however long it waits, reads nothing.
    reading_now: bool,
    paused: bool,
    waiting_for_pause: Vec<Owed>,
}

impl FileReader {
    /// A reader that begins with what earlier lives left unfinished, or waits until it is let go on.
    pub fn new(deps: Deps, paused: bool, lifeline: Lifeline) -> Self {
        Self {
            deps,
            lifeline,
            found: VecDeque::new(),
            again: Vec::new(),
            found_answer: None,
            verdicts: VecDeque::new(),
            claimed: HashMap::new(),
            admitting: false,
            reading: None,
            last_plan: None,
            resumed: false,
            looks_behind: false,
            busy: false,
            reading_now: false,
            paused,
            waiting_for_pause: Vec::new(),
        }
    }

    /// Takes steps until one is under way, or there is nothing to do.
    fn step(&mut self, context: &mut Context<Self>) {
        self.admit_ahead(context);
        while !self.busy {
            if !self.resumed {
                self.resume(context);
            } else if self.reading.as_ref().is_some_and(Reading::has_output) {
                self.hand_on(context);
            } else if self.paused {
                return self.rest();
            } else if let Some(reading) = self.reading.take() {
                self.read(reading, context);
            } else if let Some(verdict) = self.verdicts.pop_front() {
                self.follow(verdict, context);
            } else if self.admitting {
                return;
            } else if !self.found.is_empty() {
                self.admit(context);
            } else if std::mem::take(&mut self.looks_behind) {
                self.look_behind(context);
            } else {
                return self.answer_found();
            }
        }
    }

    /// Admits the next candidates before those that were admitted are all read.
    fn admit_ahead(&mut self, context: &mut Context<Self>) {
        let wanted = self.resumed && !self.paused && self.verdicts.len() < FEW;
        if wanted && !self.admitting && !self.found.is_empty() {
            self.admit(context);
        }
    }

    fn receive(&mut self, verdicts: Vec<Verdict>) {
        for verdict in &verdicts {
            if let Verdict::Load(claim) = verdict {
                self.claimed.insert(claim.file, claim.candidate.clone());
                self.measure(Measured::Found {
                    path: claim.candidate.path.clone(),
                    size: claim.candidate.size,
                });
            }
        }
        self.verdicts.extend(verdicts);
    }

    fn rest(&mut self) {
        give_all(&mut self.waiting_for_pause);
        let nothing_found = self.verdicts.is_empty() && self.found.is_empty() && !self.admitting;
        if self.reading.is_none() && nothing_found {
            self.answer_found();
        }
    }

    fn answer_found(&mut self) {
        if let Some(answer) = self.found_answer.take() {
            // The watcher may be gone: its successor announces everything anew.
            let _ = answer.send(std::mem::take(&mut self.again));
        }
    }

    /// Runs one step to its end, then takes the next.
    fn run<T: 'static>(
        &mut self,
        work: impl Future<Output = Result<T>> + 'static,
        context: &mut Context<Self>,
        done: impl FnOnce(&mut Self, T) + 'static,
    ) {
        self.busy = true;
        let work = work.into_actor(self);
        context.spawn(work.map(move |result, actor, context| {
            actor.lifeline.pulse.waiting();
            match result {
                Ok(output) => {
                    actor.busy = false;
                    actor.reading_now = false;
                    done(actor, output);
                    actor.step(context);
                }
                Err(error) => actor.lifeline.fail(error, context),
            }
        }));
    }

    fn resume(&mut self, context: &mut Context<Self>) {
        let ledger = Arc::clone(&self.deps.ledger);
        let mut retry = self.retry();
        let work = async move {
            loop {
                let resumed = async {
                    pass(Step::ReaderResume).await?;
                    ledger.resume().await
                };
                match resumed.await {
                    Ok(answer) => {
                        retry.succeeded();
                        return Ok(answer);
                    }
                    Err(error) => retry.wait_out(error).await?,
                }
            }
        };
        self.run(work, context, |actor, verdicts| {
            actor.resumed = true;
            if actor.paused {
                slog::info!(actor.deps.log, "pipeline is paused");
            }
            slog::info!(actor.deps.log, "ready"; "unfinished" => verdicts.len());
            actor.receive(verdicts);
        });
    }

    /// Takes up what other lives have left. What can't be told now is asked again after the next scan.
    fn look_behind(&mut self, context: &mut Context<Self>) {
        let left = self.deps.ledger.left_behind();
        let work = async move {
            match left.await {
                // Another life has taken this one for dead: it begins anew.
                Err(error) if error.kind() == ErrorKind::Fenced => Err(error),
                left => Ok(left),
            }
        };
        self.run(work, context, |actor, left| match left {
            Ok(verdicts) => {
                if !verdicts.is_empty() {
                    slog::info!(actor.deps.log, "taking over what another instance has left";
                        "files" => verdicts.len());
                }
                actor.receive(verdicts);
            }
            Err(error) => {
                slog::warn!(actor.deps.log, "what other instances have left can't be looked at";
                    "reason" => %error);
            }
        });
    }

    fn admit(&mut self, context: &mut Context<Self>) {
        let group = self.found.len().min(GROUP);
        let candidates: Vec<Candidate> = self.found.drain(..group).collect();
        let (candidates, claimed) = self.apart_from_claimed(candidates);
        self.again.extend(claimed);
        let are_open = self.deps.are_open.send(AreOpen(candidates.clone()));
        let ledger = Arc::clone(&self.deps.ledger);
        let mut retry = self.retry();
        let work = async move {
            let open = are_open.await.map_err(|_| ended("the checkpointer"))?;
            let (busy, free): (Vec<_>, Vec<_>) = candidates
                .into_iter()
                .zip(open)
                .partition(|(_, is_open)| *is_open);
            let free: Vec<Candidate> = free.into_iter().map(|(candidate, _)| candidate).collect();
            let busy: Vec<PathBuf> = busy.into_iter().map(|(found, _)| found.path).collect();
            if free.is_empty() {
                return Ok((Vec::new(), busy));
            }
            loop {
                let admitted = async {
                    pass(Step::ReaderAdmit).await?;
                    ledger.admit(free.clone()).await
                };
                match admitted.await {
                    Ok(verdicts) => {
                        retry.succeeded();
                        return Ok((verdicts, busy));
                    }
                    Err(error) => retry.wait_out(error).await?,
                }
            }
        };
        self.admitting = true;
        context.spawn(work.into_actor(self).map(|result, actor, context| {
            actor.admitting = false;
            match result {
                Ok((verdicts, busy)) => {
                    for _ in verdicts.iter().filter(|it| matches!(it, Verdict::Load(_))) {
                        actor.measure(Measured::State(FileState::Scheduled));
                    }
                    actor.receive(verdicts);
                    actor.again.extend(busy);
                    actor.step(context);
                }
                Err(error) => actor.lifeline.fail(error, context),
            }
        }));
    }

    /// Those that can be admitted, and the paths of those that are claimed already, under this name
    /// or another name of the same inode.
    fn apart_from_claimed(&self, found: Vec<Candidate>) -> (Vec<Candidate>, Vec<PathBuf>) {
        let paths: HashSet<&PathBuf> = self.claimed.values().map(|it| &it.path).collect();
        let inodes: HashSet<(u64, u64)> = self
            .claimed
            .values()
            .map(|it| (it.device, it.inode))
            .collect();
        let (claimed, free): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|it| paths.contains(&it.path) || inodes.contains(&(it.device, it.inode)));
        (free, claimed.into_iter().map(|it| it.path).collect())
    }

    /// Does what was decided about a file.
    fn follow(&mut self, verdict: Verdict, context: &mut Context<Self>) {
        match verdict {
            Verdict::Load(claim) => self.open(claim, context),
            Verdict::Skip(skipped) => {
                slog::info!(self.deps.log, "file skipped";
                    "file" => skipped.file.0, "path" => %skipped.candidate.path.display(),
                    "reason" => &skipped.reason);
                self.deps.observer.observe(&Event::FileSkipped {
                    path: skipped.candidate.path.clone(),
                    reason: skipped.reason,
                });
                self.measure(Measured::State(FileState::Skipped));
                let archivable = Archivable {
                    file: skipped.file,
                    candidate: skipped.candidate,
                    handle: None,
                };
                self.take_out(Leaving::Archive(archivable), context);
            }
            Verdict::Archive(archivable) => {
                self.let_go(&archivable.candidate.path);
                self.take_out(Leaving::Archive(archivable), context);
            }
            Verdict::Quarantine(quarantined) => {
                self.take_out(Leaving::Quarantine(quarantined), context);
            }
            Verdict::Ignore(path) => {
                slog::debug!(self.deps.log, "file was dealt with before"; "path" => %path.display());
                self.let_go(&path);
            }
            Verdict::Later { path, reason } => {
                slog::debug!(self.deps.log, "file has to wait";
                    "path" => %path.display(), "reason" => reason);
                // Where it is gone it is not found again; where it stands, it goes on waiting.
                self.let_go(&path);
                self.again.push(path);
            }
        }
    }

    fn take_out(&mut self, leaving: Leaving, context: &mut Context<Self>) {
        let wait_for_room = self.deps.wait_for_room.clone();
        let take_out = self.deps.take_out.clone();
        let work = async move {
            ask(&wait_for_room, WaitForRoom, "the checkpointer").await?;
            let taken = take_out.send(TakeOut(leaving)).await;
            taken.map_err(|_| ended("the checkpointer"))
        };
        self.run(work, context, |_, ()| {});
    }

    fn let_go(&self, path: &Path) {
        let path = path.to_owned();
        self.measure(Measured::LetGo { path });
    }

    fn measure(&self, measured: Measured) {
        self.deps.observer.observe(&Event::Measured(measured));
    }

    fn retry(&self) -> Retry {
        Retry::new(
            "file reader",
            Arc::clone(&self.deps.observer),
            self.deps.log.clone(),
        )
    }
}

impl Actor for FileReader {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.step(context);
    }
}
