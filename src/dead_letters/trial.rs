//! The letters of one part: decoded, written, and marked, on one connection.

use std::collections::{BTreeMap, HashMap};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{ReplayStep, Step, pass};
use ingestd_actors::model::{DeadLetter, Rows};

use super::compose::{Wording, compose, worded};
use super::failing::Failing;
use super::form::Form;
use super::mended::{Change, MendedRow};
use super::notes::note_plan;
use super::part::{self, Key, Mark, Taken, Told};
use super::replay::Replay;
use super::tally::Tally;
use crate::plan::{LoadPlan, WriteMode};
use crate::postgres::catalog;
use crate::postgres::link::Link;
use crate::postgres::sink::single::{Outcome, Singles};
use crate::source::{Eyes, Fate, GivenRecord, OneByOne};

/// A connection, and what is prepared on it for files that are alike.
pub struct Trial {
    /// The connection.
    pub link: Link,
    eyes: Eyes,
    prepared: Vec<Prepared>,
}

struct Prepared {
    like: Form,
    plan: LoadPlan,
    singles: Singles,
    stays: bool,
}

/// What a part did.
#[derive(Debug, Default)]
pub struct Part {
    /// What became of its letters.
    pub tally: Tally,
    /// Those that stay NEW.
    pub still_new: Vec<Failing>,
}

/// Reasons of records that could not be split into the fields of their header.
const WHOLE: [&str; 3] = ["field_count", "bad_quoting", "record_too_large"];

impl Trial {
    /// Nothing is prepared yet.
    pub fn new(link: Link, eyes: Eyes) -> Trial {
        Trial {
            link,
            eyes,
            prepared: Vec::new(),
        }
    }

    /// Reads what is needed for these letters, whose files are alike; before their transaction.
    pub async fn prepare(
        &mut self,
        replay: &Replay,
        keys: &[Key],
        forms: &BTreeMap<i64, Form>,
        run: Option<(i64, i64)>,
    ) -> Result<()> {
        let form = keys.first().and_then(|key| forms.get(&key.0));
        let Some(form) = form else {
            return Ok(());
        };
        if self.prepared.iter().any(|it| it.like.is_like(form)) {
            return Ok(());
        }
        let name = match &replay.settings {
            Some(pipeline) => &pipeline.table,
            None => &form.plan.table,
        };
        let table = catalog::read_table(&self.link.client, name).await?;
        let table = table.ok_or_else(|| {
            Error::new(
                ErrorKind::Configuration,
                format!("there is no table {name} that this role can see"),
            )
            .with_advice("create it, or name it with its schema")
        })?;
        let mut plan = compose(replay.settings.as_ref(), &table, form)?;
        if plan.mode == WriteMode::Ignore && replay.overwrite {
            plan.mode = WriteMode::Upsert;
        }
        let stays = plan.mode == WriteMode::Upsert && !replay.overwrite;
        if let Some(run) = run {
            note_plan(&self.link.client, run, &plan).await?;
        }
        let id = self.prepared.len() as i64 + 1;
        let singles = Singles::prepare(&self.link, id, &plan, stays).await?;
        self.prepared.push(Prepared {
            like: form.clone(),
            plan,
            singles,
            stays,
        });
        Ok(())
    }

    /// Locks the letters, writes their rows and marks them, in the transaction that is open.
    pub async fn carry_out(
        &self,
        replay: &Replay,
        keys: &[Key],
        forms: &BTreeMap<i64, Form>,
        mended: &BTreeMap<Key, MendedRow>,
        run: Option<(i64, i64)>,
    ) -> Result<Part> {
        let client = &self.link.client;
        let ready = part::lock_files(client, keys).await?;
        let taken = part::lock_letters(client, keys).await?;
        pass(Step::Replay(ReplayStep::Locked)).await?;
        let mut done = Done::default();
        done.part.tally.settled = (keys.len() - taken.len()) as u64;

        let form = keys.first().and_then(|key| forms.get(&key.0));
        let prepared = form.and_then(|form| self.prepared.iter().find(|it| it.like.is_like(form)));
        let mut decoders = Decoders {
            eyes: &self.eyes,
            by_file: HashMap::new(),
        };
        let mut rows = Vec::new();
        for letter in &taken {
            let (Some(prepared), Some(form)) = (prepared, forms.get(&letter.key.0)) else {
                done.not_ready(letter, "its file is not known any more");
                continue;
            };
            if !ready.contains(&letter.key.0) {
                done.not_ready(letter, "its file is not COMMITTED: it is being read, or `ingestd retry` would read it again");
                continue;
            }
            let fate = decoders
                .decode(letter, form, prepared, mended.get(&letter.key))
                .await?;
            match fate {
                None => done.failed(letter, letter.told.clone()),
                Some(Fate::Row(row)) if !row.deletes.is_empty() && !replay.overwrite => {
                    done.deletion(letter);
                }
                Some(Fate::Row(row)) => rows.push((letter, row)),
                Some(Fate::Filtered) => {
                    done.resolved(letter, "filtered", |tally| &mut tally.filtered);
                }
                Some(Fate::Rejected(reject)) => done.failed(letter, told(reject)),
            }
        }
        if let Some(prepared) = prepared {
            let (letters, rows): (Vec<&Taken>, Vec<Rows>) = rows.into_iter().unzip();
            let outcomes = prepared.singles.write(&self.link, rows).await?;
            for (letter, outcome) in letters.into_iter().zip(outcomes) {
                done.written(letter, outcome, prepared.stays);
            }
        }
        pass(Step::Replay(ReplayStep::Written)).await?;
        if !mended.is_empty() {
            done.name_as_mended(mended);
        }
        part::mark(client, &replay.by, run.map(|run| run.0), &done.marks).await?;
        if let Some((number, _)) = run {
            part::count(client, number, &done.part.tally).await?;
        }
        Ok(done.part)
    }
}

