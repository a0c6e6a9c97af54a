//! A replay, from its first part to its last.

use std::collections::BTreeMap;
use std::time::Duration;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{ReplayStep, Step, pass};
use ingestd_actors::supervision::Pulse;
use serde::Serialize;
use slog::Logger;
use tokio_postgres::types::{ToSql, Type};
use tokio_util::task::AbortOnDropHandle;

use super::failing::Failing;
use super::filter::{CONDITION, LetterFilter};
use super::form::{Form, forms};
use super::left_over::end_left_over;
use super::mended::{Mended, MendedRow, check_names};
use super::notes::{close, keep_alive, newest_mode, note_direction, open};
use super::part::{self, Key};
use super::patience::Patience;
use super::tally::Tally;
use super::trial::{Part, Trial};
use crate::plan::WriteMode;
use crate::postgres::link::Link;
use crate::postgres::{Database, classify};
use crate::settings::Pipeline;
use crate::source::Eyes;

/// The most letters of a part, and about the most bytes of their records.
const LETTERS: usize = 100;
const BYTES: i64 = 8 << 20;

/// How long a part waits for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// So many letters that stay NEW are told of one by one.
const TOLD: usize = 20;

/// A replay of dead letters of one pipeline.
pub struct Replay {
    /// Where they are.
    pub database: Database,
    /// The pipeline's name.
    pub pipeline: String,
    /// Its configuration; `None` where it has none: then the plan counts that their file was loaded under.
    pub settings: Option<Pipeline>,
    /// Which letters, of those that are NEW.
    pub filter: LetterFilter,
    /// What somebody has mended: only these letters then.
    pub mended: Option<Mended>,
    /// Whether a row may replace or delete what is in the table, where no version decides.
    pub overwrite: bool,
    /// Whether everything is rolled back.
    pub dry_run: bool,
    /// Who it is.
    pub by: String,
    /// Where it is told.
    pub log: Logger,
}

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// Its number in `ingestd.replays`; none of a dry run.
    pub replay: Option<i64>,
    /// The pipeline.
    pub pipeline: String,
    /// Whether everything was rolled back.
    pub dry_run: bool,
    /// What became of the letters.
    #[serde(flatten)]
    pub tally: Tally,
    /// Some of those that stay NEW.
    pub still_new: Vec<Failing>,
}

impl Replay {
    /// Carries it out, noted as a replay of its own.
    ///
    /// # Errors
    /// Where it can't go on; what its parts have committed stays.
    pub async fn run(self) -> Result<ReplayReport> {
        let run = match self.dry_run {
            true => None,
            false => Some((open(&self).await?, 1)),
        };
        let (database, pipeline) = (self.database.clone(), self.pipeline.clone());
        let report = self.go_on(run, None).await?;
        if run.is_some() {
            // What it has done is done all the same: a service or the next replay ends them then.
            let _ = end_left_over(&database, Some(&pipeline)).await;
        }
        Ok(report)
    }

    /// Goes on with one that is noted, under this number and epoch, behind that letter.
    ///
    /// # Errors
    /// See [`Replay::run`].
    pub async fn go_on(self, run: Option<(i64, i64)>, at: Option<Key>) -> Result<ReplayReport> {
        let mut runner = Runner {
            eyes: Eyes::new(&self.database, self.log.clone()),
            mended: BTreeMap::new(),
            replay: &self,
            trial: None,
            run,
            at,
            descending: true,
            pulse: Pulse::default(),
            report: ReplayReport {
                replay: run.map(|run| run.0),
                pipeline: self.pipeline.clone(),
                dry_run: self.dry_run,
                ..ReplayReport::default()
            },
        };
        let alive = run.map(|run| {
            let keeping = keep_alive(self.database.clone(), run, runner.pulse.clone());
            AbortOnDropHandle::new(self.database.runtime().spawn(keeping))
        });
        let ended = runner.all().await;
        drop(alive);
        let mut report = runner.report;
        report.still_new.sort_by_key(|it| (it.file, it.record));
        if let Some(run) = run {
            let mut patience = Patience::default();
            while let Err(error) = close(&self.database, run, ended.as_ref().err()).await {
                patience.wait_out(error).await?;
            }
        }
        ended.map(|()| report)
    }
}

