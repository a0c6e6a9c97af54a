//! Notices files: events are hints, a scan is the truth.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture,
    WrapFuture,
};
use tokio::sync::mpsc;

use crate::answer::{Owed, ask, give_all, later};
use crate::checkpointer::{Asker, WaitForAll};
use crate::error::Result;
use crate::failpoint::{Step, pass};
use crate::file_reader::FilesFound;
use crate::index_builder::BuildIndexes;
use crate::model::Candidate;
use crate::port::{Event, Inbox, Observer, Scan};
use crate::retry::Retry;
use crate::supervision::Lifeline;

/// After a hint the next scan waits for as long as the last one took, so that scanning never takes
/// more than half of the time; but no longer than this, and not at all where it is less than that.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// See [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// Files that have to wait for another are announced again after this long.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the watcher needs.
pub struct Deps {
    /// The directory.
    pub inbox: Arc<dyn Inbox>,
    /// The reader.
    pub reader: Recipient<FilesFound>,
    /// The checkpointer.
    pub wait_for_all: Recipient<WaitForAll>,
    /// The index builder.
    pub indexes: Recipient<BuildIndexes>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
    /// How often the directory is scanned without a hint.
    pub scan_interval: Duration,
}

/// The actor: one round after the other of scanning, announcing and waiting.
pub struct DirectoryWatcher {
    deps: Deps,
    lifeline: Lifeline,
    look: mpsc::UnboundedSender<Owed>,
    asked: Option<mpsc::UnboundedReceiver<Owed>>,
}

impl DirectoryWatcher {
    /// A watcher that has announced nothing.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        let (look, asked) = mpsc::unbounded_channel();
        Self {
            deps,
            lifeline,
            look,
            asked: Some(asked),
        }
    }

    fn watch(&self, asked: mpsc::UnboundedReceiver<Owed>) -> Watch {
        let retry = || {
            Retry::new(
                "directory watcher",
                Arc::clone(&self.deps.observer),
                self.deps.log.clone(),
            )
        };
        Watch {
            inbox: Arc::clone(&self.deps.inbox),
            reader: self.deps.reader.clone(),
            wait_for_all: self.deps.wait_for_all.clone(),
            indexes: self.deps.indexes.clone(),
            observer: Arc::clone(&self.deps.observer),
            scan_interval: self.deps.scan_interval,
            lifeline: self.lifeline.clone(),
            asked,
            waiting: Vec::new(),
            has_read: false,
            scans: retry(),
            hints: retry(),
        }
    }
}

impl Actor for DirectoryWatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let watching = self.watch(asked).run().into_actor(self);
        context.spawn(watching.map(|end, actor, context| match end {
            Err(error) => actor.lifeline.fail(error, context),
        }));
    }
}

/// Looks through the directory now. The answer comes once that is done; or at once, where what was
/// found before is still to be read: the next look follows that.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct LookNow;

impl Handler<LookNow> for DirectoryWatcher {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: LookNow, _: &mut Self::Context) -> Self::Result {
        let (owed, answer) = later("the directory watcher");
        // The rounds end with the actor.
        let _ = self.look.send(owed);
        answer
    }
}

/// The rounds, with what they need taken out of the actor.
struct Watch {
    inbox: Arc<dyn Inbox>,
    reader: Recipient<FilesFound>,
    wait_for_all: Recipient<WaitForAll>,
    indexes: Recipient<BuildIndexes>,
    observer: Arc<dyn Observer>,
    scan_interval: Duration,
    lifeline: Lifeline,
    /// Who wants the directory to be looked through.
    asked: mpsc::UnboundedReceiver<Owed>,
    /// Those of them whom the next look answers.
    waiting: Vec<Owed>,
    /// Files were announced, and all that was to be read of them is read.
    has_read: bool,
    scans: Retry,
    hints: Retry,
}

impl Watch {
    async fn run(mut self) -> Result<Infallible> {
        let mut announced = HashSet::new();
        loop {
            announced = self.round(announced).await?;
        }
    }

