//! The move on a real file system, stopped after every step.

mod compression;
mod policies;
mod removal;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::FileId;

use super::naming::{copy_path, private_path, reason_draft_path, untagged_path};
use super::rename::drop_first_name;
use super::steps::{Goal, Move, Outcome, advance, run};
use super::{Destination, target, write_reason};
use crate::fs::{candidate_at, hash_file};
use crate::settings::Collision;

const CONTENT: &str = "a,b\n1,2\n";
const FILE: FileId = FileId(7);

struct Place {
    _directory: tempfile::TempDir,
    _other: Option<tempfile::TempDir>,
    inbox: PathBuf,
    archive: PathBuf,
}

/// An inbox, and an archive beside it.
fn beside() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let inbox = directory.path().join("in");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("a.csv"), CONTENT).unwrap();
    Place {
        archive: directory.path().join("out"),
        _directory: directory,
        _other: None,
        inbox,
    }
}

/// The same; where asked for, with the archive on another file system. `None` where there is none.
fn place(across: bool) -> Option<Place> {
    let mut place = beside();
    if across {
        let other = tempfile::tempdir_in("/dev/shm").unwrap();
        let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
        if device(other.path()) == device(&place.inbox) {
            eprintln!("SKIPPED: there is only one file system here");
            return None;
        }
        place.archive = other.path().join("out");
        place._other = Some(other);
    }
    Some(place)
}

fn path_in(place: &Place, compressed: bool, attempt: u32) -> PathBuf {
    let to = Destination {
        into: &place.archive,
        dates: None,
        inbox: &place.inbox,
        compressed,
    };
    target(to, &place.inbox.join("a.csv"), FILE, attempt)
}

fn with_goal(place: &Place, goal: Goal) -> Move {
    let path = place.inbox.join("a.csv");
    let candidate = candidate_at(&path).unwrap().unwrap();
    let content = std::fs::File::open(&path).and_then(|file| hash_file(&file, candidate.size));
    Move {
        file: FILE,
        tag: Arc::from("tag"),
        inbox: place.inbox.clone(),
        candidate,
        handle: None,
        content: Some(content.unwrap().to_vec()),
        goal,
        companions: Vec::new(),
    }
}

fn to(target: PathBuf, collision: Collision) -> Goal {
    Goal::To { target, collision }
}

fn a_move(place: &Place) -> Move {
    with_goal(place, to(path_in(place, false, 0), Collision::Rename))
}

fn target_of(file: &Move) -> &Path {
    match &file.goal {
        Goal::To { target, .. } => target,
        Goal::Delete => panic!("it goes nowhere"),
    }
}

fn private(file: &Move) -> PathBuf {
    private_path(&file.candidate.path, &file.tag, file.file)
}

fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_copy_that_was_cut_short_is_made_again() {
    let Some(place) = place(true) else { return };
    let file = a_move(&place);
    advance(&file).unwrap();
    std::fs::create_dir_all(&place.archive).unwrap();
    let copy = copy_path(target_of(&file), &file.tag, file.file);
    std::fs::write(copy, "a, and more than there is in all of it").unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.archive), ["a.csv"]);
    assert_eq!(std::fs::read_to_string(target_of(&file)).unwrap(), CONTENT);
}

#[test]
fn a_rename_in_two_halves_is_ended() {
    let place = beside();
    let file = a_move(&place);
    let private = private(&file);
    std::fs::hard_link(&file.candidate.path, private).unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.inbox), [""; 0]);
    assert_eq!(files(&place.archive), ["a.csv"]);
}

#[test]
fn another_file_is_never_replaced() {
    for other in ["another file", &CONTENT.replace('1', "9")] {
        let place = beside();
        let mut file = a_move(&place);
        std::fs::create_dir(&place.archive).unwrap();
        std::fs::write(target_of(&file), other).unwrap();
        assert_eq!(run(&file).unwrap(), Outcome::Collides);
        file.goal = to(path_in(&place, false, 1), Collision::Rename);
        assert_eq!(run(&file).unwrap(), Outcome::Moved);
        assert_eq!(files(&place.archive), ["a-7.csv", "a.csv"]);
        let kept = std::fs::read_to_string(place.archive.join("a.csv")).unwrap();
        assert_eq!(kept, other);
    }
}

