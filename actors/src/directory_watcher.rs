//! Notices files: events are hints, a scan is the truth.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};

use crate::checkpointer::WaitForAll;
use crate::error::{Error, ErrorKind, Result};
use crate::file_reader::FilesFound;
use crate::model::Candidate;
use crate::port::{Event, Inbox, Observer, Scan};
use crate::retry::Retry;
use crate::supervision::Lifeline;

/// Hints that follow each other closely lead to one scan.
const TOGETHER: Duration = Duration::from_millis(2);
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
    /// Announced, and still there.
    announced: HashSet<Candidate>,
}

/// What a round leads to.
struct Round {
    announced: HashSet<Candidate>,
}

impl DirectoryWatcher {
    /// A watcher that has announced nothing.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            deps,
            lifeline,
            announced: HashSet::new(),
        }
    }

    fn next_round(&mut self, context: &mut Context<Self>) {
        let announced = std::mem::take(&mut self.announced);
        let round = Watch {
            inbox: Arc::clone(&self.deps.inbox),
            reader: self.deps.reader.clone(),
            wait_for_all: self.deps.wait_for_all.clone(),
            observer: Arc::clone(&self.deps.observer),
            scan_interval: self.deps.scan_interval,
            lifeline: self.lifeline.clone(),
            retry: Retry::new(
                "directory watcher",
                Arc::clone(&self.deps.observer),
                self.deps.log.clone(),
            ),
        };
        let round = round.run(announced).into_actor(self);
        context.spawn(round.map(|result, actor, context| match result {
            Ok(round) => {
                actor.announced = round.announced;
                actor.next_round(context);
            }
            Err(error) => actor.lifeline.fail(error, context),
        }));
    }
}

impl Actor for DirectoryWatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.next_round(context);
    }
}

/// One round on its way.
struct Watch {
    inbox: Arc<dyn Inbox>,
    reader: Recipient<FilesFound>,
    wait_for_all: Recipient<WaitForAll>,
    observer: Arc<dyn Observer>,
    scan_interval: Duration,
    lifeline: Lifeline,
    retry: Retry,
}

impl Watch {
    async fn run(mut self, mut announced: HashSet<Candidate>) -> Result<Round> {
        // Asked for before the scan, so that what changes after it is not missed.
        let changed = self.inbox.changed();
        let scan = self.scan().await?;
        let (new, mut announced_now) = split(scan.ready, &mut announced);

        let again = if new.is_empty() {
            Vec::new()
        } else {
            announced_now.extend(new.iter().cloned());
            self.announce(new).await?
        };
        let nothing_left = again.is_empty() && scan.settles_in.is_none();
        let waits_for_another = !again.is_empty();
        let again: HashSet<PathBuf> = again.into_iter().collect();
        announced_now.retain(|candidate| !again.contains(&candidate.path));

        let next_scan = if waits_for_another {
            AGAIN_AFTER
        } else {
            scan.settles_in.map_or(self.scan_interval, |settles| {
                settles.min(self.scan_interval)
            })
        };
        tokio::select! {
            hint = changed => {
                hint?;
                tokio::time::sleep(TOGETHER).await;
            }
            () = tokio::time::sleep(next_scan) => {}
            idle = self.idle(), if nothing_left => {
                idle?;
            }
        }
        Ok(Round {
            announced: announced_now,
        })
    }

    async fn scan(&mut self) -> Result<Scan> {
        loop {
            self.lifeline.pulse.working();
            let scanned = self.inbox.scan().await;
            self.lifeline.pulse.waiting();
            match scanned {
                Ok(scan) => {
                    self.retry.succeeded();
                    return Ok(scan);
                }
                Err(error) => self.retry.wait_out(error).await?,
            }
        }
    }

    async fn announce(&self, files: Vec<Candidate>) -> Result<Vec<PathBuf>> {
        let answer = self.reader.send(FilesFound(files)).await;
        answer.map_err(|_| closed())
    }

    /// Says that everything is finished, once it is; then never resolves.
    async fn idle(&self) -> Result<()> {
        let all = self.wait_for_all.send(WaitForAll).await;
        all.map_err(|_| closed())?;
        self.observer.observe(&Event::Idle);
        std::future::pending().await
    }
}

/// The files that have not been announced, in order; and those that have and are still there, so
/// that what is remembered is bounded by what stands in the directory.
fn split(
    ready: Vec<Candidate>,
    announced: &mut HashSet<Candidate>,
) -> (Vec<Candidate>, HashSet<Candidate>) {
    let (known, new): (Vec<_>, Vec<_>) = ready
        .into_iter()
        .partition(|candidate| announced.contains(candidate));
    (new, known.into_iter().collect())
}

fn closed() -> Error {
    Error::new(ErrorKind::Fenced, "the reader or the checkpointer ended")
}
