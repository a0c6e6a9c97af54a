//! Coming and leaving: what a file is taken for, and how it goes to the archive, while people drop it
//! again, add to it, rename it or put another in its place, and the service dies between any two steps.
//!
//! Verdicts and steps are the program's own; the file system and the ledger's rows are modelled.

mod files;
mod ledger;
mod rules;
mod world;

use super::explore::explore;
use files::Deed;
use rules::Rule::{self, *};
use world::Scene;

/// Two contents of one length with one head and one tail, and what is added to the first.
const X: [u8; 3] = [0x11, 0x12, 0x19];
const Y: [u8; 3] = [0x21, 0x22, 0x29];
const MORE: [u8; 1] = [0x15];
/// Of the same length, and nobody's to load.
const FOREIGN: [u8; 3] = [0xF1, 0xF2, 0xF9];

const MOST: usize = 1_000_000;

fn scene(name: &'static str, deeds: &[Deed]) -> Scene {
    Scene {
        name,
        deeds: deeds.to_vec(),
        crashes: 2,
        copies: false,
        off: &[],
    }
}

fn dropped_again() -> Scene {
    let (x, y) = (X.to_vec(), Y.to_vec());
    scene(
        "dropped again",
        &[Deed::Drop(0, x.clone()), Deed::Drop(1, x), Deed::Drop(0, y)],
    )
}

fn moved() -> Scene {
    scene("moved", &[Deed::Drop(0, X.to_vec()), Deed::Rename(0, 1)])
}

fn grown() -> Scene {
    scene(
        "grown",
        &[Deed::Drop(0, X.to_vec()), Deed::Append(0, MORE.to_vec())],
    )
}

fn replaced() -> Scene {
    scene(
        "replaced",
        &[Deed::Drop(0, X.to_vec()), Deed::Replace(0, Y.to_vec())],
    )
}

fn name_taken() -> Scene {
    scene(
        "name taken",
        &[Deed::Drop(0, X.to_vec()), Deed::Squat(0, FOREIGN.to_vec())],
    )
}

/// Its old name is free, and the name that was chosen for it is not.
fn renamed_and_taken() -> Scene {
    let (x, theirs) = (X.to_vec(), FOREIGN.to_vec());
    scene(
        "renamed, name taken",
        &[Deed::Drop(0, x), Deed::Rename(0, 1), Deed::Squat(0, theirs)],
    )
}

fn another_device() -> Scene {
    Scene {
        copies: true,
        ..scene(
            "another device",
            &[Deed::Drop(0, X.to_vec()), Deed::Squat(0, FOREIGN.to_vec())],
        )
    }
}

/// A line that is taken out, and where that is found.
type Mutation = (&'static [Rule], fn() -> Scene);

const MUTATIONS: &[Mutation] = &[
    (&[WholeIsHashed], dropped_again),
    (&[EqualsWait], dropped_again),
    (&[MovedGoesOn], moved),
    (&[TailOnly], grown),
    (&[TargetIsStored], replaced),
    (&[NeverReplaces], name_taken),
    (&[FileIsCompared], replaced),
    (&[LooksAgain], replaced),
    (&[ComparesBeforeUnlink], another_device),
    (&[RecognisesContent], renamed_and_taken),
];

#[test]
fn every_file_is_loaded_once_and_none_is_lost() {
    let scenes = [
        dropped_again,
        moved,
        grown,
        replaced,
        name_taken,
        renamed_and_taken,
        another_device,
    ];
    for scene in scenes.map(|scene| scene()) {
        let outcome = explore(&scene, MOST);
        println!(
            "{}: {} states, {} steps, at most {} steps away",
            scene.name, outcome.states, outcome.steps, outcome.depth
        );
        if let Some(found) = outcome.found {
            panic!(
                "{}: {}\n    {}",
                scene.name,
                found.what,
                found.trace.join("\n    ")
            );
        }
    }
}

#[test]
fn what_each_line_is_for_is_found_without_it() {
    println!("| without | found | steps |\n|---|---|---|");
    let mut traces = String::new();
    for (off, scene) in MUTATIONS {
        let scene = Scene { off, ..scene() };
        let Some(found) = explore(&scene, MOST).found else {
            panic!("without {off:?} nothing is found in {:?}", scene.name);
        };
        let (says, place, steps) = (off[0].says(), off[0].stands_in(), found.trace.len());
        println!("| \"{says}\" (`{place}`) | {} | {steps} |", found.what);
        traces += &format!("\n{says}, in {:?}: {}\n", scene.name, found.what);
        traces.extend(found.trace.iter().map(|step| format!("    {step}\n")));
    }
    println!("{traces}");
}
