//! Situations and rules, without a database and without files.

use ingestd_actors::model::{Epoch, FileId, Position};

use super::*;
use crate::ledger::verdict::by_content;

const RULES: [OnReturn; 4] = [
    OnReturn::Skip,
    OnReturn::Tail,
    OnReturn::Reload,
    OnReturn::Quarantine,
];

fn known(file: i64, path: &str, state: FileState) -> Known {
    Known {
        file: FileId(file),
        candidate: candidate(path, 5),
        head: vec![1; 32],
        tail: vec![2; 32],
        content: Some(vec![3; 32]),
        mark: None,
        plan: Some(1),
        parent: None,
        base: Position::START,
        state,
        reason: None,
        duplicate_of: (state == FileState::Skipped).then_some(FileId(90)),
        epoch: Epoch(1),
        watermark: Position::START,
        records: (state != FileState::Skipped).then_some(1),
        loaded: 1,
        archive_path: None,
        archived: state != FileState::Committed,
        held: false,
        undone: false,
        owner: None,
        committed_at: Some("2026-11-21 10:00:00".into()),
    }
}

fn candidate(path: &str, modified: i64) -> Candidate {
    Candidate {
        path: path.into(),
        size: 10,
        modified,
        device: 1,
        inode: 9,
    }
}

fn fact(known: Known, relation: Relation) -> Fact {
    Fact {
        known,
        relation,
        proven: true,
        still_there: false,
        line_ends: true,
        mark: None,
        plain: true,
    }
}

fn all(what: OnReturn) -> Rules {
    Rules {
        redropped: Redropped {
            same: what,
            appended: what,
            changed: what,
            renamed: what,
        },
        ..Rules::default()
    }
}

/// What becomes of `/in/a`, in a word, with its verdict.
fn becomes(facts: &[Fact], last: Option<&Known>, what: OnReturn) -> (&'static str, String) {
    let (decision, why) = by_content(&candidate("/in/a", 6), facts, last, all(what));
    let word = match decision {
        Decision::Load { .. } => "load",
        Decision::LoadTail(_) => "tail",
        Decision::Skip(Some(_), _) => "skip",
        Decision::Skip(None, _) => "skip, and stand for nothing",
        Decision::Refresh(_) => "refresh",
        Decision::Quarantine(..) => "quarantine",
        Decision::Continue(_) | Decision::Later(_) => "wait",
    };
    (word, why.map_or(String::new(), |why| why.verdict))
}

#[test]
fn each_situation_follows_its_rule() {
    let left = |path: &str| known(3, path, FileState::Archived);
    let stands = || known(3, "/in/a", FileState::Committed);
    for what in RULES {
        let with = |situation: &str| format!("{situation}: {}", what.word());
        let skipped = |word| match what {
            OnReturn::Skip => word,
            OnReturn::Quarantine => "quarantine",
            OnReturn::Tail | OnReturn::Reload => "load",
        };
        let equal = |known| [fact(known, Relation::MayEqual)];
        let longer = |known| [fact(known, Relation::MayContinue)];
        assert_eq!(
            becomes(&equal(left("/in/a")), None, what),
            (skipped("skip"), with("same"))
        );
        assert_eq!(
            becomes(&equal(stands()), None, what),
            (skipped("refresh"), with("same"))
        );
        assert_eq!(
            becomes(&equal(left("/in/b")), None, what),
            (skipped("skip"), with("renamed"))
        );
        let appended = match what {
            OnReturn::Tail => "tail",
            _ => skipped("skip, and stand for nothing"),
        };
        for parent in [left("/in/a"), stands()] {
            assert_eq!(
                becomes(&longer(parent), None, what),
                (appended, with("appended"))
            );
        }
        let changed = becomes(&[], Some(&left("/in/a")), what);
        assert_eq!(
            changed,
            (skipped("skip, and stand for nothing"), with("changed"))
        );
        assert_eq!(becomes(&[], None, what), ("load", String::new()));
    }
}

#[test]
fn what_was_skipped_under_a_name_was_not_loaded_under_it() {
    let mut itself = known(4, "/in/a", FileState::Skipped);
    itself.archived = false;
    let original = known(3, "/in/b", FileState::Archived);
    let facts = [original, itself].map(|known| fact(known, Relation::MayEqual));
    let renamed = |what, word| {
        let (found, verdict) = becomes(&facts, None, what);
        assert_eq!(found, word);
        assert!(verdict.starts_with("renamed: "), "{verdict}");
    };
    renamed(OnReturn::Skip, "refresh");
    renamed(OnReturn::Reload, "load");
}

#[test]
fn another_inode_alone_is_no_drop() {
    let facts = [fact(
        known(3, "/in/a", FileState::Committed),
        Relation::MayEqual,
    )];
    for what in [OnReturn::Reload, OnReturn::Quarantine] {
        let mut now = candidate("/in/a", 5);
        now.inode = 10;
        let (decision, why) = by_content(&now, &facts, None, all(what));
        assert!(matches!(decision, Decision::Refresh(_)), "{decision:?}");
        assert_eq!(why, None);
    }
}

/// It was taken for the file whose move has begun, which was then left half-way.
#[test]
fn what_stands_where_a_file_left_is_another_one_unless_it_has_its_inode() {
    let mut leaving = known(3, "/in/a", FileState::Committed);
    leaving.archive_path = Some("/out/a".into());
    for (relation, word) in [
        (Relation::MayEqual, "skip"),
        (Relation::MayContinue, "tail"),
    ] {
        let itself = [fact(leaving.clone(), relation)];
        assert_eq!(becomes(&itself, None, OnReturn::Skip).0, "wait");
        let mut another = leaving.clone();
        another.candidate.inode = 10;
        let facts = [fact(another, relation)];
        let (decision, _) = by_content(&candidate("/in/a", 6), &facts, None, Rules::default());
        match decision {
            Decision::Skip(Some(original), _) => assert_eq!((original.file.0, word), (3, "skip")),
            Decision::LoadTail(_) => assert_eq!(word, "tail"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_what_was_loaded_counts_as_loaded() {
    assert!(counts(&known(1, "/in/a", FileState::Archived)));
    assert!(counts(&known(1, "/in/a", FileState::Skipped)));
    let mut empty = known(1, "/in/a", FileState::Committed);
    empty.records = Some(0);
    let mut nothing = known(1, "/in/a", FileState::Skipped);
    nothing.duplicate_of = None;
    for other in [
        empty,
        nothing,
        known(1, "/in/a", FileState::Quarantined),
        known(1, "/in/a", FileState::Failed),
        known(1, "/in/a", FileState::Reading),
    ] {
        assert!(!counts(&other), "{other:?}");
    }
}

#[test]
fn a_tail_needs_a_line_end_and_text_as_it_stands() {
    let parent = || {
        fact(
            known(3, "/in/a", FileState::Archived),
            Relation::MayContinue,
        )
    };
    let mut within = parent();
    within.line_ends = false;
    let mut packed = parent();
    packed.plain = false;
    for (fact, said) in [
        (within, "in the middle of a record"),
        (packed, "compressed"),
    ] {
        let now = candidate("/in/a", 6);
        let (decision, why) = by_content(&now, &[fact], None, Rules::default());
        let Decision::Quarantine(Some(FileId(3)), reason) = decision else {
            panic!("{decision:?}");
        };
        assert!(reason.contains(said), "{reason}");
        assert_eq!(
            why.map(|why| why.verdict).as_deref(),
            Some("appended: tail")
        );
    }
}
