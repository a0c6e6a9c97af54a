//! The decisions, without a database and without files.

use ingestd_actors::model::{Epoch, Position};

use super::*;

const PRINT: Fingerprint = Fingerprint {
    head: [1; 32],
    tail: [2; 32],
    content: None,
};

fn candidate(path: &str, size: u64) -> Candidate {
    Candidate {
        path: path.into(),
        size,
        modified: 5,
        device: 1,
        inode: 9,
    }
}

fn known(file: i64, path: &str, size: u64, state: FileState) -> Known {
    Known {
        file: FileId(file),
        candidate: candidate(path, size),
        head: vec![1; 32],
        tail: vec![2; 32],
        content: Some(vec![3; 32]),
        mark: None,
        plan: Some(1),
        parent: None,
        base: Position::START,
        state,
        reason: None,
        duplicate_of: None,
        epoch: Epoch(1),
        watermark: Position::START,
        records: None,
        loaded: 0,
        archive_path: None,
        archived: false,
        held: false,
        undone: false,
        owner: None,
        committed_at: None,
    }
}

fn fact(known: Known, relation: Relation, proven: bool) -> Fact {
    Fact {
        known,
        relation,
        proven,
        still_there: false,
        line_ends: true,
        mark: None,
        plain: true,
    }
}

fn decide(facts: &[Fact]) -> Decision {
    by_content(&candidate("/in/a", 10), facts, None, Rules::default()).0
}

#[test]
fn metadata_decide_about_finished_files_by_what_the_pipeline_keeps() {
    let here = candidate("/in/a", 10);
    let keeps = Rules {
        keeps: true,
        keeps_quarantined: true,
        ..Rules::default()
    };
    let moves = Rules::default();
    let named = Rules {
        named: true,
        ..keeps
    };
    let id = FileId(1);
    let quick = |state, rules| by_metadata(&here, &[known(1, "/in/a", 10, state)], rules);
    for state in [
        FileState::Committed,
        FileState::Skipped,
        FileState::Quarantined,
        FileState::Failed,
    ] {
        assert_eq!(quick(state, keeps), Quick::Ignore, "{state:?}");
    }
    assert_eq!(quick(FileState::Committed, moves), Quick::Archive(id));
    assert!(matches!(quick(FileState::Skipped, moves), Quick::Skip(..)));
    assert!(matches!(
        quick(FileState::Quarantined, moves),
        Quick::Quarantine(..)
    ));
    assert!(matches!(
        quick(FileState::Committed, named),
        Quick::Skip(..)
    ));
    assert_eq!(quick(FileState::Quarantined, named), Quick::Content);
    assert_eq!(quick(FileState::Reading, keeps), Quick::Content);
    let again = Rules {
        again: true,
        ..named
    };
    assert_eq!(quick(FileState::Committed, again), Quick::Content);
}

#[test]
fn the_newest_file_at_a_path_decides_and_other_metadata_do_not() {
    let here = candidate("/in/a", 10);
    let rules = Rules::default();
    let rows = [
        known(2, "/in/a", 10, FileState::Committed),
        known(1, "/in/a", 10, FileState::Quarantined),
    ];
    assert_eq!(by_metadata(&here, &rows, rules), Quick::Archive(FileId(2)));
    assert_eq!(
        by_metadata(&candidate("/in/a", 11), &rows, rules),
        Quick::Content
    );
}

#[test]
fn relations_follow_from_length_ends_path_and_state() {
    let of = |size, known: Known| relation(&candidate("/in/a", size), &PRINT, &known);
    let committed = known(1, "/in/a", 10, FileState::Committed);
    assert_eq!(of(10, committed.clone()), Relation::MayEqual);
    assert_eq!(of(11, committed.clone()), Relation::MayContinue);
    assert_eq!(of(9, committed.clone()), Relation::None);
    let mut archived = committed.clone();
    archived.archived = true;
    assert_eq!(of(11, archived.clone()), Relation::MayContinue);
    archived.candidate.path = "/in/b".into();
    assert_eq!(of(11, archived), Relation::None, "it had another name");
    let mut skipped = known(1, "/in/a", 10, FileState::Skipped);
    assert_eq!(of(10, skipped.clone()), Relation::None, "nothing is loaded");
    skipped.duplicate_of = Some(FileId(5));
    assert_eq!(of(10, skipped.clone()), Relation::MayEqual);
    assert_eq!(of(11, skipped), Relation::MayContinue);
    let mut empty = committed;
    empty.records = Some(0);
    assert_eq!(of(10, empty.clone()), Relation::None, "never a duplicate");
    assert_eq!(
        of(11, empty),
        Relation::None,
        "its header was not loaded yet"
    );

    let reading = known(1, "/in/a", 10, FileState::Reading);
    assert_eq!(of(11, reading.clone()), Relation::MayContinue);
    assert_eq!(of(9, reading), Relation::Replaces);
    let elsewhere = known(1, "/in/b", 10, FileState::Reading);
    assert_eq!(of(10, elsewhere.clone()), Relation::MayEqual);
    assert_eq!(of(11, elsewhere), Relation::None);

    let mut half = known(1, "/in/b", 10, FileState::Quarantined);
    assert_eq!(
        of(10, half.clone()),
        Relation::None,
        "nothing of it can be doubled"
    );
    half.loaded = 1;
    assert_eq!(of(10, half.clone()), Relation::MayEqual);
    assert_eq!(of(9, half.clone()), Relation::None);
    half.candidate.path = "/in/a".into();
    assert_eq!(
        of(9, half.clone()),
        Relation::Remains,
        "cut where it stands"
    );
    half.candidate.inode += 1;
    assert_eq!(of(9, half), Relation::None, "another file");
}

