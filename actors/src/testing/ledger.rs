//! The ledger: states, claims and checkpoints.

use std::sync::Arc;

use super::inbox::candidate;
use super::{FileEntry, State, Step, World};
use crate::error::{Error, ErrorKind, Result};
use crate::flow::Known;
use crate::model::{
    Candidate, Checkpoint, Claim, Counts, Epoch, FileId, FileState, Lane, OverBudget, Plan,
    Position,
};
use crate::port::{
    Archivable, Committed, Completion, Ledger, PortFuture, Progress, Quarantined, Skipped, Verdict,
};

impl World {
    fn ledger<T: Send + 'static>(
        &self,
        step: Step,
        work: impl FnOnce(&mut State) -> Result<T> + Send + 'static,
    ) -> PortFuture<T> {
        let world = self.clone();
        Box::pin(async move { world.call(step, None, work).await })
    }
}

impl Ledger for World {
    fn resume(&self) -> PortFuture<Vec<Verdict>> {
        self.ledger(Step::Resume, |state| {
            let files: Vec<FileId> = state.files.keys().copied().collect();
            let verdicts = files.into_iter().filter_map(|file| {
                let entry = &state.files[&file];
                if entry.is_unfinished() {
                    Some(Verdict::Load(state.claim(file)))
                } else if entry.state == FileState::Committed && !entry.stays {
                    Some(archive(file, entry))
                } else {
                    None
                }
            });
            Ok(verdicts.collect())
        })
    }

    fn admit(&self, candidates: Vec<Candidate>) -> PortFuture<Vec<Verdict>> {
        self.ledger(Step::Admit, move |state| {
            Ok(candidates
                .into_iter()
                .map(|candidate| state.decide(candidate))
                .collect())
        })
    }

    fn progress(&self, progress: Vec<Progress>) -> PortFuture<()> {
        self.ledger(Step::Progress, move |state| {
            progress.iter().for_each(|progress| state.note(progress));
            Ok(())
        })
    }

    fn commit(&self, completions: Vec<Completion>) -> PortFuture<Vec<Committed>> {
        self.ledger(Step::Commit, move |state| {
            Ok(completions
                .iter()
                .map(|completion| state.commit(completion))
                .collect())
        })
    }

    fn quarantine(&self, file: FileId, epoch: Epoch, _: String) -> PortFuture<()> {
        self.ledger(Step::Quarantine, move |state| {
            match state.files.get_mut(&file) {
                Some(entry) if entry.epoch == epoch => {
                    entry.state = FileState::Quarantined;
                    Ok(())
                }
                _ => Err(Error::new(ErrorKind::Fenced, "claimed by another life")),
            }
        })
    }

    fn replaced(&self, file: FileId, epoch: Epoch) -> PortFuture<String> {
        self.ledger(Step::Quarantine, move |state| {
            match state.files.get_mut(&file) {
                Some(entry) if entry.epoch == epoch => {
                    entry.state = FileState::Skipped;
                    Ok("replaced".to_owned())
                }
                _ => Err(Error::new(ErrorKind::Fenced, "claimed by another life")),
            }
        })
    }

    fn give_up(&self, file: FileId, epoch: Epoch, over: OverBudget) -> PortFuture<String> {
        self.ledger(Step::Quarantine, move |state| {
            let entry = state.files.get(&file);
            let reason = format!("over {}", over.limit);
            let quarantined = |it: &FileEntry| it.state == FileState::Quarantined;
            if entry.is_some_and(|it| quarantined(it) && it.epoch.0 - 1 == epoch.0) {
                return Ok(reason);
            }
            if entry.is_none_or(|entry| entry.epoch != epoch) {
                return Err(Error::new(ErrorKind::Fenced, "claimed by another life"));
            }
            for letter in &over.dead_letters {
                state.bury(file, letter.record, letter.reason.code().to_owned());
            }
            if let Some(entry) = state.files.get_mut(&file) {
                // What is still in flight is fenced by it.
                entry.epoch.0 += 1;
                entry.state = FileState::Quarantined;
            }
            Ok(reason)
        })
    }

    fn release(&self) -> PortFuture<()> {
        self.ledger(Step::Release, |state| {
            state.released += 1;
            Ok(())
        })
    }
}

fn archive(file: FileId, entry: &FileEntry) -> Verdict {
    Verdict::Archive(Archivable {
        file,
        candidate: entry.candidate.clone(),
        handle: None,
    })
}

