//! What is walked through.

use ingestd::settings::{Collision, OnReturn, Redropped};

use super::files::Deed::{self, Append, Drop, Rename, Replace, Squat, Touch};
use super::scene::{Finished, Scene};

/// Two contents of one length with one head and one tail, and what is added to the first.
const X: [u8; 3] = [0x11, 0x12, 0x19];
const Y: [u8; 3] = [0x21, 0x22, 0x29];
const MORE: [u8; 1] = [0x15];
/// Of the same length, and nobody's to load.
const FOREIGN: [u8; 3] = [0xF1, 0xF2, 0xF9];

fn drop_x(path: u8) -> Deed {
    Drop(path, X.to_vec())
}

fn drop_y(path: u8) -> Deed {
    Drop(path, Y.to_vec())
}

fn append() -> Deed {
    Append(0, MORE.to_vec())
}

fn replace() -> Deed {
    Replace(0, Y.to_vec())
}

fn squat() -> Deed {
    Squat(0, FOREIGN.to_vec())
}

pub fn dropped_again() -> Scene {
    Scene::new("dropped again", &[drop_x(0), drop_x(1), drop_y(0)])
}

/// Under the same name, the same and more of it.
pub fn same_name() -> Scene {
    let longer = [&X[..], &MORE[..]].concat();
    let deeds = [drop_x(0), drop_x(0), Drop(0, longer)];
    Scene {
        in_turn: true,
        ..Scene::new("same name", &deeds)
    }
}

/// The same and more, under its name.
pub fn longer() -> Scene {
    let longer = [&X[..], &MORE[..]].concat();
    Scene {
        in_turn: true,
        ..Scene::new("longer", &[drop_x(0), Drop(0, longer)])
    }
}

pub fn moved() -> Scene {
    Scene::new("moved", &[drop_x(0), Rename(0, 1)])
}

pub fn grown() -> Scene {
    Scene::new("grown", &[drop_x(0), append()])
}

pub fn replaced() -> Scene {
    Scene::new("replaced", &[drop_x(0), replace()])
}

/// What takes its place comes while it is loaded, and its content comes again.
pub fn replaced_early() -> Scene {
    Scene {
        hasty: true,
        crashes: 1,
        ..Scene::new("replaced early", &[drop_x(0), replace(), drop_x(1)])
    }
}

pub fn name_taken() -> Scene {
    Scene::new("name taken", &[drop_x(0), squat()])
}

/// Its old name is free, and the name that was chosen for it is not.
pub fn renamed_and_taken() -> Scene {
    Scene::new("renamed, name taken", &[drop_x(0), Rename(0, 1), squat()])
}

pub fn another_device() -> Scene {
    Scene {
        copies: true,
        ..Scene::new("another device", &[drop_x(0), squat()])
    }
}

/// A file system that has no rename which replaces nothing.
pub fn two_names() -> Scene {
    Scene {
        halves: true,
        ..Scene::new("two names", &[drop_x(0), replace(), squat()])
    }
}

/// `archive_collision = "replace"`.
pub fn takes_places() -> Scene {
    Scene {
        finished: Finished::Moves(Collision::Replace),
        ..Scene::new("takes places", &[drop_x(0), drop_y(0)])
    }
}

fn takes_places_elsewhere() -> Scene {
    Scene {
        copies: true,
        name: "takes places on another device",
        ..takes_places()
    }
}

/// `archive_collision = "keep"` and `"fail"`, for the same content and for another one. (Of three files of
/// one name two may have to stay in the inbox: that takes somebody who moves one away.)
fn places_are_kept() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for collision in [Collision::Keep, Collision::Fail] {
        for second in [drop_x(0), drop_y(0)] {
            scenes.push(Scene {
                finished: Finished::Moves(collision),
                ..Scene::new("places are kept", &[drop_x(0), second])
            });
        }
    }
    scenes
}

/// `finished = "delete"`.
pub fn deleted() -> Scene {
    Scene {
        finished: Finished::Deleted,
        ..Scene::new("deleted", &[drop_x(0), append(), drop_y(0)])
    }
}

/// Every answer to every return, where files leave and where they stay.
fn returns() -> Vec<Scene> {
    use OnReturn::{Quarantine, Reload, Skip, Tail};
    let with = |name, deeds: &[Deed], redropped, finished| Scene {
        redropped,
        finished,
        crashes: 1,
        ..Scene::new(name, deeds)
    };
    let default = Redropped::default;
    let mut scenes = Vec::new();
    for finished in [Finished::Moves(Collision::Rename), Finished::Stays] {
        for what in [Skip, Reload, Quarantine, Tail] {
            let redropped = |same, appended, changed, renamed| Redropped {
                same: if same { what } else { default().same },
                appended: if appended { what } else { default().appended },
                changed: if changed { what } else { default().changed },
                renamed: if renamed { what } else { default().renamed },
            };
            let appended = redropped(false, true, false, false);
            let deeds = [drop_x(0), append(), Touch(0)];
            scenes.push(with("appended", &deeds, appended, finished));
            if what == Tail {
                continue;
            }
            let same = redropped(true, false, false, false);
            let deeds = [drop_x(0), Touch(0), drop_x(0)];
            scenes.push(with("same", &deeds, same, finished));
            let changed = redropped(false, false, true, false);
            let deeds = [drop_x(0), replace(), drop_x(0)];
            scenes.push(with("changed", &deeds, changed, finished));
            let renamed = redropped(false, false, false, true);
            let deeds = [drop_x(0), Rename(0, 1), drop_x(0)];
            scenes.push(with("renamed", &deeds, renamed, finished));
        }
    }
    scenes
}

/// All of them.
pub fn all() -> Vec<Scene> {
    let mut scenes = vec![
        dropped_again(),
        same_name(),
        longer(),
        moved(),
        grown(),
        replaced(),
        replaced_early(),
        name_taken(),
        renamed_and_taken(),
        another_device(),
        two_names(),
        takes_places(),
        takes_places_elsewhere(),
        deleted(),
    ];
    scenes.extend(places_are_kept());
    scenes.extend(returns());
    scenes
}