#[test]
fn an_unfinished_file_goes_on_before_anything_else() {
    let here = known(4, "/in/a", 10, FileState::Reading);
    let there = known(3, "/in/b", 10, FileState::Reading);
    let done = known(2, "/in/c", 10, FileState::Archived);
    let equal = |known| fact(known, Relation::MayEqual, true);
    let decision = decide(&[equal(done), equal(there), equal(here)]);
    assert_eq!(decision, Decision::Continue(FileId(4)));
}

#[test]
fn an_equal_unfinished_file_elsewhere_is_waited_for_while_it_is_there() {
    let mut there = fact(
        known(3, "/in/b", 10, FileState::Reading),
        Relation::MayEqual,
        true,
    );
    there.still_there = true;
    assert!(matches!(decide(&[there.clone()]), Decision::Later(_)));
    there.still_there = false;
    assert_eq!(decide(&[there.clone()]), Decision::Continue(FileId(3)));
    there.proven = false;
    let new = Decision::Load {
        gives_up: Vec::new(),
        replaces: Vec::new(),
    };
    assert_eq!(decide(&[there]), new);
}

#[test]
fn what_replaced_an_unfinished_file_is_loaded_and_the_old_one_given_up() {
    let old = fact(
        known(3, "/in/a", 12, FileState::Reading),
        Relation::Replaces,
        false,
    );
    let decision = decide(&[old]);
    assert!(matches!(decision, Decision::Load { gives_up, .. } if gives_up == [FileId(3)]));
}

#[test]
fn equal_content_is_skipped_unless_it_is_wanted_again() {
    let done = fact(
        known(2, "/in/c", 10, FileState::Archived),
        Relation::MayEqual,
        true,
    );
    let Decision::Skip(known, reason) = decide(std::slice::from_ref(&done)) else {
        panic!("it is a duplicate");
    };
    assert_eq!(known.map(|it| it.file), Some(FileId(2)));
    assert!(reason.contains("file 2 (/in/c)"), "{reason}");
    let again = Rules {
        again: true,
        ..Rules::default()
    };
    let (decision, why) = by_content(&candidate("/in/a", 10), &[done], None, again);
    assert!(matches!(decision, Decision::Load { .. }));
    assert_eq!(why, None);
}

#[test]
fn a_tail_continues_the_longest_file_and_only_after_a_line_end() {
    let short = fact(
        known(1, "/in/a", 4, FileState::Committed),
        Relation::MayContinue,
        true,
    );
    let mut long = fact(
        known(2, "/in/a", 8, FileState::Committed),
        Relation::MayContinue,
        true,
    );
    let decision = decide(&[long.clone(), short.clone()]);
    assert!(matches!(decision, Decision::LoadTail(parent) if parent.known.file == FileId(2)));
    long.line_ends = false;
    let decision = decide(&[long, short]);
    assert!(
        matches!(decision, Decision::Quarantine(Some(FileId(2)), _)),
        "{decision:?}"
    );
}

#[test]
fn what_is_half_in_the_table_is_not_loaded_unasked() {
    let mut failed = known(1, "/in/a", 4, FileState::Failed);
    failed.loaded = 3;
    for relation in [Relation::MayEqual, Relation::MayContinue] {
        let decision = decide(&[fact(failed.clone(), relation, true)]);
        let Decision::Quarantine(_, reason) = decision else {
            panic!("its rows would be doubled");
        };
        assert!(reason.contains("3 of its records"), "{reason}");
    }
}
