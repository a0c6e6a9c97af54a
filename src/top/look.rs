//! One look at the ledger and at the server's backends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use postgres::types::Type;
use postgres::{Client, Row, Transaction};

use super::picture::{File, InFlight, Picture, Pipeline, Writer, rates};
use super::screen::View;
use crate::ledger::known::to_unsigned;
use crate::postgres::classify;
use crate::settings;
use crate::view::backlog::{self, Backlog};
use crate::view::instances::{self, DEGRADED};
use crate::view::state;
use crate::why::{FOR_ROWS, reading, why, writers};

/// Rates are counted over the newest files alone: those after a number that moves on when there are many.
const NEWEST: i64 = 2_000;
/// What changes seldom and takes long to count is counted this often.
const SELDOM: Duration = Duration::from_secs(10);
/// The most lines of a list.
const LINES: i64 = 200;

/// Looks again and again, and remembers what it needs for rates.
#[derive(Default)]
pub struct Looker {
    /// The number after which files count, and what the pipelines had come to at the last look.
    before: Option<(i64, Instant, BTreeMap<String, u64>)>,
    rates: BTreeMap<String, u64>,
    seldom: Option<Seldom>,
}

/// What changes seldom, and takes long to count.
struct Seldom {
    counted: Instant,
    dead_letters: Vec<(String, u64)>,
    quarantined: Vec<File>,
}

impl Looker {
    /// Looks.
    ///
    /// # Errors
    /// Where the database is away, or the ledger can't be read.
    pub fn look(
        &mut self,
        client: &mut Client,
        pipelines: &[settings::Pipeline],
        view: &View,
    ) -> Result<Picture> {
        let mut transaction = reading(client)?;
        let mut picture = Picture::default();
        match view {
            View::Pipelines => self.overview(&mut transaction, &mut picture)?,
            View::Files(pipeline) => {
                picture.pipelines = self.pipelines(&mut transaction)?;
                picture.files = files(&mut transaction, pipeline)?;
            }
            View::Why(file, pipeline) => {
                picture.pipelines = self.pipelines(&mut transaction)?;
                picture.files = files(&mut transaction, pipeline)?;
                drop(transaction);
                picture.why = lines(why(client, pipelines, &file.to_string())?);
            }
        }
        Ok(picture)
    }

    fn overview(&mut self, transaction: &mut Transaction<'_>, picture: &mut Picture) -> Result<()> {
        picture.pipelines = self.pipelines(transaction)?;
        picture.in_flight = in_flight(transaction)?;
        for name in writing(transaction)? {
            let found = writers(transaction, &name)?;
            picture
                .writers
                .extend(found.into_iter().map(|writer| Writer {
                    pipeline: name.clone(),
                    lane: writer.lane,
                    backend: writer.backend,
                    does: match (&writer.blocked_by, &writer.waits_for, writer.active) {
                        (Some(blocker), ..) => {
                            format!("waits for a lock of backend {}", blocker.backend)
                        }
                        (None, Some(what), true) if what == FOR_ROWS => "takes rows".to_owned(),
                        (None, Some(what), true) => format!("waits for {what}"),
                        (None, None, true) => "works".to_owned(),
                        _ => "is idle".to_owned(),
                    },
                }));
        }
        let counted = self.seldom.take();
        let seldom = match counted.filter(|seldom| seldom.counted.elapsed() < SELDOM) {
            Some(seldom) => seldom,
            None => Seldom {
                counted: Instant::now(),
                dead_letters: dead_letters(transaction)?,
                quarantined: quarantined(transaction)?,
            },
        };
        picture.dead_letters.clone_from(&seldom.dead_letters);
        picture.quarantined.clone_from(&seldom.quarantined);
        self.seldom = Some(seldom);
        Ok(())
    }

    fn pipelines(&mut self, transaction: &mut Transaction<'_>) -> Result<Vec<Pipeline>> {
        self.measure(transaction)?;
        let sql = format!(
            "select {}, p.name, {DEGRADED} as degraded, {} from ingestd.pipelines p{}{} order by p.name",
            state::COLUMNS,
            backlog::columns(),
            instances::FROM,
            backlog::from("")
        );
        let rows = transaction
            .query_typed(&sql, &[])
            .map_err(|error| classify(error, "reading the ledger"))?;
        let pipeline = |row: &Row| {
            let name: String = row.get("name");
            let degraded: Option<String> = row.get("degraded");
            let by_whom = state::by_whom(
                row.get("wanted"),
                row.get("wanted_by"),
                row.get("wanted_at"),
            );
            let held_up_by: Vec<String> = by_whom.into_iter().chain(degraded).collect();
            let backlog = Backlog::of(row);
            let lag = Duration::try_from_secs_f64(backlog.lag).ok();
            Pipeline {
                state: state::word(row).to_owned(),
                held_up_by: held_up_by.join("; "),
                rate: self.rates.get(&name).copied(),
                backlog_files: backlog.files,
                backlog_bytes: backlog.bytes,
                lag: lag.filter(|_| backlog.files > 0),
                name,
            }
        };
        Ok(rows.iter().map(pipeline).collect())
    }

