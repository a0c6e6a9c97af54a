//! Steps in words.

use ingestd_actors::model::{FileId, Lane};

use super::scene::Scene;
use super::server::Transaction;
use super::world::{Step, World, name};

/// What a step is, in the state before it.
pub fn describe(world: &World, step: Step, scene: &Scene) -> String {
    let of = |process: usize| char::from(b'A' + process as u8);
    let sent = |process: usize, lane: Lane| match world.batch(process, lane, scene) {
        Some(batch) => transaction(&batch, world),
        None => "nothing".to_owned(),
    };
    match step {
        Step::Start(it) => format!("{} takes the lease and claims what is unfinished", of(it)),
        Step::Look(it, path) => format!("{} decides about {}", of(it), name(path)),
        Step::TakeUp(it) => format!("{} takes up what the dead have left", of(it)),
        Step::Bury(it) => format!("{} forgets the dead", of(it)),
        Step::Renew(it) => format!("{} renews its share of the lease", of(it)),
        Step::Miss(it) => format!("{} is taken for dead, and lives on", of(it)),
        Step::Admit(it, path) => format!("{} admits {}", of(it), name(path)),
        Step::LoseAdmission(it, path) => {
            format!(
                "{} gets no answer to its admission of {}",
                of(it),
                name(path)
            )
        }
        Step::Read(it) => format!("{} reads on", of(it)),
        Step::Arrive(it, lane) => format!("{}: {}", of(it), sent(it, lane)),
        Step::Ask(it, lane) => format!("{} reads where {} stands", of(it), lane_name(lane)),
        Step::Commit(it) => format!("{} makes a file COMMITTED", of(it)),
        Step::Note(it) => format!("{} notes its progress", of(it)),
        Step::Make(it) => format!("{} makes a staging table", of(it)),
        Step::GiveUp(it) => format!("{} gives a file up, which is QUARANTINED", of(it)),
        Step::LoseEnd(it) => format!("{} gets no answer to what ends a file", of(it)),
        Step::Empty(_) => "somebody empties a staging table".to_owned(),
        Step::Retry(_) => "the error budget is lifted, and the quarantined file retried".to_owned(),
        Step::Leave(it, _) => format!("{} takes a file out of the inbox", of(it)),
        Step::Late(index) => format!("late: {}", transaction(world.late(index), world)),
        Step::Come => format!("{} comes", name(0)),
        Step::Flush => "the server writes to its disk".to_owned(),
        Step::Crash(it) => format!("{} dies", of(it)),
        Step::Lose(it, lane) => format!("{} gets no answer: {}", of(it), sent(it, lane)),
        Step::CrashServer => "the server crashes".to_owned(),
        Step::Freeze(it, lane) => format!("{} freezes in: {}", of(it), sent(it, lane)),
        Step::Thaw => "it goes on".to_owned(),
        Step::Change => "the table is changed, and A starts".to_owned(),
        Step::Grow(path) => format!("{} grows", name(path)),
        Step::LoseAccumulator(it) => format!("the accumulator of {} dies alone", of(it)),
    }
}

fn lane_name(lane: Lane) -> String {
    match lane {
        Lane::Partition(partition) => format!("partition {partition}"),
        Lane::Rejects => "the rejects".to_owned(),
    }
}

fn transaction(transaction: &Transaction, world: &World) -> String {
    match transaction {
        Transaction::Batch { lane, moves, .. } => {
            let path = |file: &FileId| world.server.files.get(file).map_or(0, |row| row.path);
            let share = |wanted: &ingestd::postgres::fence::Move| {
                let (from, to) = (wanted.from.record, wanted.to.record);
                format!(
                    "{} {from} to {to}, epoch {}",
                    name(path(&wanted.file)),
                    wanted.epoch.0
                )
            };
            let shares: Vec<String> = moves.iter().map(share).collect();
            format!("{} moves {}", lane_name(*lane), shares.join(" and "))
        }
        Transaction::Admit(admission) => format!("admission of {}", name(admission.sight.path)),
        Transaction::Commit(wanted) => format!("COMMITTED, under epoch {}", wanted.epoch.0),
        Transaction::GiveUp(wanted) => format!("QUARANTINED, under epoch {}", wanted.epoch.0),
        Transaction::Make { epoch, .. } => format!("a staging table, under epoch {}", epoch.0),
        Transaction::Note(note) => format!("progress up to {}", note.watermark.record),
    }
}
