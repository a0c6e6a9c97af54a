//! Rows on their way into the buffers of their partitions.

use ingestd_actors::model::{Place, Rows};
use xxhash_rust::xxh3::xxh3_64;

use crate::plan::{LoadPlan, Routing};

/// Records of one block go to one partition, where no key decides.
const BLOCK: u64 = 4096;

/// The rows of one buffer, by partition.
#[derive(Debug)]
pub struct Partitions {
    routing: Routing,
    rows: Vec<Rows>,
    /// How much room each partition's rows took lately: as much is set aside for the next.
    usual: Vec<Room>,
}

/// How much room rows take, in bytes and in rows.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    data: usize,
    keys: usize,
    raw: usize,
    rows: usize,
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
            usual: vec![Room::default(); partitions],
        }
    }

    /// Adds an encoded row to its partition; `deletes`: one that deletes the row of its key.
    pub fn push(&mut self, place: Place, tuple: &[u8], image: &[u8], raw: &[u8], deletes: bool) {
        let partition = self.route(place.record, image);
        let rows = &mut self.rows[partition];
        if rows.is_empty() {
            self.usual[partition].set_aside(rows);
        }
        rows.push(place, tuple, image, raw);
        if deletes {
            rows.deletes.push(place.record);
        }
    }

    /// Takes the rows out: those of the partitions that have any, in the partitions' order.
    pub fn take(&mut self) -> Vec<(u16, Rows)> {
        let mut taken = Vec::new();
        for (partition, rows) in self.rows.iter_mut().enumerate() {
            if !rows.is_empty() {
                let rows = std::mem::take(rows);
                self.usual[partition].learn(&rows);
                taken.push((partition as u16, rows));
            }
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
            rows.deletes.sort_unstable();
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

impl Room {
    /// A little more than usual: what grows beyond its room doubles it.
    fn set_aside(self, rows: &mut Rows) {
        let room = |usual: usize| usual + usual / 8;
        rows.data.reserve(room(self.data));
        rows.keys.reserve(room(self.keys));
        rows.raw.reserve(room(self.raw));
        rows.index.reserve(room(self.rows));
    }

    /// One buffer that has few of a partition's rows does not make few of them the usual.
    fn learn(&mut self, rows: &Rows) {
        let learn = |usual: &mut usize, now: usize| *usual = now.max(*usual - usual.div_ceil(8));
        learn(&mut self.data, rows.data.len());
        learn(&mut self.keys, rows.keys.len());
        learn(&mut self.raw, rows.raw.len());
        learn(&mut self.rows, rows.len());
    }
}
