//! Loading: files of a few records, through processes that die, a server that crashes, answers that are
//! lost and transactions that arrive late.

mod describe;
mod life;
mod mutations;
mod rules;
mod scene;
mod scenes;
mod server;
mod world;

use std::time::Instant;

use super::explore::{Found, explore, wander};
use rules::Rule;
use scene::Scene;

/// More states than any of the scenes has.
const MOST: usize = 5_000_000;

fn walk_through(scenes: &[Scene]) {
    for scene in scenes {
        let start = Instant::now();
        let outcome = explore(scene, MOST);
        println!(
            "{}: {} states, {} steps, at most {} steps away, {:.1} s",
            scene.name,
            outcome.states,
            outcome.steps,
            outcome.depth,
            start.elapsed().as_secs_f64()
        );
        if let Some(found) = outcome.found {
            panic!("{}: {}", scene.name, told(&found));
        }
    }
}

fn told(found: &Found) -> String {
    format!("{}\n    {}", found.what, found.trace.join("\n    "))
}

/// The scenes are larger where `MODEL_SCENES=large` says so: that takes minutes.
fn is_large() -> bool {
    match std::env::var("MODEL_SCENES").as_deref() {
        Ok("large") => true,
        Ok(other) => panic!("MODEL_SCENES is {other:?}; it may be \"large\", or left out"),
        Err(_) => false,
    }
}

#[test]
fn every_record_is_there_once_whatever_happens() {
    walk_through(&scenes::all());
    if !is_large() {
        return;
    }
    walk_through(&scenes::larger());
    // What others stand behind: nothing is found without these.
    let noted = || {
        [
            scenes::noted(),
            scenes::forgetful(),
            scenes::two_holders_that_note(),
        ]
    };
    walk_through(&noted().map(|scene| scene.without(&[Rule::NoteComparesEpoch])));
    walk_through(&noted().map(|scene| scene.without(&[Rule::NotesNeverGoBack])));
}

#[test]
fn random_ways_through_a_larger_scene_lose_and_double_nothing() {
    let (walks, longest) = match is_large() {
        true => (20_000, 600),
        false => (150, 400),
    };
    for scene in [scenes::crowded()] {
        let seed = rand::random();
        println!("seed {seed}");
        match wander(&scene, seed, walks, longest) {
            Ok(steps) => println!("{steps} random steps"),
            Err(found) => panic!("seed {seed}: {}", told(&found)),
        }
    }
}
