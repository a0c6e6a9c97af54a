//! Whether the server's time zones are the ones that the decoder knows.

use std::collections::HashMap;
use std::sync::Arc;

use ingestd_actors::error::Result;
use slog::{Logger, warn};
use tokio::sync::Mutex;

use super::Decoder;
use crate::postgres::Resolver;
use crate::row::Zone;

/// What is known of the server's zones. Each is looked at once in a pipeline's life.
#[derive(Clone)]
pub struct Zones {
    resolver: Resolver,
    same: Arc<Mutex<HashMap<String, bool>>>,
    log: Logger,
}

impl Zones {
    /// Nothing is known yet.
    pub fn new(resolver: Resolver, log: Logger) -> Zones {
        Zones {
            resolver,
            same: Arc::default(),
            log,
        }
    }

    /// Has a decoder leave the times of those zones to the server that differ there.
    ///
    /// # Errors
    /// `Configuration` where the server does not know a zone, and what keeps it from being asked.
    pub async fn check(&self, decoder: &mut Decoder) -> Result<()> {
        for zone in decoder.zones() {
            if !self.is_same(&zone).await? {
                decoder.distrust(zone.name());
            }
        }
        Ok(())
    }

    async fn is_same(&self, zone: &Zone) -> Result<bool> {
        let mut known = self.same.lock().await;
        if let Some(same) = known.get(zone.name()) {
            return Ok(*same);
        }
        let (times, offsets) = zone.samples();
        let same = self
            .resolver
            .has_offsets(zone.name(), times, offsets)
            .await?;
        if !same {
            warn!(self.log, "the server has another history or future of a time zone: it reads its times itself, which takes longer";
                "zone" => zone.name());
        }
        known.insert(zone.name().to_owned(), same);
        Ok(same)
    }
}
