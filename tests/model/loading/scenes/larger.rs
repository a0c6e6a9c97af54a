//! Scenes that are larger: for a walk of minutes, and for random ways.

use super::{at_most, forgetful, two_files, two_processes};
use crate::model::loading::scene::{Fate, Faults, Scene};
use Fate::{Filtered, Letter, Refused, Row};

/// More of the same, for a walk of minutes.
pub fn larger() -> Vec<Scene> {
    let four: &[Fate] = &[Row(0), Row(1), Letter, Row(0)];
    let three: &[Fate] = &[Row(0), Row(1), Row(0)];
    let both = Faults {
        crashes: 1,
        lost: 1,
        ..Faults::default()
    };
    vec![
        Scene {
            notes: true,
            ..Scene::new("one file, progress", &[four]).with(both.clone())
        },
        two_files().with(both),
        Scene {
            files: vec![three.to_vec()],
            ..forgetful()
        },
        two_processes().with(Faults {
            crashes: 1,
            takeovers: 1,
            growths: 1,
            ..Faults::default()
        }),
    ]
}

/// Three files, two processes, and many of every fault: for random ways.
pub fn crowded() -> Scene {
    let faults = Faults {
        crashes: 3,
        lost: 3,
        server: 2,
        takeovers: 2,
        freezes: 1,
        growths: 1,
        ..Faults::default()
    };
    let one: &[Fate] = &[Row(0), Letter, Row(1), Row(0), Filtered, Row(1)];
    let two: &[Fate] = &[Row(1), Row(0), Filtered];
    let three: &[Fate] = &[Letter, Row(0), Row(1), Row(0)];
    Scene {
        processes: 2,
        notes: true,
        credit: 4,
        ..Scene::new("crowded", &[one, two, three]).with(faults)
    }
}

/// Two files with an error budget, loaded as a whole, retried, and many of every fault: for random ways.
pub fn crowded_whole() -> Scene {
    let one: &[Fate] = &[Row(0), Letter, Row(1), Refused(0), Filtered, Row(1)];
    let two: &[Fate] = &[Row(1), Row(0), Refused(1)];
    Scene {
        name: "crowded, as a whole",
        files: vec![one.to_vec(), two.to_vec()],
        processes: 1,
        whole: true,
        budget: at_most(1),
        ..crowded().with(Faults {
            crashes: 3,
            lost: 3,
            retries: 1,
            ..Faults::default()
        })
    }
}

/// Three processes share three files, and many of every fault: for random ways.
pub fn crowded_shared() -> Scene {
    Scene {
        name: "crowded, shared",
        processes: 3,
        shared: true,
        ..crowded().with(Faults {
            crashes: 3,
            lost: 3,
            takeovers: 3,
            growths: 1,
            ..Faults::default()
        })
    }
}
