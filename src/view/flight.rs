//! The files that are being loaded, and those that come next.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::backlog::WAITING;
use super::counts::among;
use super::{count, time};

/// How many are told of.
const MOST: usize = 20;

/// A file on its way.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InFlight {
    /// Its number.
    pub file: i64,
    /// Its pipeline.
    pub pipeline: String,
    /// Where it was found.
    pub path: String,
    /// READING, COMPLETED or SCHEDULED.
    #[schema(example = "READING")]
    pub state: String,
    /// Its length.
    pub bytes: u64,
    /// Its bytes that are durable. Of a compressed file they are bytes of its text.
    pub durable_bytes: u64,
    /// The share of it that is durable, 0 to 1; null where its text is longer than it is.
    pub share: Option<f64>,
    /// When it was found.
    pub discovered_at: String,
    /// When its reading began.
    pub started_at: Option<String>,
}

/// The statement for [`InFlight::of`]: by an index that has only files on their way.
pub fn query() -> String {
    format!(
        "select f.file_id, f.pipeline, f.path, f.state, f.size,
       greatest(f.watermark_offset - f.base_offset, 0) as durable,
       {} as discovered, {} as started
from ingestd.pipelines p
join ingestd.files f on f.pipeline = p.name and f.state in {}
order by f.state = 'SCHEDULED', f.file_id limit {MOST}",
        time("f.discovered_at"),
        time("f.started_at"),
        among(&WAITING)
    )
}

impl InFlight {
    /// A row of [`query`].
    pub fn of(row: &Row) -> InFlight {
        let (bytes, durable_bytes) = (count(row, "size"), count(row, "durable"));
        InFlight {
            file: row.get("file_id"),
            pipeline: row.get("pipeline"),
            path: row.get("path"),
            state: row.get("state"),
            bytes,
            durable_bytes,
            share: share(durable_bytes, bytes),
            discovered_at: row.get("discovered"),
            started_at: row.get("started"),
        }
    }
}

/// PURE: to the percent of a percent.
fn share(durable: u64, bytes: u64) -> Option<f64> {
    let known = durable <= bytes && bytes > 0;
    known.then(|| (durable as f64 / bytes as f64 * 10_000.0).round() / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_where_it_is_known() {
        assert_eq!(share(1, 3), Some(0.3333));
        assert_eq!(share(3, 3), Some(1.0));
        assert_eq!(share(0, 5), Some(0.0));
        assert_eq!(share(4, 3), None, "a compressed one");
        assert_eq!(share(0, 0), None);
    }
}
