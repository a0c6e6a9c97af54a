//! PURE: whether a file may be committed: its counts must add up to what was read of it.

use ingestd_actors::model::{Checkpoint, Counts, Epoch, FileEnd, FileState};

use super::manifest::Expected;

/// What the ledger says of a file that is to be committed.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its state.
    pub state: FileState,
    /// Its newest claim.
    pub epoch: Epoch,
    /// Why it failed or was quarantined, where it was.
    pub reason: Option<String>,
    /// What its manifest says, where it has one.
    pub expected: Option<Expected>,
    /// The counts it was committed with, where it was.
    pub counts: Counts,
    /// Its lanes, with the claim of each and what it counted.
    pub lanes: Vec<(Checkpoint, Epoch, Counts)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Commit it with these counts.
    Commit(Counts),
    /// It is committed already.
    Done(Counts),
    /// Another claim has it, or a lane stands below where it was seen to commit: the server has
    /// crashed, and lost what it had acknowledged. It has to be read again from the ledger.
    Fenced,
    /// It failed, now or before.
    Unbalanced(String),
    /// It adds up, and is to be QUARANTINED all the same.
    Refuse(String),
    /// It was quarantined so before.
    Refused(String),
}

/// Judges a file whose reading ended under a claim, and whose lanes were seen to commit up to `seen`.
pub fn judge(
    account: Option<&Account>,
    epoch: Epoch,
    seen: &[Checkpoint],
    end: &FileEnd,
) -> Judgement {
    let Some(account) = account else {
        return Judgement::Fenced;
    };
    let mismatch = account.expected.and_then(|it| it.mismatch(end.end.record));
    // As a refusal leaves it, whose answer was lost, for its manifest or its budget: a new claim that ended
    // so would be two further.
    let was_refused = account.state == FileState::Quarantined && account.epoch.0 - 1 == epoch.0;
    if was_refused {
        return Judgement::Refused(account.reason.clone().unwrap_or_default());
    }
    if account.epoch != epoch {
        return Judgement::Fenced;
    }
    match account.state {
        FileState::Scheduled | FileState::Reading | FileState::Completed => {}
        FileState::Committed | FileState::Archived => return Judgement::Done(account.counts),
        FileState::Failed => {
            return Judgement::Unbalanced(account.reason.clone().unwrap_or_default());
        }
        FileState::Skipped | FileState::Quarantined => return Judgement::Fenced,
    }
    if account.lanes.iter().any(|(_, claim, _)| *claim != epoch) {
        return Judgement::Fenced;
    }
    let stands_below = |seen: &Checkpoint| {
        let mut lanes = account.lanes.iter();
        lanes.any(|(now, ..)| now.lane == seen.lane && now.position.record < seen.position.record)
    };
    if seen.iter().any(stands_below) {
        return Judgement::Fenced;
    }
    let mut counts = Counts::default();
    for (checkpoint, _, lane) in &account.lanes {
        counts += *lane;
        if checkpoint.position > end.end {
            return Judgement::Unbalanced(format!(
                "lane {} is committed up to {}, beyond the file's end at {}",
                checkpoint.lane.number(),
                checkpoint.position,
                end.end
            ));
        }
    }
    if end.end.offset != end.text {
        return Judgement::Unbalanced(format!(
            "{} of the {} bytes of its text were read",
            end.end.offset, end.text
        ));
    }
    if counts.total() != end.end.record {
        return Judgement::Unbalanced(format!(
            "{} records were read, but {} are accounted for: {} inserted, {} updated, {} unchanged, \
             {} duplicate, {} deleted, {} filtered, {} rejected{}",
            end.end.record,
            counts.total(),
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.duplicate,
            counts.deleted,
            counts.filtered,
            counts.rejected,
            match counts.staged {
                0 => String::new(),
                staged => format!(", {staged} staged"),
            }
        ));
    }
    match mismatch {
        Some(reason) => Judgement::Refuse(reason),
        None => Judgement::Commit(counts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ingestd_actors::model::{Lane, Position};
    use std::sync::Arc;

    const EPOCH: Epoch = Epoch(3);

    fn end(record: u64, offset: u64) -> FileEnd {
        FileEnd {
            end: Position {
                record,
                offset,
                line: record + 1,
            },
            text: 100,
            size: 40,
            modified: 0,
            arrived: std::time::SystemTime::UNIX_EPOCH,
            content_hash: [0; 32],
            handle: Arc::new(tempfile::tempfile().unwrap()),
        }
    }

    fn account(inserted: u64, rejected: u64) -> Account {
        let lane = |lane, record, counts| {
            let position = Position {
                record,
                offset: record * 10,
                line: record + 1,
            };
            (Checkpoint { lane, position }, EPOCH, counts)
        };
        let counts = |inserted, rejected| Counts {
            inserted,
            rejected,
            ..Counts::default()
        };
        Account {
            state: FileState::Completed,
            epoch: EPOCH,
            reason: None,
            expected: None,
            counts: Counts::default(),
            lanes: vec![
                lane(Lane::Partition(0), 10, counts(inserted, 0)),
                lane(Lane::Partition(1), 0, Counts::default()),
                lane(Lane::Rejects, 4, counts(0, rejected)),
            ],
        }
    }

    #[test]
    fn what_a_crashed_server_has_forgotten_is_read_again_and_does_not_fail_the_file() {
        let seen = |record| Checkpoint {
            lane: Lane::Partition(0),
            position: Position {
                record,
                offset: record * 10,
                line: record + 1,
            },
        };
        let account = account(8, 2);
        let judged = |seen| judge(Some(&account), EPOCH, &[seen], &end(10, 100));
        assert_eq!(judged(seen(11)), Judgement::Fenced);
        assert!(matches!(judged(seen(10)), Judgement::Commit(_)));
    }

    #[test]
    fn what_adds_up_is_committed_with_idle_lanes_behind() {
        let Judgement::Commit(counts) = judge(Some(&account(8, 2)), EPOCH, &[], &end(10, 100))
        else {
            panic!("it adds up");
        };
        assert_eq!((counts.inserted, counts.rejected), (8, 2));
    }

    #[test]
    fn what_does_not_add_up_fails() {
        for (account, end) in [
            (account(8, 1), end(10, 100)),
            (account(8, 2), end(10, 99)),
            (account(9, 0), end(9, 100)),
        ] {
            let judged = judge(Some(&account), EPOCH, &[], &end);
            assert!(matches!(judged, Judgement::Unbalanced(_)), "{judged:?}");
        }
    }

    #[test]
    fn what_adds_up_is_refused_where_its_manifest_says_otherwise() {
        let mut account = account(8, 2);
        let judged = |account: &Account| judge(Some(account), EPOCH, &[], &end(10, 100));
        for (records, before, fits) in [(10, 0, true), (13, 3, true), (11, 0, false), (9, 0, false)]
        {
            account.expected = Some(Expected { records, before });
            match judged(&account) {
                Judgement::Commit(_) => assert!(fits),
                Judgement::Refuse(reason) => {
                    assert!(!fits);
                    assert!(
                        reason.contains(&format!("says {records} records")),
                        "{reason}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        // The answer was lost, and the question comes again.
        account.state = FileState::Quarantined;
        account.epoch = Epoch(EPOCH.0 + 1);
        account.reason = Some("as before".to_owned());
        assert_eq!(judged(&account), Judgement::Refused("as before".to_owned()));
    }

    /// Over its budget, that is: it was taken for the claim of another life, and `load` said nothing of it.
    #[test]
    fn a_file_that_was_quarantined_at_its_end_without_an_answer_is_so_again() {
        let mut account = account(8, 2);
        account.state = FileState::Quarantined;
        account.epoch = Epoch(EPOCH.0 + 1);
        account.reason = Some("over its error budget".to_owned());
        let judged = |account: &Account| judge(Some(account), EPOCH, &[], &end(10, 100));
        let refused = Judgement::Refused("over its error budget".to_owned());
        assert_eq!(judged(&account), refused);
        // One more claim, which ended in the same way.
        account.epoch = Epoch(EPOCH.0 + 2);
        assert_eq!(judged(&account), Judgement::Fenced);
    }

    #[test]
    fn another_claim_fences() {
        let mut stale_lane = account(8, 2);
        stale_lane.lanes[1].1 = Epoch(4);
        assert_eq!(
            judge(Some(&stale_lane), EPOCH, &[], &end(10, 100)),
            Judgement::Fenced
        );
        let current = account(8, 2);
        assert_eq!(
            judge(Some(&current), Epoch(2), &[], &end(10, 100)),
            Judgement::Fenced
        );
        assert_eq!(judge(None, EPOCH, &[], &end(10, 100)), Judgement::Fenced);
    }

    #[test]
    fn a_second_commit_says_the_same() {
        let mut committed = account(8, 2);
        committed.state = FileState::Committed;
        committed.lanes.clear();
        committed.counts.inserted = 10;
        let judged = judge(Some(&committed), EPOCH, &[], &end(10, 100));
        assert_eq!(judged, Judgement::Done(committed.counts));
    }
}
