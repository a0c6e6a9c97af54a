//! The directory and the archive.

use std::path::Path;

use super::{State, Step, TestFile, World};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Candidate, FileState};
use crate::policy::{Policy, policy};
use crate::port::{Archivable, Archive, Inbox, Leaving, Left, PortFuture, Quarantined, Scan};

impl Inbox for World {
    fn scan(&self) -> PortFuture<Scan> {
        let world = self.clone();
        Box::pin(async move {
            world
                .call(Step::Scan, None, |state| {
                    let came = std::mem::take(&mut state.came);
                    let ready = state
                        .inbox
                        .iter()
                        .map(|(path, file)| candidate(state, path, file));
                    Ok(Scan {
                        ready: ready.collect(),
                        settles_in: None,
                        came,
                    })
                })
                .await
        })
    }

    fn changed(&self) -> PortFuture<()> {
        let world = self.clone();
        let mut hints = world.hint.subscribe();
        Box::pin(async move {
            // The sender lives in `world`.
            let _ = hints.changed().await;
            world.call(Step::Changed, None, |_| Ok(())).await
        })
    }
}

pub(super) fn candidate(state: &State, path: &Path, file: &TestFile) -> Candidate {
    Candidate {
        path: path.to_owned(),
        size: file.size(),
        modified: file.modified,
        device: 1,
        inode: inode_of(state, path),
    }
}

/// A name has its own inode, unless it was linked to another's.
pub(super) fn inode_of(state: &State, path: &Path) -> u64 {
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let own = bytes.fold(7_u64, |inode, &byte| {
        inode.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    state.links.get(path).copied().unwrap_or(own)
}

impl Archive for World {
    fn take_out(&self, files: Vec<Leaving>) -> PortFuture<Vec<Result<Left>>> {
        let world = self.clone();
        Box::pin(async move {
            let mut answers = Vec::new();
            for leaving in files {
                answers.push(match leaving {
                    Leaving::Archive(file) => world.archive(file).await,
                    Leaving::Quarantine(file) => world.quarantine(file).await,
                });
            }
            Ok(answers)
        })
    }
}

impl World {
    async fn archive(&self, file: Archivable) -> Result<Left> {
        let id = file.file;
        let work = move |state: &mut State| take_out(state, &file);
        let result = self.call(Step::Archive, None, work).await;
        if let Err(error) = &result
            && !matches!(policy(error.kind()), Policy::Retry(_))
        {
            self.state().left_in_place.insert(id);
        }
        result
    }

    async fn quarantine(&self, file: Quarantined) -> Result<Left> {
        let work = move |state: &mut State| {
            let entry = state.files.get(&file.file);
            if entry.is_none_or(|entry| entry.state != FileState::Quarantined) {
                state.violation(format!("{:?} moved before it is QUARANTINED", file.file));
            }
            if state.inbox.remove(&file.candidate.path).is_some() {
                state.quarantined.push(file.candidate.path.clone());
            }
            Ok(Left::To(file.candidate.path))
        };
        self.call(Step::MoveQuarantined, None, work).await
    }
}

fn take_out(state: &mut State, file: &Archivable) -> Result<Left> {
    let path = file.candidate.path.clone();
    let there = state.inbox.get(&path);
    let there = there.map(|there| candidate(state, &path, there));
    let Some(entry) = state.files.get_mut(&file.file) else {
        return Err(Error::new(ErrorKind::Bug, "archive of an unknown file"));
    };
    match entry.state {
        FileState::Committed | FileState::Skipped => {}
        FileState::Archived => return Ok(Left::To(path)),
        other => {
            state.violation(format!("{:?} archived as {}", file.file, other.name()));
            return Ok(Left::Stays);
        }
    }
    if let Some(there) = there {
        if there != file.candidate {
            entry.stays = true;
            return Err(Error::new(ErrorKind::File, "changed since it was read"));
        }
        state.inbox.remove(&path);
        state.archived.push(path.clone());
    }
    entry.state = FileState::Archived;
    Ok(Left::To(path))
}
