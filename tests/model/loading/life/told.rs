//! What the checkpointer makes of it, and what is on its way when a process ends.

use std::collections::BTreeMap;

use ingestd_actors::flow::FileTracker;
use ingestd_actors::model::{Checkpoint, FileId, Lane, Position};

use super::{Life, OpenFile, Phase};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{LANES, Scene, index_of};
use crate::model::loading::server::{Completion, FileRow, Note, Transaction};

impl Life {
    /// `Checkpointer::completions`.
    pub fn completion(&self, scene: &Scene) -> Option<Completion> {
        self.open.iter().find_map(|(&file, open)| {
            let durable = open.tracker.is_durable() || !scene.rules.hold(Rule::CommitWaits);
            Some(Completion {
                file,
                epoch: open.epoch,
                seen: seen(open),
                end: open.ended.filter(|_| durable && open.given_up.is_none())?,
            })
        })
    }

    /// What ends a file, where a scene has that lost: of others, a lost answer to it is a crash.
    pub fn end(&self, scene: &Scene) -> Option<Transaction> {
        if !scene.whole && !scene.has_a_budget() {
            return None;
        }
        let commit = self.completion(scene).map(Transaction::Commit);
        commit.or_else(|| self.giving_up(scene).map(Transaction::GiveUp))
    }

    /// `Checkpointer::note_progress`, of the first file that has something to be noted.
    pub fn note(&self, scene: &Scene) -> Option<Note> {
        self.open.iter().find_map(|(&file, open)| {
            let mut now = (open.tracker.watermark(), open.ended.is_some());
            if !scene.rules.hold(Rule::WatermarkWaits) {
                now.0 = self.read_up_to(file).or(open.ended).unwrap_or(now.0);
            }
            (open.noted != Some(now)).then(|| Note {
                file,
                epoch: open.epoch,
                watermark: now.0,
                seen: seen(open),
                completed: now.1,
            })
        })
    }

    fn read_up_to(&self, file: FileId) -> Option<Position> {
        let reading = self.reading.filter(|reading| reading.0 == file);
        reading.map(|(_, at)| at)
    }

    pub fn noted(&mut self, note: &Note) {
        if let Some(open) = self.open.get_mut(&note.file) {
            open.noted = Some((note.watermark, note.completed));
        }
    }

    /// A file is COMMITTED, or QUARANTINED.
    pub fn ended(&mut self, file: FileId) {
        self.open.remove(&file);
        self.leaving.insert(file);
    }

    /// `Acknowledged::compare`, with the files whose COMMITTED was not seen; the rejects have no order.
    pub fn misses(&self, lane: Lane, files: &BTreeMap<FileId, FileRow>, scene: &Scene) -> bool {
        if lane == Lane::Rejects || !scene.rules.hold(Rule::LaneRemembers) {
            return false;
        }
        self.open.iter().any(|(file, open)| {
            let row = files.get(file);
            let mut lanes = row.into_iter().flat_map(|row| &row.lanes);
            let stands = lanes.find(|row| row.lane == lane && row.epoch == open.epoch);
            let seen = open.seen.get(&lane);
            seen.zip(stands)
                .is_some_and(|(seen, row)| row.position.record < seen.record)
        })
    }

    /// What is on its way to the server, and arrives perhaps after the process is gone.
    pub fn in_flight(&self, files: &BTreeMap<FileId, FileRow>, scene: &Scene) -> Vec<Transaction> {
        let sent = LANES
            .into_iter()
            .zip(&self.lanes)
            .filter_map(|(lane, state)| {
                let writing = state.writing.as_ref()?;
                if state.is_anew && self.misses(lane, files, scene) {
                    return None;
                }
                (writing.phase == Phase::Sent).then(|| writing.transaction(lane, scene))
            });
        let commits = self.completion(scene).map(Transaction::Commit);
        let notes = self
            .note(scene)
            .filter(|_| scene.notes)
            .map(Transaction::Note);
        let made = self.making();
        let made = made.map(|(file, epoch)| Transaction::Make { file, epoch });
        let given_up = self.giving_up(scene).map(Transaction::GiveUp);
        let ends = commits.into_iter().chain(given_up).chain(made);
        sent.chain(ends).chain(notes).collect()
    }

    /// What a generation would be that lost its accumulator and kept its reader.
    pub fn without_accumulator(&self, files: &BTreeMap<FileId, FileRow>, scene: &Scene) -> Life {
        let mut life = Life::new(scene);
        life.known.clone_from(&self.known);
        life.claims.clone_from(&self.claims);
        life.reading = self.reading;
        life.leaving.clone_from(&self.leaving);
        for (&file, open) in &self.open {
            let Some(row) = files.get(&file) else {
                continue;
            };
            for lane in &row.lanes {
                let queue = &mut life.lanes[index_of(lane.lane)].queue;
                queue.open(file, open.epoch, lane.position);
            }
            let tracker = FileTracker::new(open.tracker.watermark(), None);
            let open = OpenFile {
                tracker,
                outstanding: 0,
                ..open.clone()
            };
            life.open.insert(file, open);
        }
        life
    }
}

fn seen(open: &OpenFile) -> Vec<Checkpoint> {
    let lanes = open.seen.iter();
    lanes
        .map(|(&lane, &position)| Checkpoint { lane, position })
        .collect()
}
