//! PURE: the stage of a file, from what is known of it.

use std::time::Duration;

use super::answer::{Answer, Stage};
use super::facts::{
    Blocker, Facts, File, Instance, PassedOver, Pipeline, Place, Unfinished, Writer,
};
use super::finished::{of_archived, of_committed, of_failed, of_quarantined, of_skipped};
use crate::cli::thousands;
use crate::postgres::ASK_WHY;

/// A writer that has been at one statement for so long is worth a word.
const LONG: Duration = Duration::from_secs(2);

/// What `pg_stat_activity` says of a writer that waits for more rows of its COPY.
pub(crate) const FOR_ROWS: &str = "Client: ClientRead";

/// Names the stage. The file is one that the ledger knows, or that stands somewhere.
pub fn stage(facts: &Facts) -> Answer {
    match &facts.file {
        Some(file) => of_known(facts, file),
        None => of_unknown(facts),
    }
}

/// An answer without more than a stage and its reason.
pub(super) fn answer(facts: &Facts, stage: Stage, because: String) -> Answer {
    Answer {
        file: facts.file.as_ref().map(|file| file.file),
        path: facts.path.clone(),
        stands_at: facts.file.as_ref().and_then(File::stands_at).cloned(),
        pipeline: facts.pipeline.as_ref().map(|it| it.name.clone()),
        stage,
        because,
        since: None,
        advice: None,
        estimate_seconds: None,
        waits_for: None,
    }
}

impl Answer {
    pub(super) fn since(mut self, since: Option<&String>) -> Answer {
        self.since = since.cloned();
        self
    }

    pub(super) fn advice(mut self, advice: impl Into<String>) -> Answer {
        self.advice = Some(advice.into());
        self
    }

    pub(super) fn within(mut self, estimate: Option<Duration>) -> Answer {
        self.estimate_seconds = estimate.map(|it| it.as_secs_f64());
        self
    }
}

fn of_known(facts: &Facts, file: &File) -> Answer {
    match file.state.as_str() {
        "SCHEDULED" | "READING" | "COMPLETED" => of_unfinished(facts, file),
        "QUARANTINED" => of_quarantined(facts, file),
        "FAILED" => of_failed(facts, file),
        "SKIPPED" => of_skipped(facts, file),
        "COMMITTED" => of_committed(facts, file),
        _ => of_archived(facts, file),
    }
}

fn of_unfinished(facts: &Facts, file: &File) -> Answer {
    if let Some(held) = held_back(facts) {
        return held;
    }
    if file.state == "SCHEDULED"
        && let Some(behind) = behind(facts)
    {
        return behind.since(Some(&file.discovered_at));
    }
    if let Some(hurdle) = hurdle(facts) {
        return hurdle;
    }
    match file.state.as_str() {
        "SCHEDULED" => answer(
            facts,
            Stage::Scheduled,
            "it is admitted, and read next".to_owned(),
        )
        .since(Some(&file.discovered_at)),
        "COMPLETED" => answer(
            facts,
            Stage::Completing,
            format!(
                "it is read to its end{}; its last batches are being committed",
                by(file.owner.as_ref())
            ),
        )
        .since(file.completed_at.as_ref()),
        _ => reading(facts, file),
    }
}

/// What the file's pipeline was told, or that nobody is there for it.
pub(super) fn held_back(facts: &Facts) -> Option<Answer> {
    let pipeline = facts.pipeline.as_ref()?;
    let by_whom = pipeline.wanted_by.as_ref();
    let by_whom = by_whom.map_or(String::new(), |who| format!(" by {who}"));
    let stage = match pipeline.wanted.as_str() {
        "paused" => Stage::Paused,
        "drained" => Stage::Drained,
        _ => return no_service(facts, pipeline),
    };
    let because = format!("pipeline {} is {}{by_whom}", pipeline.name, pipeline.wanted);
    let resume = format!("`ingestd resume {}`", pipeline.name);
    let found = answer(facts, stage, because).since(pipeline.wanted_at.as_ref());
    Some(match no_service(facts, pipeline) {
        Some(_) => found.advice(format!("{resume}, and `ingestd run`: no service runs it")),
        None => found.advice(resume),
    })
}

fn no_service(facts: &Facts, pipeline: &Pipeline) -> Option<Answer> {
    if pipeline.served || !pipeline.instances.is_empty() {
        return None;
    }
    let because = match pipeline.known {
        true => format!("no service runs pipeline {}", pipeline.name),
        false => format!(
            "pipeline {} has never run into this database",
            pipeline.name
        ),
    };
    Some(answer(facts, Stage::NoService, because).advice("`ingestd run` starts one"))
}

