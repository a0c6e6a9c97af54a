//! Claims, and where reading goes on under one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ingestd_actors::flow::FileTracker;
use ingestd_actors::model::{Candidate, Checkpoint, Claim, Epoch, FileId, Lane, Plan, Position};

use super::{Life, OpenFile};
use crate::model::loading::rules::Rule;
use crate::model::loading::scene::{PARTITIONS, Scene, at, index_of};
use crate::model::loading::server::{FileRow, LaneRow};

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    file: FileId,
    path: usize,
    base: u64,
    epoch: Epoch,
    checkpoints: Vec<Checkpoint>,
    resume_at: Position,
    /// How many dead letters earlier lives have stored.
    errors: u64,
}

impl Life {
    /// Takes a claim, as `Core::claim` has answered it.
    pub fn take_claim(&mut self, file: FileId, row: &FileRow, scene: &Scene) {
        let checkpoint = |lane: &LaneRow| Checkpoint {
            lane: lane.lane,
            position: lane.position,
        };
        let checkpoints: Vec<Checkpoint> = row.lanes.iter().map(checkpoint).collect();
        self.known.insert(row.path);
        self.claims.push_back(Held {
            file,
            path: row.path,
            base: row.base,
            epoch: row.epoch,
            resume_at: resume_at(file, row, &checkpoints, scene),
            checkpoints,
            errors: match scene.rules.hold(Rule::ErrorsAreKept) {
                true => row.lanes.iter().map(|lane| lane.counts.rejected).sum(),
                false => 0,
            },
        });
        self.open_next();
    }

    /// `BatchAccumulator`'s `OpenFileFor` and `Checkpointer`'s `FileOpened`, once the reader is free.
    pub(super) fn open_next(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let Some(held) = self.claims.pop_front() else {
            return;
        };
        for checkpoint in &held.checkpoints {
            let lane = &mut self.lanes[index_of(checkpoint.lane)];
            lane.queue.open(held.file, held.epoch, checkpoint.position);
        }
        self.reading = Some((held.file, held.resume_at));
        let open = OpenFile {
            path: held.path,
            base: held.base,
            epoch: held.epoch,
            tracker: FileTracker::new(held.resume_at, None),
            seen: BTreeMap::new(),
            noted: None,
            ended: None,
            outstanding: 0,
            errors: held.errors,
            given_up: None,
            is_made: !self.stages,
            is_moved: false,
        };
        self.open.insert(held.file, open);
    }
}

impl Life {
    /// The claim under which a staging table is to be made: `Stages::make`.
    pub fn making(&self) -> Option<(FileId, Epoch)> {
        let (file, _) = self.reading?;
        let open = self.open.get(&file).filter(|open| !open.is_made)?;
        Some((file, open.epoch))
    }

    /// It is there.
    pub fn made(&mut self, file: FileId) {
        if let Some(open) = self.open.get_mut(&file) {
            open.is_made = true;
        }
    }
}

/// `Claim::resume_at`, of a claim as the ledger gives it.
fn resume_at(file: FileId, row: &FileRow, checkpoints: &[Checkpoint], scene: &Scene) -> Position {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    let plan = PLAN.get_or_init(|| {
        Arc::new(Plan {
            id: 1,
            partitions: PARTITIONS,
            definition: String::new(),
            all_or_nothing: false,
        })
    });
    let mut checkpoints = checkpoints.to_vec();
    if !scene.rules.hold(Rule::ResumeFromLowest) {
        let highest = checkpoints.iter().map(|it| it.position).max();
        checkpoints.retain(|it| Some(it.position) == highest);
    }
    if !scene.rules.hold(Rule::ResumeCountsRejects) {
        checkpoints.retain(|it| it.lane != Lane::Rejects);
    }
    let claim = Claim {
        file,
        candidate: Candidate {
            path: PathBuf::new(),
            size: 0,
            modified: 0,
            device: 0,
            inode: 0,
        },
        ends: None,
        epoch: row.epoch,
        plan: Arc::clone(plan),
        base: at(row.base, 0),
        checkpoints,
        watermark: row.watermark,
        hash_mark: None,
        rejected: 0,
    };
    claim.resume_at()
}