#[test]
fn a_file_that_changed_stays_or_is_put_back() {
    for taken in [false, true] {
        let place = beside();
        let file = a_move(&place);
        let path = file.candidate.path.clone();
        let mut writer = std::fs::File::options().append(true).open(&path).unwrap();
        if taken {
            advance(&file).unwrap();
        }
        std::io::Write::write_all(&mut writer, b"3,4\n").unwrap();
        assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::File);
        assert_eq!(files(&place.inbox), ["a.csv"]);
        assert_eq!(files(&place.archive), [""; 0]);
    }
}

/// It stands under its private name then: called the file's fault, it was left there for good.
#[test]
fn a_file_that_can_not_be_placed_is_tried_again() {
    let place = beside();
    let file = a_move(&place);
    std::fs::write(&place.archive, "no directory").unwrap();
    for _ in 0..2 {
        assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::Configuration);
    }
    std::fs::remove_file(&place.archive).unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.inbox), [""; 0]);
}

/// What was added to it stood under the private name for good.
#[test]
fn a_file_that_changed_while_another_took_its_name_is_put_back_later() {
    let place = beside();
    let file = a_move(&place);
    let path = file.candidate.path.clone();
    advance(&file).unwrap();
    let private = private(&file);
    std::fs::write(&private, "a,b\n1,2\n3,4\n").unwrap();
    std::fs::write(&path, "another file").unwrap();
    assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "another file");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(files(&place.inbox), ["a.csv"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n3,4\n");
}

#[test]
fn a_file_that_changed_between_the_halves_of_a_rename_keeps_its_first_name() {
    let place = beside();
    let file = a_move(&place);
    let path = file.candidate.path.clone();
    std::fs::hard_link(&path, private(&file)).unwrap();
    std::fs::write(&path, "a,b\n1,2\n3,4\n").unwrap();
    assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(files(&place.inbox), ["a.csv"]);
}

#[test]
fn what_took_the_files_place_is_left_alone() {
    let place = beside();
    let mut file = a_move(&place);
    let path = file.candidate.path.clone();
    file.handle = Some(Arc::new(std::fs::File::open(&path).unwrap()));
    std::fs::write(place.inbox.join(".new"), CONTENT).unwrap();
    std::fs::rename(place.inbox.join(".new"), &path).unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Missing);
    assert_eq!(files(&place.inbox), ["a.csv"]);
}

#[test]
fn a_new_file_of_the_same_name_does_not_disturb_a_move() {
    let place = beside();
    let file = a_move(&place);
    advance(&file).unwrap();
    std::fs::write(&file.candidate.path, "other").unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.inbox), ["a.csv"]);
    assert_eq!(run(&file).unwrap(), Outcome::Moved, "again, it is done");
}