/// Somebody's lock, or what keeps the pipeline from going on.
pub(super) fn hurdle(facts: &Facts) -> Option<Answer> {
    let blocked = facts.writers.iter().find_map(|writer| {
        let blocker = writer.blocked_by.as_ref()?;
        // A wait for a moment holds nothing up.
        let is_long = writer.busy.is_none_or(|busy| busy >= LONG);
        is_long.then_some((writer, blocker))
    });
    if let Some((writer, blocker)) = blocked {
        let because = format!(
            "the writer of {} (backend {}) waits for a lock that backend {} holds: {}",
            lane(writer.lane),
            writer.backend,
            blocker.backend,
            describe(blocker)
        );
        return Some(blocked_by(facts, blocker, because));
    }
    let pipeline = facts.pipeline.as_ref()?;
    let degraded = pipeline.degraded.as_ref()?;
    // Who asks here need not be told to.
    let degraded = degraded.replace(&format!("; {ASK_WHY}"), "");
    let because = format!("pipeline {} can't go on: {degraded}", pipeline.name);
    if let Some(holder) = &facts.holder {
        let because = format!(
            "{because}; backend {} has locked its table: {}",
            holder.backend,
            describe(holder)
        );
        return Some(blocked_by(facts, holder, because));
    }
    Some(
        answer(facts, Stage::Degraded, because)
            .since(pipeline.degraded_at.as_ref())
            .advice("mend that: it is tried again and again, and goes on by itself"),
    )
}

/// What a writer writes.
fn lane(number: i32) -> String {
    match number {
        0.. => format!("lane {number}"),
        _ => "the dead letters".to_owned(),
    }
}

fn blocked_by(facts: &Facts, blocker: &Blocker, because: String) -> Answer {
    let advice = format!(
        "end that transaction where it was begun, or by `SELECT pg_terminate_backend({})`",
        blocker.backend
    );
    let since = blocker.transaction_since.as_ref();
    let since = since.or(blocker.query_since.as_ref());
    answer(facts, Stage::BlockedByLock, because)
        .since(since)
        .advice(advice)
}

fn describe(blocker: &Blocker) -> String {
    let mut words = Vec::new();
    let mut say = |what: &str, text: Option<&String>| {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            words.push(format!("{what}{text}"));
        }
    };
    say("user ", blocker.user.as_ref());
    say("application ", blocker.application.as_ref());
    say("", blocker.state.as_ref());
    say("that since ", blocker.since.as_ref());
    say(
        "in a transaction since ",
        blocker.transaction_since.as_ref(),
    );
    say("its last statement began ", blocker.query_since.as_ref());
    match words.is_empty() {
        true => "this role is shown no more of it".to_owned(),
        false => words.join(", "),
    }
}

fn behind(facts: &Facts) -> Option<Answer> {
    let (first, path) = facts.ahead.first.as_ref()?;
    let others = match facts.ahead.files {
        0 | 1 => String::new(),
        2 => ", and behind one more".to_owned(),
        files => format!(", and behind {} more", files - 1),
    };
    let because = format!("it waits behind file {first} ({path}){others}");
    let estimate = time_for(facts.ahead.bytes, facts.pace.bytes, facts.pace.took);
    Some(answer(facts, Stage::WaitingBehind, because).within(estimate))
}