/// The decoders of a part: one for each file, since what is derived from it differs, and each wording.
struct Decoders<'a> {
    eyes: &'a Eyes,
    by_file: HashMap<(i64, Wording), OneByOne>,
}

impl Decoders<'_> {
    /// What the record is now; `None` where too little of it was kept.
    async fn decode(
        &mut self,
        letter: &Taken,
        form: &Form,
        prepared: &Prepared,
        mended: Option<&MendedRow>,
    ) -> Result<Option<Fate>> {
        let change = mended.map_or(Change::None, |row| {
            let exported = form.exported(&letter.raw, letter.is_cut());
            row.changed(exported.as_deref(), &letter.raw)
        });
        let (wording, raw) = match &change {
            // What is not there can't be tried: it fails as it did.
            Change::None if letter.is_cut() => return Ok(None),
            Change::None if WHOLE.contains(&letter.told.reason.as_str()) => {
                (Wording::Whole, &letter.raw)
            }
            Change::None => (Wording::AsRead, &letter.raw),
            Change::Whole(raw) => (Wording::Whole, raw),
            Change::Fields(raw) => (Wording::Fields, raw),
        };
        let decoder = match self.by_file.entry((form.file, wording)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let plan = worded(&prepared.plan, &form.plan.dialect, wording);
                let header = form.known_header()?;
                new.insert(self.eyes.one_by_one(&plan, header, &form.origin).await?)
            }
        };
        let place = letter.place;
        decoder.decode(GivenRecord { place, raw }).await.map(Some)
    }
}

/// What is to be noted, and what is told.
#[derive(Default)]
struct Done {
    part: Part,
    marks: BTreeMap<Key, Mark>,
}

impl Done {
    fn resolved(&mut self, letter: &Taken, how: &str, count: fn(&mut Tally) -> &mut u64) {
        *count(&mut self.part.tally) += 1;
        self.marks
            .insert(letter.key, Mark::Resolved(how.to_owned()));
    }

    fn written(&mut self, letter: &Taken, outcome: Outcome, stays: bool) {
        match outcome {
            Outcome::Inserted => self.resolved(letter, "inserted", |tally| &mut tally.inserted),
            Outcome::Updated => self.resolved(letter, "updated", |tally| &mut tally.updated),
            Outcome::Deleted => self.resolved(letter, "deleted", |tally| &mut tally.deleted),
            Outcome::Duplicate => self.resolved(letter, "duplicate", |tally| &mut tally.duplicate),
            Outcome::Unchanged if stays => {
                self.part.tally.there += 1;
                self.stays(letter, "there", "its key is in the table already");
                self.marks.insert(letter.key, Mark::Stays);
            }
            Outcome::Unchanged => self.resolved(letter, "unchanged", |tally| &mut tally.unchanged),
            Outcome::Refused(refused) => self.failed(letter, told(refused)),
        }
    }

    fn failed(&mut self, letter: &Taken, told: Told) {
        self.part.tally.failed += 1;
        self.part.still_new.push(Failing {
            file: letter.key.0,
            record: letter.key.1,
            why: "failed",
            reason: told.reason.clone(),
            column: told.column.clone(),
            message: told.message.clone(),
            sqlstate: told.sqlstate.clone(),
        });
        self.marks.insert(letter.key, Mark::Failed(told));
    }

    fn deletion(&mut self, letter: &Taken) {
        self.part.tally.deletions += 1;
        self.stays(letter, "deletion", "it deletes the row of its key");
        self.marks.insert(letter.key, Mark::Stays);
    }

    fn not_ready(&mut self, letter: &Taken, message: &str) {
        self.part.tally.not_ready += 1;
        self.stays(letter, "not_ready", message);
    }

    fn stays(&mut self, letter: &Taken, why: &'static str, message: &str) {
        self.part.still_new.push(Failing {
            file: letter.key.0,
            record: letter.key.1,
            why,
            reason: letter.told.reason.clone(),
            column: None,
            message: message.to_owned(),
            sqlstate: None,
        });
    }

    fn name_as_mended(&mut self, mended: &BTreeMap<Key, MendedRow>) {
        for (key, mark) in &mut self.marks {
            if let (Mark::Resolved(how), true) = (mark, mended.contains_key(key)) {
                how.push_str(", mended");
            }
        }
    }
}

fn told(letter: DeadLetter) -> Told {
    Told {
        reason: letter.reason.code().to_owned(),
        column: letter.column,
        message: letter.message,
        sqlstate: letter.sqlstate,
    }
}