/// Where a rename is made of two steps, it has two names for a moment. What a writer had put under the
/// first one by then was deleted.
#[test]
fn of_two_names_the_first_is_taken_away_only_while_it_is_one_of_them() {
    let place = beside();
    let (path, second) = (place.inbox.join("a.csv"), place.inbox.join(".second"));
    std::fs::hard_link(&path, &second).unwrap();
    std::fs::write(place.inbox.join(".new"), "newer").unwrap();
    std::fs::rename(place.inbox.join(".new"), &path).unwrap();
    drop_first_name(&path, &second).unwrap();
    assert_eq!(files(&place.inbox), [".second", "a.csv"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "newer");
    assert_eq!(std::fs::read_to_string(&second).unwrap(), CONTENT);

    std::fs::remove_file(&path).unwrap();
    std::fs::hard_link(&second, &path).unwrap();
    drop_first_name(&path, &second).unwrap();
    assert_eq!(files(&place.inbox), [".second"]);
}

#[test]
fn a_link_is_not_moved() {
    let place = beside();
    let link = place.inbox.join("link.csv");
    std::os::unix::fs::symlink("a.csv", &link).unwrap();
    let mut file = a_move(&place);
    file.candidate.path = link;
    assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(files(&place.inbox), ["a.csv", "link.csv"]);
}

#[test]
fn the_reason_stands_beside_the_file() {
    let place = beside();
    let path = place.inbox.join("a.csv");
    write_reason(&path, "the header is wrong").unwrap();
    assert_eq!(files(&place.inbox), ["a.csv", "a.csv.reason"]);
    let text = std::fs::read_to_string(place.inbox.join("a.csv.reason")).unwrap();
    assert_eq!(text, "the header is wrong\n");
}

/// A life that was killed in the middle left it under a name of its own, for ever.
#[test]
fn a_reason_that_was_left_half_written_is_written_anew() {
    let place = beside();
    let path = place.inbox.join("a.csv");
    let draft = reason_draft_path(&path);
    let elsewhere = place.inbox.join("elsewhere");
    std::fs::write(&draft, "the hea").unwrap();
    write_reason(&path, "the header is wrong").unwrap();
    assert_eq!(files(&place.inbox), ["a.csv", "a.csv.reason"]);
    std::os::unix::fs::symlink(&elsewhere, &draft).unwrap();
    write_reason(&path, "the header is wrong").unwrap();
    assert_eq!(files(&place.inbox), ["a.csv", "a.csv.reason"]);
    let text = std::fs::read_to_string(place.inbox.join("a.csv.reason")).unwrap();
    assert_eq!(text, "the header is wrong\n");
}

/// Two instances that move the same file: whoever comes second finds the step done.
#[test]
fn many_that_do_the_same_move_at_once_do_it_once() {
    for across in [false, true] {
        let Some(place) = place(across) else { return };
        for goal in [
            to(path_in(&place, false, 0), Collision::Rename),
            Goal::Delete,
        ] {
            std::fs::write(place.inbox.join("a.csv"), CONTENT).unwrap();
            let file = with_goal(&place, goal.clone());
            let outcomes: Vec<_> = std::thread::scope(|scope| {
                let run = || loop {
                    match run(&file) {
                        Ok(outcome) => return outcome,
                        // The other one is copying it.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Transient, "{error}"),
                    }
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
                threads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            assert_eq!(files(&place.inbox), [""; 0]);
            match goal {
                Goal::Delete => assert!(outcomes.contains(&Outcome::Deleted), "{outcomes:?}"),
                Goal::To { .. } => {
                    assert!(
                        outcomes.iter().all(|it| *it == Outcome::Moved),
                        "{outcomes:?}"
                    );
                    assert_eq!(files(&place.archive), ["a.csv"]);
                    std::fs::remove_file(place.archive.join("a.csv")).unwrap();
                }
            }
        }
    }
}

#[test]
fn what_an_earlier_version_left_half_way_is_taken_over() {
    let place = beside();
    let file = a_move(&place);
    let path = &file.candidate.path;
    std::fs::rename(path, untagged_path(path, file.file)).unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.inbox), [""; 0]);
    assert_eq!(files(&place.archive), ["a.csv"]);
}

#[test]
fn another_ledgers_file_of_the_same_number_is_left_alone() {
    let place = beside();
    let file = a_move(&place);
    let theirs = private_path(&file.candidate.path, "other", file.file);
    std::fs::write(&theirs, "theirs").unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(std::fs::read_to_string(theirs).unwrap(), "theirs");
}

#[test]
fn companions_follow_under_their_files_name_as_far_as_that_goes() {
    for across in [false, true] {
        let Some(place) = place(across) else { return };
        let marker = place.inbox.join("a.csv.done");
        let mut file = a_move(&place);
        file.companions = vec![marker.clone(), place.inbox.join("a.csv.none")];
        file.goal = to(path_in(&place, false, 1), Collision::Rename);
        std::fs::write(&marker, "").unwrap();
        let outcome = run(&file).unwrap();
        assert!(super::follow(&file, &outcome).is_empty());
        assert_eq!(files(&place.inbox), [""; 0]);
        assert_eq!(files(&place.archive), ["a-7.csv", "a-7.csv.done"]);

        std::fs::write(&marker, "").unwrap();
        let taken = super::follow(&file, &outcome);
        assert_eq!(taken.len(), 1, "the archive has one of that name");
        file.goal = Goal::Delete;
        assert!(super::follow(&file, &Outcome::Deleted).is_empty());
        assert_eq!(files(&place.inbox), [""; 0]);
        std::fs::remove_dir_all(&place.archive).unwrap();
    }
}