    /// What the pipelines have come to since the look before.
    fn measure(&mut self, transaction: &mut Transaction<'_>) -> Result<()> {
        let failed = |error| classify(error, "reading the ledger");
        let newest: i64 = transaction
            .query_typed_one("select coalesce(max(file_id), 0) from ingestd.files", &[])
            .map_err(failed)?
            .get(0);
        let after = match &self.before {
            Some((after, ..)) if newest - after < 5 * NEWEST => *after,
            _ => newest - NEWEST,
        };
        let rows = transaction
            .query_typed(
                "select f.pipeline, sum(coalesce(f.records, c.records, 0))::bigint
                 from ingestd.files f
                 left join lateral (
                     select sum(inserted + updated + unchanged + duplicate + deleted + filtered
                                + rejected + staged) as records
                     from ingestd.checkpoints c where c.file_id = f.file_id) c on f.records is null
                 where f.file_id > $1 group by 1",
                &[(&after, Type::INT8)],
            )
            .map_err(failed)?;
        let now = Instant::now();
        let come_to = rows.iter().map(|row| (row.get(0), to_unsigned(row.get(1))));
        let come_to: BTreeMap<String, u64> = come_to.collect();
        self.rates = match &self.before {
            Some((same, at, before)) if *same == after => rates(before, &come_to, now - *at),
            _ => BTreeMap::new(),
        };
        self.before = Some((after, now, come_to));
        Ok(())
    }
}

fn in_flight(transaction: &mut Transaction<'_>) -> Result<Vec<InFlight>> {
    let rows = transaction
        .query_typed(
            "select f.file_id, f.path, f.pipeline, f.size,
                    greatest(f.watermark_offset, c.byte) as reached, coalesce(c.records, 0)::bigint
                        as records,
                    f.path ~ '\\.(gz|zst|zstd)$' as compressed
             from ingestd.files f
             left join lateral (
                 select max(byte) as byte,
                        sum(inserted + updated + unchanged + duplicate + deleted + filtered
                            + rejected + staged) as records
                 from ingestd.checkpoints c where c.file_id = f.file_id) c on true
             where f.state in ('READING', 'COMPLETED')
             order by f.pipeline, f.file_id limit $1",
            &[(&LINES, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let flight = |row: &Row| {
        let size = to_unsigned(row.get("size"));
        let reached = to_unsigned(row.get("reached"));
        let known = !row.get::<_, bool>("compressed") && size > 0;
        InFlight {
            file: row.get("file_id"),
            path: row.get("path"),
            pipeline: row.get("pipeline"),
            share: known.then(|| (u128::from(reached.min(size)) * 1000 / u128::from(size)) as u64),
            records: to_unsigned(row.get("records")),
        }
    };
    Ok(rows.iter().map(flight).collect())
}

/// The pipelines that have backends.
fn writing(transaction: &mut Transaction<'_>) -> Result<Vec<String>> {
    let rows = transaction
        .query_typed(
            "select distinct w.pipeline from ingestd.writers w
             join ingestd.live_instances i using (instance) order by 1",
            &[],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn dead_letters(transaction: &mut Transaction<'_>) -> Result<Vec<(String, u64)>> {
    let rows = transaction
        .query_typed(
            "select reason, count(*) from ingestd.dead_letters
             where status = 'NEW' group by 1 order by 2 desc, 1 limit 8",
            &[],
        )
        .map_err(|error| classify(error, "counting dead letters"))?;
    let counted = rows.iter().map(|row| (row.get(0), to_unsigned(row.get(1))));
    Ok(counted.collect())
}

const FILE: &str =
    "select f.file_id, f.path, f.state, coalesce(f.records, f.watermark_record) as records,
           coalesce(f.reason, '') as reason
    from ingestd.files f";

fn quarantined(transaction: &mut Transaction<'_>) -> Result<Vec<File>> {
    let sql = format!("{FILE} where f.state = 'QUARANTINED' order by f.file_id desc limit 5");
    let rows = transaction
        .query_typed(&sql, &[])
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(rows.iter().map(file).collect())
}

fn files(transaction: &mut Transaction<'_>, pipeline: &str) -> Result<Vec<File>> {
    let sql = format!("{FILE} where f.pipeline = $1 order by f.file_id desc limit $2");
    let rows = transaction
        .query_typed(&sql, &[(&pipeline, Type::TEXT), (&LINES, Type::INT8)])
        .map_err(|error| classify(error, "reading the ledger"))?;
    Ok(rows.iter().map(file).collect())
}

fn file(row: &Row) -> File {
    File {
        file: row.get("file_id"),
        path: row.get("path"),
        state: row.get("state"),
        records: to_unsigned(row.get("records")),
        reason: row.get("reason"),
    }
}

/// An answer as `ingestd why` says it.
fn lines(answer: Option<crate::why::Answer>) -> Vec<(String, String)> {
    let Some(answer) = answer else {
        let gone = "the ledger has forgotten it".to_owned();
        return vec![("because".to_owned(), gone)];
    };
    answer.lines()
}
