//! Writes the batches of one partition, one at a time, over a connection of its own.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorFutureExt, AtomicResponse, Context, Handler, Message, WrapFuture};

use crate::error::Result;
use crate::failpoint::{Step, pass};
use crate::model::{Batch, Written};
use crate::port::{BatchWriter, Event, Measured, Observer, Sink};
use crate::retry::Retry;
use crate::supervision::{Lifeline, Pulse};

/// What a writer needs.
#[derive(Clone)]
pub struct Deps {
    /// Where rows go.
    pub sink: Arc<dyn Sink>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor.
pub struct PartitionWriter {
    partition: u16,
    deps: Deps,
    lifeline: Lifeline,
    connection: Option<Box<dyn BatchWriter>>,
}

impl PartitionWriter {
    /// A writer that connects with its first batch.
    pub fn new(partition: u16, deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            partition,
            deps,
            lifeline,
            connection: None,
        }
    }
}

impl Actor for PartitionWriter {
    type Context = Context<Self>;
}

/// A batch to be written; the answer comes once it is durable, and is the only acknowledgement.
#[derive(Debug, Message)]
#[rtype(result = "Result<Written>")]
pub struct Write(pub Arc<Batch>);

impl Handler<Write> for PartitionWriter {
    type Result = AtomicResponse<Self, Result<Written>>;

    fn handle(&mut self, Write(batch): Write, _: &mut Self::Context) -> Self::Result {
        let attempt = Attempt {
            partition: self.partition,
            sink: Arc::clone(&self.deps.sink),
            connection: self.connection.take(),
            pulse: self.lifeline.pulse.clone(),
            observer: Arc::clone(&self.deps.observer),
            retry: Retry::new(
                format!("writer {}", self.partition),
                Arc::clone(&self.deps.observer),
                self.deps.log.clone(),
            ),
        };
        let writing = attempt.write(Arc::clone(&batch)).into_actor(self);
        AtomicResponse::new(Box::pin(writing.map(
            move |(connection, result), actor, _| {
                actor.lifeline.pulse.waiting();
                actor.connection = connection;
                if let Ok(written) = &result {
                    actor.log_batch(&batch, written);
                }
                result
            },
        )))
    }
}

impl PartitionWriter {
    fn log_batch(&self, batch: &Batch, written: &Written) {
        let times = written.times;
        slog::debug!(self.deps.log, "batch committed";
            "partition" => self.partition, "rows" => batch.rows(), "bytes" => batch.bytes(),
            "files" => batch.shares.len(),
            "prepare_us" => times.prepare.as_micros() as u64,
            "fence_us" => times.fence.as_micros() as u64,
            "write_us" => times.write.as_micros() as u64,
            "commit_us" => times.commit.as_micros() as u64);
    }
}

/// One batch on its way, with what it needs taken out of the actor.
struct Attempt {
    partition: u16,
    sink: Arc<dyn Sink>,
    connection: Option<Box<dyn BatchWriter>>,
    pulse: Pulse,
    observer: Arc<dyn Observer>,
    retry: Retry,
}

impl Attempt {
    /// Writes the batch, again and again while what hinders it passes by itself. The connection
    /// survives success only.
    async fn write(mut self, batch: Arc<Batch>) -> (Option<Box<dyn BatchWriter>>, Result<Written>) {
        loop {
            let started = Instant::now();
            match self.write_once(Arc::clone(&batch)).await {
                Ok(written) => {
                    self.retry.succeeded();
                    self.measure(&batch, &written, started);
                    return (self.connection, Ok(written));
                }
                Err(error) => {
                    self.connection = None;
                    self.pulse.waiting();
                    self.observer.observe(&Event::Measured(Measured::Unwritten {
                        took: started.elapsed(),
                        code: error.code().map(str::to_owned),
                    }));
                    if let Err(error) = self.retry.wait_out(error).await {
                        return (None, Err(error));
                    }
                }
            }
        }
    }

    fn measure(&self, batch: &Batch, written: &Written, started: Instant) {
        self.observer.observe(&Event::Measured(Measured::Batch {
            partition: self.partition,
            rows: batch.rows() as u64,
            took: started.elapsed(),
            fence: written.times.fence,
        }));
        for &(reason, count) in &written.dead_letters {
            let measured = Measured::DeadLetters { reason, count };
            self.observer.observe(&Event::Measured(measured));
        }
    }

    async fn write_once(&mut self, batch: Arc<Batch>) -> Result<Written> {
        self.pulse.working();
        let connection = match self.connection.take() {
            Some(connection) => self.connection.insert(connection),
            None => {
                pass(Step::WriterConnect).await?;
                let opened = self.sink.open(self.partition, self.pulse.clone()).await?;
                self.pulse.working();
                self.connection.insert(opened)
            }
        };
        pass(Step::WriterWrite).await?;
        let written = connection.write(batch).await?;
        // The server has answered: what is left to do has to end by itself.
        self.pulse.working();
        pass(Step::WriterAnswer).await?;
        Ok(written)
    }
}
