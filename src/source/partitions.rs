//! Rows on their way into the buffers of their partitions.

use bytes::Bytes;
use ingestd_actors::model::{RowRef, Rows};
use xxhash_rust::xxh3::xxh3_64;

use crate::plan::{LoadPlan, Routing};

/// Records of one block go to one partition, where no key decides.
const BLOCK: u64 = 4096;

/// Where a record stands: in the file and in the buffer.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub record: u64,
    pub line: u64,
    pub raw: (u32, u32),
}

/// The rows of one buffer, by partition.
#[derive(Debug)]
pub struct Partitions {
    routing: Routing,
    rows: Vec<Rows>,
    /// How much each partition's rows took for the last buffer: as much is set aside for the next.
    usual: Vec<(usize, usize, usize)>,
}

impl Partitions {
    /// No rows yet, for the partitions of a plan.
    pub fn new(plan: &LoadPlan) -> Partitions {
        let partitions = match plan.routing {
            Routing::Single => 1,
            Routing::Key | Routing::Blocks => usize::from(plan.partitions.max(1)),
        };
        Partitions {
            routing: plan.routing,
            rows: vec![Rows::default(); partitions],
            usual: vec![(0, 0, 0); partitions],
        }
    }

    /// Adds an encoded row to its partition.
    pub fn push(&mut self, place: Place, tuple: &[u8], image: &[u8]) {
        let partition = self.route(place.record, image);
        let rows = &mut self.rows[partition];
        if rows.index.is_empty() {
            let (data, keys, index) = self.usual[partition];
            rows.data.reserve(data.max(tuple.len()));
            rows.keys.reserve(keys.max(image.len()));
            rows.index.reserve(index);
        }
        append(rows, place, tuple, image);
    }

    /// Takes the rows out: those of the partitions that have any, in the partitions' order.
    pub fn take(&mut self, raw: &Bytes, raw_offset: u64) -> Vec<(u16, Rows)> {
        let mut taken = Vec::new();
        for (partition, rows) in self.rows.iter_mut().enumerate() {
            if rows.is_empty() {
                continue;
            }
            let mut rows = std::mem::take(rows);
            self.usual[partition] = (rows.data.len(), rows.keys.len(), rows.len());
            rows.raw = raw.clone();
            rows.raw_offset = raw_offset;
            taken.push((partition as u16, rows));
        }
        taken
    }

    /// Puts rows of the same buffer back, so that more can be added.
    pub fn put_back(&mut self, taken: Vec<(u16, Rows)>) {
        for (partition, rows) in taken {
            self.rows[usize::from(partition)] = rows;
        }
    }

    /// Puts each partition's index in record order again, after rows were added late.
    pub fn sort(&mut self) {
        for rows in &mut self.rows {
            rows.index.sort_by_key(|row| row.record);
        }
    }

    fn route(&self, record: u64, image: &[u8]) -> usize {
        let partitions = self.rows.len() as u64;
        let hash = match self.routing {
            Routing::Single => 0,
            Routing::Key if !image.is_empty() => xxh3_64(image),
            Routing::Key | Routing::Blocks => (record - 1) / BLOCK,
        };
        (hash % partitions) as usize
    }
}

fn append(rows: &mut Rows, place: Place, tuple: &[u8], image: &[u8]) {
    let data = append_span(&mut rows.data, tuple);
    let key = append_span(&mut rows.keys, image);
    rows.index.push(RowRef {
        record: place.record,
        line: place.line,
        data,
        key,
        raw: place.raw,
    });
}

fn append_span(buffer: &mut Vec<u8>, bytes: &[u8]) -> (u32, u32) {
    let start = buffer.len() as u32;
    buffer.extend_from_slice(bytes);
    (start, buffer.len() as u32)
}
