//! What the checkpointer is told and asked.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix::{Context, Handler, Message, ResponseFuture};

use super::{Checkpointer, Ending, OpenFile};
use crate::answer::later;
use crate::error::Result;
use crate::failpoint::{Step, pass_at_once};
use crate::flow::FileTracker;
use crate::model::{Candidate, Claim, Counts, Epoch, FileId, FileState, HashMark, Lane, Position};
use crate::port::{Leaving, Measured};

/// A file's reading begins.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FileOpened(pub Claim);

impl Handler<FileOpened> for Checkpointer {
    type Result = ();

    fn handle(&mut self, FileOpened(claim): FileOpened, context: &mut Context<Self>) {
        let open = OpenFile {
            epoch: claim.epoch,
            tracker: FileTracker::new(claim.resume_at(), claim.hash_mark),
            candidate: claim.candidate,
            plan: claim.plan,
            turn: self.opened,
            noted: None,
            counts: Counts::default(),
            rejected_before: claim.rejected,
            lanes: BTreeMap::new(),
            started: Instant::now(),
            ending: None,
            read_for: Duration::ZERO,
            waited_for: Duration::ZERO,
        };
        self.opened += 1;
        self.files.insert(claim.file, open);
        self.note_opened_soon(context);
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

    fn handle(&mut self, chunk: ChunkAccepted, _: &mut Context<Self>) {
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

    fn handle(&mut self, moved: LaneMoved, context: &mut Context<Self>) {
        if let Some(open) = self.current(moved.file, moved.epoch) {
            open.tracker.moved(moved.lane, moved.to);
            open.counts += moved.counts;
            open.lanes.insert(moved.lane, moved.to);
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
    /// How long its reader had to wait for credit.
    pub waited: Duration,
}

impl Handler<FileEnded> for Checkpointer {
    type Result = ();

    fn handle(&mut self, ended: FileEnded, context: &mut Context<Self>) {
        if let Some(open) = self.current(ended.file, ended.epoch) {
            open.read_for = open.started.elapsed();
            open.waited_for = ended.waited;
            let complete = matches!(ended.ending, Ending::Complete(_));
            open.ending = Some(ended.ending);
            if complete {
                self.measure(Measured::State(FileState::Completed));
            }
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

    fn handle(&mut self, TakeOut(leaving): TakeOut, context: &mut Context<Self>) {
        if let Leaving::Quarantine(quarantined) = &leaving {
            self.announce_quarantined(quarantined);
        }
        self.leave(leaving, context);
    }
}

/// Which of these are being loaded, under this name or another name of the same inode.
#[derive(Debug, Message)]
#[rtype(result = "Vec<bool>")]
pub struct AreOpen(pub Vec<Candidate>);

impl Handler<AreOpen> for Checkpointer {
    type Result = Vec<bool>;

    fn handle(&mut self, AreOpen(found): AreOpen, _: &mut Context<Self>) -> Self::Result {
        let open = || self.files.values().map(|open| &open.candidate);
        let paths: HashSet<&PathBuf> = open().map(|it| &it.path).collect();
        let inodes: HashSet<(u64, u64)> = open().map(|it| (it.device, it.inode)).collect();
        found
            .iter()
            .map(|it| paths.contains(&it.path) || inodes.contains(&(it.device, it.inode)))
            .collect()
    }
}

/// Who waits for all files to be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asker {
    /// The reader, before it opens a file of another plan.
    Reader,
    /// The watcher, before it says that the pipeline is idle.
    Watcher,
}

/// Asks for an answer once no file is open any more, and all have left.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct WaitForAll(pub Asker);

impl Handler<WaitForAll> for Checkpointer {
    type Result = ResponseFuture<Result<()>>;

    fn handle(
        &mut self,
        WaitForAll(asker): WaitForAll,
        context: &mut Context<Self>,
    ) -> Self::Result {
        let (owed, answer) = later("the checkpointer");
        self.waiting_for_all.insert(asker, owed);
        self.step(context);
        answer
    }
}

/// Asks for an answer once another file may be opened, or leave.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct WaitForRoom;

impl Handler<WaitForRoom> for Checkpointer {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: WaitForRoom, context: &mut Context<Self>) -> Self::Result {
        let (owed, answer) = later("the checkpointer");
        self.waiting_for_room.push(owed);
        self.step(context);
        answer
    }
}

/// Asks for an answer once everything that was read to its end is committed and has left, and the
/// ledger knows how far the rest has come.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct Settle;

impl Handler<Settle> for Checkpointer {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: Settle, context: &mut Context<Self>) -> Self::Result {
        let (owed, answer) = later("the checkpointer");
        if let Err(error) = pass_at_once(Step::DrainSettle) {
            self.lifeline.fail(error, context);
            return answer;
        }
        self.waiting_for_rest.push(owed);
        self.step(context);
        answer
    }
}