/// How long so many bytes take, where others took so long.
fn time_for(bytes: u64, others: u64, took: Duration) -> Option<Duration> {
    if others == 0 || took.is_zero() {
        return None;
    }
    let seconds = took.as_secs_f64() * bytes as f64 / others as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

fn by(owner: Option<&Instance>) -> String {
    owner.map_or(String::new(), |it| {
        format!(" by process {} on host {}", it.process, it.host)
    })
}

fn reading(facts: &Facts, file: &File) -> Answer {
    let started = file.started.as_ref();
    let since = started.map(|(at, _)| at);
    if let Some(busy) = busiest(&facts.writers) {
        let because = format!(
            "it is being read{}, and waits for the server: the writer of {} (backend {}) has been at one statement for {} s{}",
            by(file.owner.as_ref()),
            lane(busy.lane),
            busy.backend,
            busy.busy.unwrap_or_default().as_secs(),
            busy.waits_for
                .as_ref()
                .map_or(String::new(), |what| format!(", waiting for {what}")),
        );
        return answer(facts, Stage::WritersBusy, because)
            .since(since)
            .advice("look at the server: its load, its disk, the table's indexes and triggers");
    }
    let began = started.map_or(Duration::ZERO, |(_, ago)| *ago);
    let lately = file.lately.filter(|(bytes, ..)| *bytes > 0);
    // What was read in the last moment tells best; else what was read since the beginning.
    let (bytes, records, took) = lately.unwrap_or((file.offset, file.records, began));
    let known = !file.compressed && file.size > 0 && file.offset <= file.size;
    let share = known.then(|| format!(", {} %", file.offset * 100 / file.size.max(1)));
    let rate = match took.is_zero() {
        true => String::new(),
        false => format!(
            ", {} records a second",
            thousands((records as f64 / took.as_secs_f64()).round() as u64)
        ),
    };
    let left = file.size.saturating_sub(file.offset);
    let estimate = known.then(|| time_for(left, bytes, took)).flatten();
    let stands = match file.lately {
        Some((0, 0, looked)) => format!(
            "; nothing more of it was in the last {} ms: the batches that are on their way use up the memory, or wait for the server",
            looked.as_millis()
        ),
        _ => String::new(),
    };
    let because = format!(
        "it is being read{}{}: {} records are committed{rate}{stands}",
        by(file.owner.as_ref()),
        share.unwrap_or_default(),
        thousands(file.records),
    );
    answer(facts, Stage::Reading, because)
        .since(since)
        .within(estimate)
}

fn busiest(writers: &[Writer]) -> Option<&Writer> {
    let busy = writers.iter().filter(|writer| {
        let long = writer.busy.is_some_and(|busy| busy >= LONG);
        // One that waits for its client waits for more rows: the server is at nothing.
        let for_us = writer.waits_for.as_deref() == Some(FOR_ROWS);
        writer.active && long && !for_us
    });
    busy.max_by_key(|writer| writer.busy)
}

fn of_unknown(facts: &Facts) -> Answer {
    match &facts.place {
        Place::Missing => answer(
            facts,
            Stage::NoFile,
            "nothing stands there, and the ledger does not know it".to_owned(),
        ),
        Place::Outside(inboxes) => {
            let found = answer(
                facts,
                Stage::OutsideInboxes,
                "it lies in no pipeline's directory".to_owned(),
            );
            let inboxes: Vec<String> = inboxes
                .iter()
                .map(|(pipeline, directory)| format!("{directory} ({pipeline})"))
                .collect();
            match inboxes.is_empty() {
                true => found.advice("no pipeline is configured here: name the configuration, by --config"),
                false => found.advice(format!("move it into one of them: {}", inboxes.join(", "))),
            }
        }
        Place::Elsewhere { why, advice } => {
            answer(facts, Stage::OutsideInboxes, why.clone()).advice(advice.as_str())
        }
        Place::PassedOver { by, why, advice } => {
            let stage = match by {
                PassedOver::UnfinishedName => Stage::UnfinishedName,
                PassedOver::NotMatched | PassedOver::Below => Stage::NotMatched,
                PassedOver::NoFile => Stage::NoFile,
            };
            answer(facts, stage, why.clone()).advice(advice.as_str())
        }
        Place::Unfinished { by, why, left } => {
            let own = answer(facts, stage_of(*by), why.clone()).within(*left);
            match by {
                // It would settle, and wait for somebody all the same.
                Unfinished::Settling => held_back(facts).unwrap_or(own),
                Unfinished::Marker | Unfinished::Manifest => {
                    own.advice("it is for whoever writes the file to write that too, after it")
                }
            }
        }
        Place::Ready { scan_interval } => held_back(facts)
            .or_else(|| leased_elsewhere(facts))
            .or_else(|| behind(facts))
            .or_else(|| hurdle(facts))
            .unwrap_or_else(|| {
                let because = format!(
                    "it is ready, and found when its directory is looked through, at least every {} s",
                    scan_interval.as_secs_f64()
                );
                answer(facts, Stage::AboutToBeFound, because)
                    .within(Some(*scan_interval))
                    .advice("`ingestd rescan` looks now; where it stays so, the log says what the service makes of it")
            }),
    }
}

fn stage_of(by: Unfinished) -> Stage {
    match by {
        Unfinished::Settling => Stage::Settling,
        Unfinished::Marker => Stage::WaitingForMarker,
        Unfinished::Manifest => Stage::WaitingForManifest,
    }
}

/// A file stands here, and all that load its pipeline are elsewhere.
fn leased_elsewhere(facts: &Facts) -> Option<Answer> {
    let pipeline = facts.pipeline.as_ref()?;
    let there = pipeline.instances.first()?;
    if pipeline.instances.iter().any(|it| it.host == facts.host) {
        return None;
    }
    let because = format!(
        "process {} on host {} loads pipeline {}, and nobody on this host ({}): it finds what stands in its own directory",
        there.process, there.host, pipeline.name, facts.host
    );
    let advice = format!(
        "where both hosts share the directory, it is found there; else put it there, or hand the pipeline over: `ingestd drain {}`, then resume it where only this host runs it",
        pipeline.name
    );
    Some(answer(facts, Stage::LeasedElsewhere, because).advice(advice))
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;
