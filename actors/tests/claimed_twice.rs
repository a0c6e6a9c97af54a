//! A file that is claimed again while what the former claim has read is still on its way.

use std::sync::{Arc, Mutex};

use actix::{Actor, Context, Handler, Message, Recipient, ResponseFuture};
use ingestd_actors::batch_accumulator::{BatchAccumulator, Decoded, Deps, OpenFileFor};
use ingestd_actors::checkpointer::{ChunkAccepted, FileEnded, FileOpened, LaneMoved};
use ingestd_actors::dead_letters::StoreRejects;
use ingestd_actors::error::{ErrorKind, Result};
use ingestd_actors::flow::{Budget, Limits};
use ingestd_actors::model::*;
use ingestd_actors::port::{Event, Observer};
use ingestd_actors::supervision::{ChildExited, ExitReason, spawn};
use ingestd_actors::writer_supervisor::WriteBatch;
use tokio::sync::mpsc;

/// Stands for all neighbours: keeps batches without an answer, and hears of the end.
struct Neighbours {
    batches: Arc<Mutex<Vec<Arc<Batch>>>>,
    exits: mpsc::UnboundedSender<ExitReason>,
}

impl Actor for Neighbours {
    type Context = Context<Self>;
}

impl Handler<WriteBatch> for Neighbours {
    type Result = ResponseFuture<Result<Written>>;

    fn handle(&mut self, WriteBatch(batch): WriteBatch, _: &mut Self::Context) -> Self::Result {
        self.batches.lock().expect("no panic").push(batch);
        Box::pin(std::future::pending())
    }
}

impl Handler<StoreRejects> for Neighbours {
    type Result = ResponseFuture<Result<Vec<ShareOutcome>>>;

    fn handle(&mut self, _: StoreRejects, _: &mut Self::Context) -> Self::Result {
        Box::pin(std::future::pending())
    }
}

impl Handler<ChildExited> for Neighbours {
    type Result = ();

    fn handle(&mut self, exit: ChildExited, _: &mut Self::Context) {
        // The test may have ended.
        let _ = self.exits.send(exit.reason);
    }
}

fn ignore<M: Message<Result = ()> + Send>(_: M) {}

impl Handler<FileOpened> for Neighbours {
    type Result = ();
    fn handle(&mut self, message: FileOpened, _: &mut Self::Context) {
        ignore(message);
    }
}

impl Handler<ChunkAccepted> for Neighbours {
    type Result = ();
    fn handle(&mut self, message: ChunkAccepted, _: &mut Self::Context) {
        ignore(message);
    }
}

impl Handler<LaneMoved> for Neighbours {
    type Result = ();
    fn handle(&mut self, message: LaneMoved, _: &mut Self::Context) {
        ignore(message);
    }
}

impl Handler<FileEnded> for Neighbours {
    type Result = ();
    fn handle(&mut self, message: FileEnded, _: &mut Self::Context) {
        ignore(message);
    }
}

struct Nobody;

impl Observer for Nobody {
    fn observe(&self, _: &Event) {}
}

fn at(record: u64) -> Position {
    Position {
        record,
        offset: record * 10,
        line: record + 1,
    }
}

fn claim(epoch: i64) -> Claim {
    let lane = |lane| Checkpoint {
        lane,
        position: Position::START,
    };
    Claim {
        file: FileId(1),
        candidate: Candidate {
            path: "a.csv".into(),
            size: 100,
            modified: 0,
            device: 1,
            inode: 1,
        },
        ends: None,
        epoch: Epoch(epoch),
        plan: Arc::new(Plan {
            id: 1,
            partitions: 1,
            definition: String::new(),
            all_or_nothing: false,
        }),
        base: Position::START,
        checkpoints: vec![lane(Lane::Partition(0)), lane(Lane::Rejects)],
        watermark: Position::START,
        hash_mark: None,
        rejected: 0,
    }
}

/// One record of the file.
fn chunk(epoch: i64, record: u64) -> Chunk {
    let mut rows = Rows::default();
    let place = Place {
        record,
        line: record + 1,
        offset: record * 10,
    };
    rows.push(place, b"", b"", b"");
    Chunk {
        file: FileId(1),
        epoch: Epoch(epoch),
        from: at(record - 1),
        to: at(record),
        partitions: vec![(0, rows)],
        rejects: Vec::new(),
        filtered: Filtered::default(),
        hash_mark: None,
    }
}

fn deps(neighbours: &actix::Addr<Neighbours>) -> Deps {
    fn to<M>(neighbours: &actix::Addr<Neighbours>) -> Recipient<M>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Neighbours: Handler<M>,
        Context<Neighbours>: actix::dev::ToEnvelope<Neighbours, M>,
    {
        neighbours.clone().recipient()
    }
    Deps {
        writers: to(neighbours),
        dead_letters: to(neighbours),
        opened: to(neighbours),
        accepted: to(neighbours),
        moved: to(neighbours),
        ended: to(neighbours),
        observer: Arc::new(Nobody),
        limits: Limits {
            rows: 100,
            bytes: 1 << 20,
        },
        memory: 1 << 20,
        budget: Budget::default(),
    }
}

#[test]
fn a_file_that_is_claimed_again_while_it_is_loaded_is_not_queued_twice() {
    actix::System::new().block_on(async {
        let (exits, mut ended) = mpsc::unbounded_channel();
        let batches = Arc::default();
        let neighbours = Neighbours {
            batches: Arc::clone(&batches),
            exits,
        }
        .start();
        let deps = deps(&neighbours);
        let (accumulator, _handle) = spawn(
            "batch accumulator",
            1,
            neighbours.recipient(),
            move |lifeline| BatchAccumulator::new(deps, lifeline),
        );
        let sent = "the accumulator lives";
        accumulator.send(OpenFileFor(claim(1))).await.expect(sent);
        // The first is in flight for ever, the second waits for it.
        let accepted = accumulator.send(Decoded(chunk(1, 1))).await;
        accepted.expect(sent).expect("credit");
        let accepted = accumulator.send(Decoded(chunk(1, 2))).await;
        accepted.expect(sent).expect("credit");
        accumulator.do_send(OpenFileFor(claim(2)));
        let reason = ended.recv().await.expect("an exit");
        assert!(
            matches!(&reason, ExitReason::Failed(error) if error.kind() == ErrorKind::Bug),
            "{reason}"
        );
        assert!(accumulator.send(Decoded(chunk(2, 1))).await.is_err());
        assert_eq!(batches.lock().expect("no panic").len(), 1);
    });
}
