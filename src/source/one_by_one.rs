//! Records that are given one by one, not as a file: each stands for itself.

use ingestd_actors::error::Result;
use ingestd_actors::model::{DeadLetter, Place, Reason, Rows};

use super::look::Eyes;
use super::{Decoded, Decoder, Origin};
use crate::plan::LoadPlan;
use crate::postgres::Resolver;

/// A record as it was read from its file, without its line end.
#[derive(Clone, Copy, Debug)]
pub struct GivenRecord<'a> {
    /// Where it stood in its file.
    pub place: Place,
    /// Its bytes, in UTF-8 as far as they are text.
    pub raw: &'a [u8],
}

/// What a record is.
#[derive(Debug)]
pub enum Fate {
    /// One row.
    Row(Rows),
    /// A filter leaves it out.
    Filtered,
    /// It is no row.
    Rejected(DeadLetter),
}

/// Decodes records of one file after the other.
pub struct OneByOne {
    decoder: Decoder,
    resolver: Resolver,
}

impl Eyes {
    /// For records of a file with this header, under a plan of one partition.
    ///
    /// # Errors
    /// `File` where the header lacks what the plan takes; `Configuration` where the plan can't be
    /// carried out.
    pub async fn one_by_one(
        &self,
        plan: &LoadPlan,
        header: &[String],
        origin: &Origin,
    ) -> Result<OneByOne> {
        let mut decoder = Decoder::new(plan, header)?.with_origin(origin);
        self.check_zones(&mut decoder).await?;
        Ok(OneByOne {
            decoder,
            resolver: self.resolver(),
        })
    }
}

impl OneByOne {
    /// Decodes a record.
    ///
    /// # Errors
    /// Where the server can't be asked for what it makes of a value.
    pub async fn decode(&mut self, record: GivenRecord<'_>) -> Result<Fate> {
        let GivenRecord { place, raw } = record;
        let mut bytes = Vec::with_capacity(raw.len() + 1);
        bytes.extend_from_slice(raw);
        bytes.push(b'\n');
        let mut decoded = self.decoder.decode_alone(&bytes, place);
        let found = decoded.to.record - decoded.from.record;
        if found != 1 {
            return Ok(Fate::Rejected(not_one(found, place, raw)));
        }
        if !decoded.pending.is_empty() {
            let questions = decoded.pending.questions().to_vec();
            let answers = self.resolver.resolve(questions).await?;
            self.decoder.complete(&mut decoded, &answers)?;
        }
        Ok(fate(decoded))
    }
}

fn fate(mut decoded: Decoded) -> Fate {
    if let Some(letter) = decoded.rejects.pop() {
        return Fate::Rejected(letter);
    }
    match decoded.partitions.pop() {
        Some((_, rows)) => Fate::Row(rows),
        None => Fate::Filtered,
    }
}

/// The dialect has changed since, or somebody has written two records instead of one.
fn not_one(found: u64, place: Place, raw: &[u8]) -> DeadLetter {
    let message = match found {
        0 => "it is a comment or a blank line, no record".to_owned(),
        found => format!("it is {found} records, not one"),
    };
    DeadLetter {
        record: place.record,
        line: place.line,
        offset: place.offset,
        length: raw.len() as u64,
        raw: bytes::Bytes::copy_from_slice(raw),
        column: None,
        reason: Reason::BadQuoting,
        message,
        sqlstate: None,
    }
}
