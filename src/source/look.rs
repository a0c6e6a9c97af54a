//! Looking through a file that nobody loads: the same decoding, and nothing is noted anywhere.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use ingestd_actors::error::Result;
use ingestd_actors::model::{Claim, Epoch, FileId, Plan, Position};
use ingestd_actors::port::RecordStream;
use ingestd_actors::supervision::Pulse;
use slog::Logger;

use super::open::begin;
use super::stream::{CsvStream, lost_thread};
use super::zones::Zones;
use super::{Decoder, Origin};
use crate::fs::{candidate_of, file_error};
use crate::plan::LoadPlan;
use crate::postgres::{Database, Resolver};

/// A file that is to be looked through.
pub struct Looking {
    /// The file.
    pub file: File,
    /// What it is decoded under.
    pub plan: LoadPlan,
    /// Where its own records begin.
    pub base: Position,
    /// What columns that are derived from the file get.
    pub origin: Origin,
    /// No chunk has more records than this.
    pub most_records: usize,
}

/// Looks through files; the server is asked about values that the decoder does not recognise.
#[derive(Clone)]
pub struct Eyes {
    database: Database,
    resolver: Resolver,
    zones: Zones,
}

impl Eyes {
    /// On a database whose ledger is there.
    pub fn new(database: &Database, log: Logger) -> Eyes {
        let resolver = Resolver::new(database.clone());
        Eyes {
            database: database.clone(),
            zones: Zones::new(resolver.clone(), log),
            resolver,
        }
    }

    pub(super) async fn check_zones(&self, decoder: &mut Decoder) -> Result<()> {
        self.zones.check(decoder).await
    }

    pub(super) fn resolver(&self) -> Resolver {
        self.resolver.clone()
    }

    /// The file's chunks, then its end.
    ///
    /// # Errors
    /// `File` where it can't be read under its plan.
    pub async fn open(&self, looking: Looking) -> Result<Box<dyn RecordStream>> {
        let runtime = self.database.runtime().clone();
        let opening = runtime.spawn_blocking(move || {
            let claim = unclaimed(&looking)?;
            let Looking {
                file,
                plan,
                origin,
                most_records,
                ..
            } = looking;
            begin(&claim, &plan, file, || Ok(origin), most_records)
        });
        let mut reading = opening.await.map_err(lost_thread)??;
        self.zones.check(reading.decoder()).await?;
        let stream = CsvStream::new(reading, runtime, self.resolver.clone(), Pulse::default());
        Ok(Box::new(stream))
    }
}

/// What a claim would be of a file that nobody has claimed.
fn unclaimed(looking: &Looking) -> Result<Claim> {
    let metadata = looking.file.metadata();
    let metadata = metadata.map_err(|error| file_error(error, "looking at the file"))?;
    Ok(Claim {
        file: FileId(0),
        candidate: candidate_of(PathBuf::new(), &metadata),
        ends: None,
        epoch: Epoch(0),
        plan: Arc::new(Plan {
            id: 0,
            partitions: looking.plan.partitions,
            definition: String::new(),
            all_or_nothing: false,
        }),
        base: looking.base,
        checkpoints: Vec::new(),
        watermark: looking.base,
        hash_mark: None,
        rejected: 0,
    })
}
