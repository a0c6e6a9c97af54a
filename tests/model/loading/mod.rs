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
    walk_through(&[scenes::taken_for_dead().without(&[Rule::LeaseIsHeld])]);
}

#[test]
fn random_ways_through_a_larger_scene_lose_and_double_nothing() {
    let (more, longest) = match is_large() {
        true => (100, 600),
        false => (1, 400),
    };
    let crowds = [
        (scenes::crowded(), 150),
        (scenes::crowded_whole(), 50),
        (scenes::crowded_shared(), 50),
    ];
    for (scene, walks) in crowds {
        let seed = rand::random();
        println!("seed {seed}");
        match wander(&scene, seed, walks * more, longest) {
            Ok(steps) => println!("{}: {steps} random steps", scene.name),
            Err(found) => panic!("{}, seed {seed}: {}", scene.name, told(&found)),
        }
    }
}