    /// Scans, announces what is new and waits for the next reason to scan. Takes what was announced
    /// and still stood there at the last scan, and returns what does now.
    async fn round(&mut self, mut announced: HashSet<Candidate>) -> Result<HashSet<Candidate>> {
        // Asked for before the scan, so that what changes after it is not missed.
        let changed = self.inbox.changed();
        let started = Instant::now();
        while let Ok(owed) = self.asked.try_recv() {
            self.waiting.push(owed);
        }
        let scan = self.scan().await?;
        give_all(&mut self.waiting);
        let pause = started.elapsed().min(LONGEST_PAUSE);
        announced.retain(|candidate| !scan.came.contains(&candidate.path));
        let (new, mut announced_now) = split(scan.ready, &announced);

        let found_any = !new.is_empty();
        if found_any && self.has_read {
            // What was found first is read: a first load is over. Where files go on coming, nothing
            // is ever idle, and the indexes are built beside the loading. Nobody waits for them.
            self.indexes.do_send(BuildIndexes);
        }

        announced_now.extend(new.iter().cloned());
        // Announced even where it is nothing: the answer also tells that what earlier lives left
        // unfinished is read, which the scan may not show.
        let (again, look_again) = self.announce(new).await?;
        self.has_read |= found_any;
        let nothing_left = again.is_empty() && scan.settles_in.is_none();
        let waits_for_another = !again.is_empty();
        let again: HashSet<PathBuf> = again.into_iter().collect();
        announced_now.retain(|candidate| !again.contains(&candidate.path));

        let next_scan = self
            .scan_interval
            .min(scan.settles_in.unwrap_or(Duration::MAX))
            .min(if waits_for_another {
                AGAIN_AFTER
            } else {
                Duration::MAX
            });
        let idle = idle(
            self.wait_for_all.clone(),
            self.indexes.clone(),
            Arc::clone(&self.observer),
        );
        let hint = tokio::select! {
            hint = changed => Some(hint),
            () = tokio::time::sleep(next_scan) => None,
            () = std::future::ready(()), if look_again => None,
            Some(owed) = self.asked.recv() => {
                self.waiting.push(owed);
                None
            }
            idle = idle, if nothing_left => return idle.map(|_| announced_now),
        };
        match hint {
            Some(Ok(())) => {
                self.hints.succeeded();
                if pause >= SHORTEST_PAUSE {
                    tokio::time::sleep(pause).await;
                }
            }
            // Scans go on without hints.
            Some(Err(error)) => self.hints.wait_out(error).await?,
            None => {}
        }
        Ok(announced_now)
    }

    /// Announces what was found, and returns what has to be announced again once it is read, and
    /// whether somebody has asked for a look meanwhile.
    async fn announce(&mut self, new: Vec<Candidate>) -> Result<(Vec<PathBuf>, bool)> {
        pass(Step::WatcherAnnounce).await?;
        let reader = self.reader.clone();
        let read = ask(&reader, FilesFound(new), "the reader");
        tokio::pin!(read);
        let mut look_again = false;
        loop {
            tokio::select! {
                again = &mut read => return Ok((again?, look_again)),
                Some(owed) = self.asked.recv() => {
                    look_again = true;
                    // Whoever has gone needs no answer.
                    let _ = owed.send(());
                }
            }
        }
    }

    async fn scan(&mut self) -> Result<Scan> {
        loop {
            self.lifeline.pulse.working();
            let scanned = async {
                pass(Step::WatcherScan).await?;
                self.inbox.scan().await
            };
            let scanned = scanned.await;
            self.lifeline.pulse.waiting();
            match scanned {
                Ok(scan) => {
                    self.scans.succeeded();
                    return Ok(scan);
                }
                Err(error) => self.scans.wait_out(error).await?,
            }
        }
    }
}

/// Says that everything is finished, once it is, missing indexes too; then never resolves.
async fn idle(
    wait_for_all: Recipient<WaitForAll>,
    indexes: Recipient<BuildIndexes>,
    observer: Arc<dyn Observer>,
) -> Result<Infallible> {
    let all = WaitForAll(Asker::Watcher);
    ask(&wait_for_all, all, "the checkpointer").await?;
    ask(&indexes, BuildIndexes, "the index builder").await?;
    observer.observe(&Event::Idle);
    std::future::pending().await
}

/// The files that have not been announced, in order; and those that have and are still there, so
/// that what is remembered is bounded by what stands in the directory.
fn split(
    ready: Vec<Candidate>,
    announced: &HashSet<Candidate>,
) -> (Vec<Candidate>, HashSet<Candidate>) {
    let (known, new): (Vec<_>, Vec<_>) = ready
        .into_iter()
        .partition(|candidate| announced.contains(candidate));
    (new, known.into_iter().collect())
}
