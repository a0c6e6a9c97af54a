//! Coming and leaving: what a file is taken for, and how it goes to the archive, while people drop it
//! again, add to it, rename it or put another in its place, and the service dies between any two steps.
//!
//! Verdicts and steps are the program's own; the file system and the ledger's rows are modelled.

mod files;
mod leaving;
mod ledger;
mod rules;
mod scene;
mod scenes;
mod world;
mod wrong;

use super::explore::explore;
use rules::Rule::{self, *};
use scene::Scene;
use scenes::*;

const MOST: usize = 1_000_000;

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
    (&[OverwrittenIsNoted], takes_places),
    (&[DropsItsOwn], two_names),
    (&[IsAnotherFile], same_name),
    (&[LeavesThoseOnTheirWay], longer),
];

#[test]
fn every_file_is_loaded_once_and_none_is_lost() {
    for scene in scenes::all() {
        let outcome = explore(&scene, MOST);
        println!(
            "{}, {:?}, {:?}: {} states, {} steps, at most {} steps away",
            scene.name,
            scene.finished,
            scene.redropped,
            outcome.states,
            outcome.steps,
            outcome.depth
        );
        if let Some(found) = outcome.found {
            panic!(
                "{}, {:?}, {:?}: {}\n    {}",
                scene.name,
                scene.finished,
                scene.redropped,
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
