//! Files that change while they are read.

use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use postgres::types::Type;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::super::wave::{Flow, cut_at_line};
use super::{Field, hold};

/// How long a file may take until it is read: there may be others before it.
const UNTIL_IT_IS_READ: Duration = Duration::from_millis(1_500);

/// A file is written in place, and added to while it is read, by whole lines: the rule `appended =
/// "tail"` wants all of it, once. It stays in the inbox, so that it grows there however far its
/// loading has come.
pub fn grow(field: &mut Field<'_>, number: u64, random: &mut ChaCha8Rng) -> Result<()> {
    let rows = random.random_range(500..=3_000);
    let (name, text) = field.wave.add_growing(number, rows)?;
    let (first, mut rest) = cut_at_line(&text, text.len() / 2);
    field.places.write_in_place(Flow::Growing, &name, first)?;
    wait_until_read(field, &name);
    while !rest.is_empty() {
        hold(random, 0..=40);
        let (piece, left) = rest.split_at(next_cut(rest, random.random_range(1..=rest.len())));
        field.places.append(Flow::Growing, &name, piece)?;
        rest = left;
    }
    Ok(())
}

/// Where a piece of about `at` bytes ends, between two records.
fn next_cut(rest: &[u8], at: usize) -> usize {
    match at < crate::generate::HEADER.len() {
        true => rest.len(),
        false => cut_at_line(rest, at).0.len(),
    }
}

/// A file is replaced by rename while it is read, by one that has the same keys with other values:
/// whichever rows of the first one were written, those of the last one stand at the end.
pub fn replace(field: &mut Field<'_>, number: u64, random: &mut ChaCha8Rng) -> Result<()> {
    let rows = random.random_range(500..=4_000);
    let (name, first, last) = field.wave.add_replaced(number, rows)?;
    field.places.drop_file(Flow::Keyed, &name, &first)?;
    wait_until_read(field, &name);
    hold(random, 0..=30);
    field.places.drop_file(Flow::Keyed, &name, &last)
}

/// Waits until the ledger says that a file is read, or was; not for ever.
fn wait_until_read(field: &mut Field<'_>, name: &str) {
    let path = format!("%/{name}");
    let deadline = Instant::now() + UNTIL_IT_IS_READ;
    while Instant::now() < deadline {
        let query = "select count(*) from ingestd.files
                     where file_id > $2 and path like $1 and state <> 'SCHEDULED'";
        let parameters: [(&(dyn postgres::types::ToSql + Sync), Type); 2] =
            [(&path, Type::TEXT), (&field.base, Type::INT8)];
        let found = field
            .watcher
            .client()
            .and_then(|client| client.query_typed_one(query, &parameters).ok());
        if found.is_some_and(|row| row.get::<_, i64>(0) > 0) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
