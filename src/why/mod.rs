//! Why a file is not loaded: the stage that holds it up, since when, what to do, and for how long still.
//!
//! Facts are gathered from the settings, the file system and the ledger; [`stage()`] alone decides, and
//! is pure.

mod answer;
mod backends;
pub mod facts;
mod finished;
mod gather;
mod place;
mod stage;

use std::path::Path;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use postgres::Client;

pub use answer::{Answer, Stage};
pub(crate) use backends::writers;
#[cfg(test)]
pub(crate) use gather::ahead;
pub(crate) use gather::reading;
pub(crate) use stage::FOR_ROWS;
pub use stage::stage;

use crate::fs::path_text;
use crate::ledger::by_name;
use crate::settings::Pipeline;
use facts::Facts;

/// How long a file that is read is looked at, to tell how fast that goes.
const LOOK: Duration = Duration::from_millis(400);

/// The stage of a file that somebody has named: by its number, by its path, which the ledger need not
/// know yet, or by its name. `None` where nobody knows it.
///
/// It takes up to half a second, and blocks.
///
/// # Errors
/// Where the ledger can't be read.
pub fn why(client: &mut Client, pipelines: &[Pipeline], named: &str) -> Result<Option<Answer>> {
    let mut answer = match named.parse::<i64>() {
        Ok(number) => of_number(client, pipelines, number)?,
        Err(_) => of_path(client, pipelines, named)?,
    };
    // What it waits for stands for a reason of its own.
    if let Some((answer, first)) = answer.as_mut().and_then(|(answer, first)| {
        let first = first.take()?;
        Some((answer, first))
    }) {
        let first = of_number(client, pipelines, first)?;
        answer.waits_for = first.map(|(first, _)| Box::new(first));
    }
    Ok(answer.map(|(answer, _)| answer))
}

/// An answer, and the file that it waits for.
type Found = Option<(Answer, Option<i64>)>;

fn answered(facts: &Facts) -> (Answer, Option<i64>) {
    let answer = stage(facts);
    let first = facts.ahead.first.as_ref().map(|(first, _)| *first);
    let first = first.filter(|_| answer.stage == Stage::WaitingBehind);
    (answer, first)
}

fn of_number(client: &mut Client, pipelines: &[Pipeline], number: i64) -> Result<Found> {
    let mut reading = gather::reading(client)?;
    let Some(mut facts) = gather::of_file(&mut reading, number, pipelines)? else {
        return Ok(None);
    };
    drop(reading);
    let (answer, first) = answered(&facts);
    if answer.stage != Stage::Reading {
        return Ok(Some((answer, first)));
    }
    // How fast it goes now is seen by looking twice.
    let looked = Instant::now();
    std::thread::sleep(LOOK);
    let mut reading = gather::reading(client)?;
    if let Some((mut now, ..)) = gather::file(&mut reading, number)?
        && let Some(before) = &facts.file
    {
        now.lately = Some((
            now.offset.saturating_sub(before.offset),
            now.records.saturating_sub(before.records),
            looked.elapsed(),
        ));
        facts.file = Some(now);
    }
    Ok(Some(answered(&facts)))
}

fn of_path(client: &mut Client, pipelines: &[Pipeline], named: &str) -> Result<Found> {
    let mut paths = vec![place::as_found(Path::new(named))];
    if !named.contains('/') {
        // A name alone: where files arrive, rather than where somebody happens to be.
        let inboxes = pipelines.iter().map(|pipeline| &pipeline.directory);
        paths.extend(inboxes.map(|inbox| place::as_found(&inbox.join(named))));
    }
    let mut elsewhere = None;
    for path in &paths {
        let mut reading = gather::reading(client)?;
        if let Some(now) = place::stands(path)
            && let Some(number) = gather::standing_at(&mut reading, path, &now)?
        {
            drop(reading);
            return of_number(client, pipelines, number);
        }
        match place::place(pipelines, path)? {
            (facts::Place::Missing, _) => {}
            (place, Some(pipeline)) => {
                let of_pipeline =
                    gather::of_pipeline(&mut reading, &pipeline.name, pipelines, None)?;
                return Ok(Some(answered(&Facts {
                    path: path_text(path),
                    place,
                    ..of_pipeline
                })));
            }
            (place, None) => {
                elsewhere.get_or_insert(Facts {
                    path: path_text(path),
                    place,
                    ..Facts::default()
                });
            }
        }
    }
    let mut reading = gather::reading(client)?;
    if let Some(number) = by_name(&mut reading, named)? {
        drop(reading);
        return of_number(client, pipelines, number);
    }
    Ok(elsewhere.map(|facts| answered(&facts)))
}
