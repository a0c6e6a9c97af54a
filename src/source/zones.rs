//! How far the server's time zones are the ones that the decoder knows.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use ingestd_actors::error::Result;
use jiff::Timestamp;
use slog::{Logger, warn};
use tokio::sync::Mutex;

use super::Decoder;
use crate::postgres::Resolver;
use crate::row::Zone;

/// What is known of the server's zones. Each is looked at once in a pipeline's life.
#[derive(Clone)]
pub struct Zones {
    resolver: Resolver,
    /// The local times that mean the same on the server, by the zone's name.
    agreed: Arc<Mutex<HashMap<String, Range<i64>>>>,
    log: Logger,
}

impl Zones {
    /// Nothing is known yet.
    pub fn new(resolver: Resolver, log: Logger) -> Zones {
        Zones {
            resolver,
            agreed: Arc::default(),
            log,
        }
    }

    /// Has a decoder leave those times to the server that mean something else there.
    ///
    /// # Errors
    /// `Configuration` where the server does not know a zone, and what keeps it from being asked.
    pub async fn check(&self, decoder: &mut Decoder) -> Result<()> {
        for zone in decoder.zones() {
            decoder.agree(zone.name(), &self.agreed_on(&zone).await?);
        }
        Ok(())
    }

    async fn agreed_on(&self, zone: &Zone) -> Result<Range<i64>> {
        let mut known = self.agreed.lock().await;
        if let Some(agreed) = known.get(zone.name()) {
            return Ok(agreed.clone());
        }
        let (times, offsets) = zone.samples();
        let differing = self.resolver.differing_offsets(zone.name(), times, offsets);
        let differing = differing.await?;
        let agreed = zone.agreed(&differing);
        if let Some(first) = differing.first() {
            let since = Timestamp::from_second(*first).map_or(String::new(), |it| it.to_string());
            warn!(self.log, "the server's data of a time zone are of another version: it is asked for some times, which takes longer";
                "zone" => zone.name(), "since" => since, "differences" => differing.len());
        }
        known.insert(zone.name().to_owned(), agreed.clone());
        Ok(agreed)
    }
}
