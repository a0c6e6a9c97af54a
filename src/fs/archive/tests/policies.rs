//! What becomes of a file: each policy, with each thing that may stand in the archive, on one file
//! system and across two; stopped after every step, and gone on with by another life.

use super::*;

const OTHER: &str = "a,b\n9,9\n";
const LONGER: &str = "something longer than the file";

/// What stands at the target before.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    Same,
    Other,
    Longer,
    Directory,
}

/// What is there at the end.
#[derive(Debug, PartialEq)]
enum After {
    /// The file alone is in the archive.
    Archived,
    /// It is in the archive under another name, beside what was there.
    Beside,
    /// It is in the inbox, and what was there is untouched.
    Stays,
    /// It is nowhere.
    Deleted,
}

const BEFORE: [Before; 5] = [
    Before::Nothing,
    Before::Same,
    Before::Other,
    Before::Longer,
    Before::Directory,
];

/// The table of the documentation.
fn expected(goal: Option<Collision>, before: Before) -> After {
    use Before::{Directory, Nothing, Same};
    match (goal, before) {
        (None, _) => After::Deleted,
        (Some(_), Nothing) => After::Archived,
        // The file that is there is as good as this one.
        (Some(Collision::Rename | Collision::Keep), Same) => After::Archived,
        (Some(Collision::Rename), _) => After::Beside,
        (Some(Collision::Replace), Directory) => After::Stays,
        (Some(Collision::Replace), _) => After::Archived,
        (Some(Collision::Keep | Collision::Fail), _) => After::Stays,
    }
}

struct Cell {
    place: Place,
    file: Move,
    before: Before,
    compressed: bool,
}

impl Cell {
    fn new(
        across: bool,
        compressed: bool,
        goal: Option<Collision>,
        before: Before,
    ) -> Option<Cell> {
        let place = place(across)?;
        let target = path_in(&place, compressed, 0);
        let text = match before {
            Before::Nothing | Before::Directory => None,
            Before::Same => Some(CONTENT),
            Before::Other => Some(OTHER),
            Before::Longer => Some(LONGER),
        };
        std::fs::create_dir(&place.archive).unwrap();
        if before == Before::Directory {
            std::fs::create_dir(&target).unwrap();
        }
        if let Some(text) = text {
            let bytes = match compressed {
                true => zstd::encode_all(text.as_bytes(), 1).unwrap(),
                false => text.as_bytes().to_vec(),
            };
            std::fs::write(&target, bytes).unwrap();
        }
        let goal = match goal {
            Some(collision) => to(target, collision),
            None => Goal::Delete,
        };
        Some(Cell {
            file: with_goal(&place, goal),
            place,
            before,
            compressed,
        })
    }

    /// What a file in the archive says.
    fn text(&self, attempt: u32) -> Option<String> {
        let bytes = std::fs::read(path_in(&self.place, self.compressed, attempt)).ok()?;
        let bytes = match self.compressed {
            true => zstd::decode_all(&bytes[..]).unwrap(),
            false => bytes,
        };
        Some(String::from_utf8(bytes).unwrap())
    }

    /// Never a moment without what was there, unless the new one has taken its place.
    fn check_between(&self, replaces: bool) {
        let was = match self.before {
            Before::Nothing | Before::Directory => return,
            Before::Same => CONTENT,
            Before::Other => OTHER,
            Before::Longer => LONGER,
        };
        let text = self.text(0).expect("there is always one of them");
        assert!(text == was || (replaces && text == CONTENT), "{text:?}");
        let all = files(&self.place.inbox).len() + files(&self.place.archive).len();
        assert!(all >= 2 || text == CONTENT, "one of two is gone");
    }

    /// Another life goes on to the end, as the service does.
    fn go_on(&mut self) -> Outcome {
        for attempt in 1.. {
            match run(&self.file).unwrap() {
                Outcome::Collides => {
                    let target = path_in(&self.place, self.compressed, attempt);
                    self.file.goal = to(target, Collision::Rename);
                }
                outcome => return outcome,
            }
        }
        unreachable!()
    }

    fn check_end(&self, expected: &After, outcome: &Outcome) {
        let name = |attempt| {
            let path = path_in(&self.place, self.compressed, attempt);
            path.file_name().unwrap().to_string_lossy().into_owned()
        };
        let (inbox, archive) = (files(&self.place.inbox), files(&self.place.archive));
        let was: Vec<String> = match self.before {
            Before::Nothing => Vec::new(),
            _ => vec![name(0)],
        };
        match expected {
            After::Archived => {
                assert_eq!(outcome, &Outcome::Moved);
                assert_eq!((inbox, archive), (Vec::new(), vec![name(0)]));
                assert_eq!(self.text(0).as_deref(), Some(CONTENT));
            }
            After::Beside => {
                assert_eq!(outcome, &Outcome::Moved);
                let mut both = vec![name(0), name(1)];
                both.sort();
                assert_eq!((inbox, archive), (Vec::new(), both));
                assert_eq!(self.text(1).as_deref(), Some(CONTENT));
                self.check_between(false);
            }
            After::Stays => {
                assert_eq!(outcome, &Outcome::Held);
                assert_eq!((inbox, archive), (vec!["a.csv".to_owned()], was));
                let text = std::fs::read_to_string(&self.file.candidate.path).unwrap();
                assert_eq!(text, CONTENT);
            }
            After::Deleted => {
                // Who died after the last step has left nothing to be seen.
                assert!(matches!(outcome, Outcome::Deleted | Outcome::Missing));
                assert_eq!((inbox, archive), (Vec::new(), was));
            }
        }
    }
}