impl State {
    fn decide(&mut self, found: Candidate) -> Verdict {
        let Some(content) = self.inbox.get(&found.path).cloned() else {
            return later(found, "it vanished");
        };
        if candidate(self, &found.path, &content) != found {
            return later(found, "it changed");
        }
        let known = self.files.iter().find(|(_, entry)| {
            let entry = &entry.content;
            (&entry.records, entry.size()) == (&content.records, content.size())
        });
        match known.map(|(&file, entry)| (file, entry.clone())) {
            None => self.reserve(found, content),
            Some((file, entry)) if entry.candidate.path == found.path => match entry.state {
                _ if entry.is_unfinished() => Verdict::Load(self.claim(file)),
                FileState::Committed => archive(file, &entry),
                FileState::Quarantined => Verdict::Quarantine(Quarantined {
                    file,
                    candidate: found,
                    reason: "known".to_owned(),
                }),
                _ => Verdict::Ignore(found.path),
            },
            Some((_, entry)) if entry.is_unfinished() => later(found, "an equal file is loaded"),
            Some(_) => {
                let file = self.insert(found.clone(), content, FileState::Skipped);
                Verdict::Skip(Skipped {
                    file,
                    candidate: found,
                    reason: "a duplicate".to_owned(),
                })
            }
        }
    }

    fn reserve(&mut self, found: Candidate, content: super::TestFile) -> Verdict {
        let file = self.insert(found, content, FileState::Scheduled);
        Verdict::Load(self.claim(file))
    }

    fn insert(
        &mut self,
        candidate: Candidate,
        content: super::TestFile,
        state: FileState,
    ) -> FileId {
        let file = FileId(self.files.len() as i64 + 1);
        let lanes = (0..self.partitions)
            .map(Lane::Partition)
            .chain([Lane::Rejects])
            .map(|lane| (lane, (Position::START, Counts::default())));
        let entry = FileEntry {
            candidate,
            content,
            state,
            epoch: Epoch(0),
            lanes: lanes.collect(),
            watermark: Position::START,
            hash_mark: None,
            counts: Counts::default(),
            stays: false,
        };
        self.files.insert(file, entry);
        file
    }

    fn claim(&mut self, file: FileId) -> Claim {
        let (partitions, all_or_nothing) = (self.partitions, self.all_or_nothing);
        let entry = self.files.get_mut(&file).expect("known to the caller");
        entry.epoch.0 += 1;
        let checkpoints = entry
            .lanes
            .iter()
            .map(|(&lane, &(position, _))| Checkpoint { lane, position });
        Claim {
            file,
            candidate: entry.candidate.clone(),
            ends: None,
            epoch: entry.epoch,
            plan: Arc::new(Plan {
                id: entry.content.plan,
                partitions,
                definition: String::new(),
                all_or_nothing,
            }),
            base: Position::START,
            checkpoints: checkpoints.collect(),
            watermark: entry.watermark,
            hash_mark: entry.hash_mark,
            rejected: entry
                .lanes
                .values()
                .map(|(_, counts)| counts.rejected)
                .sum(),
        }
    }

    fn note(&mut self, progress: &Progress) {
        let file = progress.file;
        let (applied, watermark) = (&self.applied, progress.watermark);
        let missing = (1..=watermark.record).find(|&record| !applied.contains(&(file, record)));
        if let Some(record) = missing {
            self.violation(format!(
                "watermark of {file:?} at {watermark}, but record {record} is not durable"
            ));
        }
        let Some(entry) = self.files.get_mut(&file) else {
            return;
        };
        if entry.epoch != progress.epoch || !entry.is_unfinished() {
            return;
        }
        entry.watermark = entry.watermark.max(progress.watermark);
        entry.hash_mark = progress.hash_mark;
        entry.state = if progress.completed {
            FileState::Completed
        } else {
            FileState::Reading
        };
    }

    fn commit(&mut self, completion: &Completion) -> Committed {
        let (file, budget) = (completion.file, self.budget);
        let Some(entry) = self
            .files
            .get_mut(&file)
            .filter(|entry| entry.epoch == completion.epoch)
        else {
            return Committed::Fenced { file };
        };
        if matches!(entry.state, FileState::Committed | FileState::Archived) {
            let counts = entry.counts;
            return Committed::Done { file, counts };
        }
        let mut counts = Counts::default();
        for &(_, lane) in entry.lanes.values() {
            counts += lane;
        }
        let records = completion.end.end.record;
        if counts.total() != records {
            let reason = format!("{counts:?} of {records} records");
            entry.state = FileState::Failed;
            self.violation(format!("{file:?} is out of balance: {reason}"));
            return Committed::Unbalanced { file, reason };
        }
        if let Some(limit) = budget.passed(counts.rejected, Known::All(records)) {
            entry.state = FileState::Quarantined;
            let reason = format!("over {limit} at its end");
            return Committed::Refused { file, reason };
        }
        entry.counts = counts;
        if entry.content.refused_at_end {
            let reason = "refused at its end".to_owned();
            entry.state = FileState::Quarantined;
            return Committed::Refused { file, reason };
        }
        entry.lanes.clear();
        entry.state = FileState::Committed;
        Committed::Done { file, counts }
    }
}

fn later(found: Candidate, reason: &str) -> Verdict {
    Verdict::Later {
        path: found.path,
        reason: reason.to_owned(),
    }
}
