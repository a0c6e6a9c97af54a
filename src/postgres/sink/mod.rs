//! Where rows go: batches become transactions.
//!
//! A batch goes the way that looks best: COPY straight into the table while its keys look new; COPY
//! into a staging table and INSERT … ON CONFLICT where they don't; and where the server refuses rows,
//! the careful way, which finds them by bisection and makes them dead letters. All three move the
//! checkpoints first.

mod acknowledged;
mod bisection;
mod careful;
pub mod choice;
pub mod copy_data;
pub mod dry_run;
mod fault;
mod load;
mod merge_sql;
pub mod move_sql;
pub mod moving;
mod pace;
mod presence;
mod refused;
mod room;
mod row_work;
pub mod selection;
mod sifted;
pub mod single;
mod staged_data;
mod staging;
mod statements;
mod tuple;
pub mod writer;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ingestd_actors::error::Result;
use ingestd_actors::model::{Batch, Lane, Written};
use ingestd_actors::port::{BatchWriter, PortFuture, Sink};
use ingestd_actors::supervision::Pulse;
use uuid::Uuid;

use super::Database;
use super::link::Owner;
use acknowledged::Acknowledged;
pub use load::ASK_WHY;
use writer::Writer;

/// The tables of one pipeline.
pub struct PostgresSink {
    database: Database,
    pipeline: String,
    instance: Uuid,
    lock_timeout: Duration,
    /// Of each partition; it outlives the partition's writers.
    acknowledged: std::sync::Mutex<HashMap<u16, Memory>>,
}

/// What a lane was seen to commit, shared by its writers, of which one works at a time.
type Memory = Arc<tokio::sync::Mutex<Acknowledged>>;

impl PostgresSink {
    /// The tables of `pipeline`, written by this life (`instance`) of the service.
    pub fn new(database: Database, pipeline: impl Into<String>, instance: Uuid) -> PostgresSink {
        PostgresSink {
            database,
            pipeline: pipeline.into(),
            instance,
            lock_timeout: Duration::from_secs(10),
            acknowledged: std::sync::Mutex::default(),
        }
    }

    /// How long a statement waits for a lock; 10 s unless told.
    pub fn with_lock_timeout(mut self, timeout: Duration) -> PostgresSink {
        self.lock_timeout = timeout;
        self
    }

    fn memory(&self, partition: u16) -> Memory {
        let all = self.acknowledged.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        all.entry(partition).or_default().clone()
    }

    /// Whose connection the writer of a partition has.
    pub fn owner(&self, partition: u16) -> Owner {
        Owner {
            database: self.database.clone(),
            pipeline: self.pipeline.clone(),
            lane: Lane::Partition(partition).number(),
            instance: self.instance,
            lock_timeout: self.lock_timeout,
        }
    }
}

impl Sink for PostgresSink {
    fn open(&self, partition: u16, pulse: Pulse) -> PortFuture<Box<dyn BatchWriter>> {
        let owner = self.owner(partition);
        let memory = self.memory(partition);
        pulse.waiting();
        self.database.run(async move {
            let mut writer = Writer::new(owner.clone()).with_memory(memory.clone());
            writer.connect().await?;
            Ok(Box::new(PostgresWriter {
                owner,
                memory,
                writer: Some(writer),
                pulse,
            }) as Box<dyn BatchWriter>)
        })
    }
}

/// A writer that works on the connections' runtime.
///
/// While it works, the writer is away; where its task is given up or panics, it stays away, its
/// connection is closed with whatever was open on it, and the next batch starts with a new one.
struct PostgresWriter {
    owner: Owner,
    memory: Memory,
    writer: Option<Writer>,
    pulse: Pulse,
}

impl BatchWriter for PostgresWriter {
    fn write(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<Written>> {
        let writer = self.writer.take();
        let mut writer = writer
            .unwrap_or_else(|| Writer::new(self.owner.clone()).with_memory(self.memory.clone()));
        // Next to all of it is waiting on the server.
        self.pulse.waiting();
        let working = self.owner.database.run(async move {
            let result = writer.write(&batch).await;
            Ok((writer, result))
        });
        async move {
            let (writer, result) = working.await?;
            self.writer = Some(writer);
            result
        }
        .boxed()
    }
}
