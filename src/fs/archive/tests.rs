//! The move on a real file system, stopped after every step.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::FileId;

use super::naming::private_path;
use super::steps::{Move, Outcome, advance, run};
use super::{target, write_reason};
use crate::fs::candidate_at;

const CONTENT: &str = "a,b\n1,2\n";

struct Place {
    _directory: tempfile::TempDir,
    _other: Option<tempfile::TempDir>,
    inbox: PathBuf,
    archive: PathBuf,
}

/// An inbox, and an archive beside it or on another file system.
fn place(across: bool) -> Place {
    let directory = tempfile::tempdir().unwrap();
    let inbox = directory.path().join("in");
    std::fs::create_dir(&inbox).unwrap();
    std::fs::write(inbox.join("a.csv"), CONTENT).unwrap();
    let other = across.then(|| tempfile::tempdir_in("/dev/shm").unwrap());
    let archive = match &other {
        Some(other) => other.path().join("out"),
        None => directory.path().join("out"),
    };
    Place {
        _directory: directory,
        _other: other,
        inbox,
        archive,
    }
}

fn a_move(place: &Place) -> Move {
    let path = place.inbox.join("a.csv");
    Move {
        file: FileId(7),
        candidate: candidate_at(&path).unwrap().unwrap(),
        handle: None,
        target: target(&place.archive, &place.inbox, &path, FileId(7), 0),
    }
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
fn after_a_stop_at_any_step_another_life_ends_the_move() {
    for across in [false, true] {
        let mut steps = 0;
        loop {
            let place = place(across);
            let file = a_move(&place);
            let mut ended = false;
            for _ in 0..steps {
                ended = ended || advance(&file).unwrap().is_some();
            }
            assert_eq!(run(&file).unwrap(), Outcome::Moved, "after {steps} steps");
            assert_eq!(files(&place.inbox), [""; 0]);
            assert_eq!(files(&place.archive), ["a.csv"]);
            assert_eq!(std::fs::read_to_string(&file.target).unwrap(), CONTENT);
            if ended {
                break;
            }
            steps += 1;
        }
        assert!(steps >= 3, "there are steps to stop between");
    }
}

#[test]
fn a_copy_that_was_cut_short_is_made_again() {
    let place = place(true);
    let file = a_move(&place);
    advance(&file).unwrap();
    std::fs::create_dir_all(&place.archive).unwrap();
    std::fs::write(place.archive.join(".ingestd-7.copying"), "a,").unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.archive), ["a.csv"]);
    assert_eq!(std::fs::read_to_string(&file.target).unwrap(), CONTENT);
}

#[test]
fn a_rename_in_two_halves_is_ended() {
    let place = place(false);
    let file = a_move(&place);
    let private = private_path(&file.candidate.path, file.file);
    std::fs::hard_link(&file.candidate.path, private).unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.inbox), [""; 0]);
    assert_eq!(files(&place.archive), ["a.csv"]);
}

#[test]
fn another_file_is_never_replaced() {
    for other in ["another file", &CONTENT.replace('1', "9")] {
        let place = place(false);
        let mut file = a_move(&place);
        std::fs::create_dir(&place.archive).unwrap();
        std::fs::write(&file.target, other).unwrap();
        assert_eq!(run(&file).unwrap(), Outcome::Collides);
        file.target = target(
            &place.archive,
            &place.inbox,
            &file.candidate.path,
            file.file,
            1,
        );
        assert_eq!(run(&file).unwrap(), Outcome::Moved);
        assert_eq!(files(&place.archive), ["a-7.csv", "a.csv"]);
        let kept = std::fs::read_to_string(place.archive.join("a.csv")).unwrap();
        assert_eq!(kept, other);
    }
}

#[test]
fn a_file_that_changed_stays_or_is_put_back() {
    for taken in [false, true] {
        let place = place(false);
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
    let place = place(false);
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
    let place = place(false);
    let file = a_move(&place);
    let path = file.candidate.path.clone();
    advance(&file).unwrap();
    let private = private_path(&path, file.file);
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
    let place = place(false);
    let file = a_move(&place);
    let path = file.candidate.path.clone();
    std::fs::hard_link(&path, private_path(&path, file.file)).unwrap();
    std::fs::write(&path, "a,b\n1,2\n3,4\n").unwrap();
    assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(files(&place.inbox), ["a.csv"]);
}

#[test]
fn what_took_the_files_place_is_left_alone() {
    let place = place(false);
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
    let place = place(false);
    let file = a_move(&place);
    advance(&file).unwrap();
    std::fs::write(&file.candidate.path, "other").unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Moved);
    assert_eq!(files(&place.inbox), ["a.csv"]);
    assert_eq!(run(&file).unwrap(), Outcome::Moved, "again, it is done");
}

#[test]
fn a_link_is_not_moved() {
    let place = place(false);
    let link = place.inbox.join("link.csv");
    std::os::unix::fs::symlink("a.csv", &link).unwrap();
    let mut file = a_move(&place);
    file.candidate.path = link;
    assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::File);
    assert_eq!(files(&place.inbox), ["a.csv", "link.csv"]);
}

#[test]
fn the_reason_stands_beside_the_file() {
    let place = place(false);
    let path = place.inbox.join("a.csv");
    write_reason(&path, "the header is wrong").unwrap();
    assert_eq!(files(&place.inbox), ["a.csv", "a.csv.reason"]);
    let text = std::fs::read_to_string(place.inbox.join("a.csv.reason")).unwrap();
    assert_eq!(text, "the header is wrong\n");
}