struct Runner<'a> {
    replay: &'a Replay,
    eyes: Eyes,
    mended: BTreeMap<Key, MendedRow>,
    /// The connection with what is prepared on it; only while it is clean.
    trial: Option<Trial>,
    run: Option<(i64, i64)>,
    at: Option<Key>,
    /// Whether the last letters come first.
    descending: bool,
    /// Since when it works on the part that it is at.
    pulse: Pulse,
    report: ReplayReport,
}

impl Runner<'_> {
    async fn all(&mut self) -> Result<()> {
        if let Some(mended) = &self.replay.mended {
            let rows = mended.rows.iter().cloned();
            self.mended = rows.map(|row| ((row.file, row.record), row)).collect();
        }
        let mut patience = Patience::default();
        self.descending = loop {
            match self.decide_direction().await {
                Ok(descending) => break descending,
                Err(error) => patience.wait_out(error).await?,
            }
        };
        loop {
            self.pulse.working();
            let (keys, forms) = self.next_part_in_time().await?;
            let Some(last) = keys.last().copied() else {
                return Ok(());
            };
            self.part(&keys, last, &forms).await?;
        }
    }

    /// The order that leaves what the mode would have chosen: where a key that is there stays as it is,
    /// the last row has to come first; else the first. Whoever goes on with a replay keeps its direction.
    async fn decide_direction(&self) -> Result<bool> {
        let mode = match &self.replay.settings {
            Some(pipeline) => Some(pipeline.mode),
            None => newest_mode(&self.replay.database, &self.replay.pipeline).await?,
        };
        let stays = !self.replay.overwrite && mode.is_none_or(|it| it == WriteMode::Upsert);
        match self.run {
            Some(run) => note_direction(&self.replay.database, run, stays)
                .await?
                .ok_or_else(taken_over),
            None => Ok(stays),
        }
    }

    /// Asked again for as long as what it meets passes.
    async fn next_part_in_time(&self) -> Result<(Vec<Key>, BTreeMap<i64, Form>)> {
        let mut patience = Patience::default();
        loop {
            match self.next_part().await {
                Ok(part) => return Ok(part),
                Err(error) => patience.wait_out(error).await?,
            }
        }
    }

    /// The next letters: as many as are split alike and make one part.
    async fn next_part(&self) -> Result<(Vec<Key>, BTreeMap<i64, Form>)> {
        pass(Step::Replay(ReplayStep::Next)).await?;
        let client = self.replay.database.client().await?;
        let mut keys = match &self.replay.mended {
            Some(_) => self.next_mended(),
            None => self.next_meant(&client).await?,
        };
        let mut files: Vec<i64> = keys.iter().map(|key| key.0).collect();
        files.dedup();
        let forms = forms(&client, &files).await?;
        let like = |one: &Key, other: &Key| match (forms.get(&one.0), forms.get(&other.0)) {
            (Some(one), Some(other)) => one.is_like(other),
            (None, None) => true,
            _ => false,
        };
        if let Some(first) = keys.first().copied() {
            let end = keys.iter().position(|key| !like(&first, key));
            keys.truncate(end.unwrap_or(keys.len()));
        }
        if let Some(mended) = &self.replay.mended {
            for form in forms.values() {
                check_names(&mended.names, &form.names()?, form.file).map_err(|what| {
                    Error::new(ErrorKind::Configuration, format!("the mended file: {what}"))
                })?;
            }
        }
        Ok((keys, forms))
    }

    fn next_mended(&self) -> Vec<Key> {
        let keys = self.mended.keys().copied();
        match (self.descending, self.at) {
            (true, Some(at)) => keys.rev().filter(|key| *key < at).take(LETTERS).collect(),
            (false, Some(at)) => keys.filter(|key| *key > at).take(LETTERS).collect(),
            (true, None) => keys.rev().take(LETTERS).collect(),
            (false, None) => keys.take(LETTERS).collect(),
        }
    }

    async fn next_meant(&self, client: &tokio_postgres::Client) -> Result<Vec<Key>> {
        let filter = self.replay.filter.narrowed(&self.replay.pipeline, "NEW");
        let (file, record) = (self.at.map(|at| at.0), self.at.map(|at| at.1));
        let (behind, direction) = match self.descending {
            true => ("<", "desc"),
            false => (">", "asc"),
        };
        let sql = format!(
            "select d.file_id, d.record, coalesce(octet_length(d.raw), 0)::bigint
             from ingestd.dead_letters d
             where {CONDITION} and d.status = 'NEW'
               and ($9::bigint is null or (d.file_id, d.record) {behind} ($9, $10))
             order by d.file_id {direction}, d.record {direction} limit {LETTERS}"
        );
        let mut parameters = filter.parameters();
        parameters.extend([
            (&file as &(dyn ToSql + Sync), Type::INT8),
            (&record, Type::INT8),
        ]);
        let rows = client.query_typed(&sql, &parameters).await;
        let rows = rows.map_err(|error| classify(error, "reading the dead letters"))?;
        let mut bytes = 0;
        let fits = |row: &&tokio_postgres::Row| {
            let before = bytes;
            bytes += row.get::<_, i64>(2);
            before < BYTES
        };
        let fitting = rows.iter().take_while(fits);
        Ok(fitting.map(|row| (row.get(0), row.get(1))).collect())
    }

    /// One part, tried again for as long as what it meets passes.
    async fn part(&mut self, keys: &[Key], to: Key, forms: &BTreeMap<i64, Form>) -> Result<()> {
        let mut unanswered: Option<Part> = None;
        let mut patience = Patience::default();
        loop {
            let tried = match unanswered.is_some() {
                true => self.was_committed(to).await,
                false => match self.try_part(keys, to, forms, &mut unanswered).await {
                    Ok(part) => {
                        unanswered = Some(part);
                        Ok(true)
                    }
                    Err(error) => Err(error),
                },
            };
            let error = match tried {
                Ok(true) => {
                    if let Some(part) = unanswered.take() {
                        self.take_in(part, to);
                    }
                    return Ok(());
                }
                Ok(false) => {
                    unanswered = None;
                    lost_each_time()
                }
                Err(error) => error,
            };
            self.trial = None;
            slog::debug!(self.replay.log, "a part of a replay is tried again";
                "pipeline" => &self.replay.pipeline, "reason" => %error);
            patience.wait_out(error).await?;
        }
    }

    /// Whether the part up to `to` is committed whose COMMIT was not answered.
    async fn was_committed(&mut self, to: Key) -> Result<bool> {
        let Some(run) = self.run else {
            return Ok(false);
        };
        let link = Link::unrecorded(&self.replay.database, LOCK_TIMEOUT).await?;
        link.begin().await?;
        let standing = part::standing(&link.client, run).await?;
        link.rollback().await?;
        match standing {
            Some(at) if at == Some(to) => Ok(true),
            Some(at) if at == self.at => Ok(false),
            _ => Err(taken_over()),
        }
    }

    async fn try_part(
        &mut self,
        keys: &[Key],
        to: Key,
        forms: &BTreeMap<i64, Form>,
        unanswered: &mut Option<Part>,
    ) -> Result<Part> {
        let mut trial = match self.trial.take() {
            Some(trial) => trial,
            None => {
                let link = Link::unrecorded(&self.replay.database, LOCK_TIMEOUT).await?;
                Trial::new(link, self.eyes.clone())
            }
        };
        trial.prepare(self.replay, keys, forms, self.run).await?;
        pass(Step::Replay(ReplayStep::Begin)).await?;
        trial.link.begin().await?;
        if let Some(run) = self.run
            && !part::advance(&trial.link.client, run, self.at, to).await?
        {
            return Err(taken_over());
        }
        pass(Step::Replay(ReplayStep::Moved)).await?;
        let part = trial
            .carry_out(self.replay, keys, forms, &self.mended, self.run)
            .await?;
        match self.run {
            None => trial.link.rollback().await?,
            Some(_) => {
                pass(Step::Replay(ReplayStep::Commit)).await?;
                let committed = match trial.link.commit().await {
                    Ok(()) => pass(Step::Replay(ReplayStep::Committed)).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = committed {
                    if error.kind() == ErrorKind::Unknown {
                        *unanswered = Some(part);
                    }
                    return Err(error);
                }
            }
        }
        self.trial = Some(trial);
        Ok(part)
    }

    fn take_in(&mut self, part: Part, to: Key) {
        self.at = Some(to);
        self.report.tally.add(&part.tally);
        let room = TOLD.saturating_sub(self.report.still_new.len());
        self.report
            .still_new
            .extend(part.still_new.into_iter().take(room));
    }
}

fn lost_each_time() -> Error {
    let message = "replaying dead letters: the connection was lost each time";
    Error::new(ErrorKind::Transient, message)
}

fn taken_over() -> Error {
    let message = "another runner has taken the replay over";
    Error::new(ErrorKind::Fenced, message)
}