/// Stops after every number of steps, until there is none left to stop after.
fn check(across: bool, compressed: bool, goal: Option<Collision>, before: Before) {
    for steps in 0.. {
        let Some(mut cell) = Cell::new(across, compressed, goal, before) else {
            return;
        };
        let replaces = goal == Some(Collision::Replace);
        let mut ended = false;
        for _ in 0..steps {
            ended = ended || advance(&cell.file).unwrap().is_some();
            if goal.is_some() {
                cell.check_between(replaces);
            }
        }
        let outcome = cell.go_on();
        let expected = expected(goal, before);
        eprintln!("{goal:?} {before:?} across={across} compressed={compressed} after {steps}");
        cell.check_end(&expected, &outcome);
        // Once more, as after a death before the ledger was told.
        if outcome == Outcome::Moved {
            assert_eq!(run(&cell.file).unwrap(), Outcome::Moved);
            cell.check_end(&expected, &outcome);
        }
        if ended {
            assert!(steps >= 3 || expected != After::Archived || before != Before::Nothing);
            return;
        }
    }
}

fn check_all(across: bool, goal: Option<Collision>) {
    for before in BEFORE {
        for compressed in [false, true] {
            check(across, compressed && goal.is_some(), goal, before);
        }
    }
}

#[test]
fn rename_on_one_file_system() {
    check_all(false, Some(Collision::Rename));
}

#[test]
fn rename_across_two() {
    check_all(true, Some(Collision::Rename));
}

#[test]
fn replace_on_one_file_system() {
    check_all(false, Some(Collision::Replace));
}

#[test]
fn replace_across_two() {
    check_all(true, Some(Collision::Replace));
}

#[test]
fn keep_on_one_file_system() {
    check_all(false, Some(Collision::Keep));
}

#[test]
fn keep_across_two() {
    check_all(true, Some(Collision::Keep));
}

#[test]
fn fail_on_one_file_system() {
    check_all(false, Some(Collision::Fail));
}

#[test]
fn fail_across_two() {
    check_all(true, Some(Collision::Fail));
}

#[test]
fn delete() {
    check_all(false, None);
}

#[test]
fn a_file_that_changed_is_neither_deleted_nor_moved_by_any_policy() {
    let policies = [
        Collision::Rename,
        Collision::Replace,
        Collision::Keep,
        Collision::Fail,
    ];
    for goal in policies.into_iter().map(Some).chain([None]) {
        for taken in [false, true] {
            let cell = Cell::new(false, false, goal, Before::Nothing).unwrap();
            let path = &cell.file.candidate.path;
            let mut writer = std::fs::File::options().append(true).open(path).unwrap();
            if taken {
                advance(&cell.file).unwrap();
            }
            std::io::Write::write_all(&mut writer, b"3,4\n").unwrap();
            assert_eq!(run(&cell.file).unwrap_err().kind(), ErrorKind::File);
            assert_eq!(files(&cell.place.inbox), ["a.csv"], "{goal:?}");
            assert_eq!(files(&cell.place.archive), [""; 0]);
        }
    }
}

/// Whoever takes a file that is due must not take the one that has its name by then.
#[test]
fn another_file_of_the_name_is_not_deleted() {
    let cell = Cell::new(false, false, None, Before::Nothing).unwrap();
    let path = &cell.file.candidate.path;
    std::fs::write(cell.place.inbox.join(".new"), CONTENT).unwrap();
    std::fs::rename(cell.place.inbox.join(".new"), path).unwrap();
    assert_eq!(run(&cell.file).unwrap(), Outcome::Missing);
    assert_eq!(files(&cell.place.inbox), ["a.csv"]);
}

/// The archive has a file of that name and length: that the source is gone makes it no copy of it.
#[test]
fn a_file_that_was_there_before_is_not_taken_for_one_that_is_gone() {
    for before in [Before::Other, Before::Longer] {
        let cell = Cell::new(false, false, Some(Collision::Replace), before).unwrap();
        std::fs::remove_file(&cell.file.candidate.path).unwrap();
        assert_eq!(run(&cell.file).unwrap(), Outcome::Missing);
    }
}

#[test]
fn a_copy_keeps_the_time_and_the_permissions() {
    use std::os::unix::fs::PermissionsExt;
    for compressed in [false, true] {
        let Some(mut cell) = Cell::new(true, compressed, Some(Collision::Replace), Before::Other)
        else {
            return;
        };
        let path = cell.file.candidate.path.clone();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        assert_eq!(cell.go_on(), Outcome::Moved);
        let after = std::fs::metadata(target_of(&cell.file)).unwrap();
        assert_eq!(after.modified().unwrap(), before.modified().unwrap());
        assert_eq!(after.mode() & 0o7777, 0o640);
    }
}
