//! The scenes: small ones, which every run of the tests walks through, and what makes them larger.

use super::rules::Rules;
use super::scene::{Fate, Faults, Scene};
use Fate::{Fickle, Filtered, Letter, Row};

/// A process that dies, an answer that is lost.
pub fn one_file() -> Scene {
    let faults = Faults {
        crashes: 1,
        lost: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Letter, Row(1)];
    Scene::new("one file", &[records]).with(faults)
}

/// Progress is noted, and a process dies.
pub fn noted() -> Scene {
    let faults = Faults {
        crashes: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Row(1), Filtered, Row(0)];
    Scene {
        notes: true,
        ..Scene::new("progress", &[records]).with(faults)
    }
}

/// Batches of several files.
pub fn two_files() -> Scene {
    let faults = Faults {
        crashes: 1,
        ..Faults::default()
    };
    let (first, second): (&[Fate], &[Fate]) = (&[Row(0), Row(0), Filtered], &[Row(0), Letter]);
    Scene {
        chunk: 1,
        ..Scene::new("two files", &[first, second]).with(faults)
    }
}

/// The lease is taken from a process that lives on, while a file grows.
pub fn two_processes() -> Scene {
    let faults = Faults {
        takeovers: 1,
        growths: 1,
        ..Faults::default()
    };
    let (first, second): (&[Fate], &[Fate]) = (&[Row(0)], &[Row(0), Row(0)]);
    Scene {
        processes: 2,
        ..Scene::new("two processes", &[first, second]).with(faults)
    }
}

/// A process stands still in the middle of a transaction, and another takes over.
pub fn frozen() -> Scene {
    let faults = Faults {
        freezes: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Row(1), Letter];
    Scene {
        processes: 2,
        ..Scene::new("a frozen process", &[records]).with(faults)
    }
}

/// The table is changed between two lives, so that they read a record as two different things.
pub fn changed() -> Scene {
    let faults = Faults {
        crashes: 1,
        lost: 1,
        changes: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Fickle(0), Letter];
    Scene::new("a changed table", &[records]).with(faults)
}

/// The lease is taken from a process that lives on, and both have files to begin.
pub fn two_holders() -> Scene {
    let faults = Faults {
        takeovers: 1,
        ..Faults::default()
    };
    let one: &[Fate] = &[Row(0)];
    Scene {
        processes: 2,
        ..Scene::new("two holders", &[one, one]).with(faults)
    }
}

/// The same, noting their progress in a file of three records.
pub fn two_holders_that_note() -> Scene {
    let three: &[Fate] = &[Row(0), Row(1), Row(0)];
    Scene {
        files: vec![three.to_vec()],
        notes: true,
        ..two_holders()
    }
}

/// Commits return before they are on the disk, and the server crashes.
pub fn forgetful() -> Scene {
    let faults = Faults {
        crashes: 1,
        server: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Row(0)];
    Scene {
        lazy: true,
        notes: true,
        chunk: 1,
        ..Scene::new("a forgetful server", &[records]).with(faults)
    }
}

/// The same with two files, whose numbers may be forgotten.
pub fn forgotten_files() -> Scene {
    let faults = Faults {
        server: 1,
        ..Faults::default()
    };
    let (first, second): (&[Fate], &[Fate]) = (&[Row(0)], &[Row(1)]);
    Scene {
        lazy: true,
        first_is_late: true,
        ..Scene::new("forgotten files", &[first, second]).with(faults)
    }
}

/// The same with two files that have rows of one key.
pub fn forgotten_order() -> Scene {
    let faults = Faults {
        server: 1,
        ..Faults::default()
    };
    let one: &[Fate] = &[Row(0)];
    Scene {
        lazy: true,
        ..Scene::new("forgotten order", &[one, one]).with(faults)
    }
}

/// All of them.
pub fn all() -> Vec<Scene> {
    vec![
        one_file(),
        noted(),
        two_files(),
        two_processes(),
        two_holders(),
        frozen(),
        changed(),
        forgetful(),
        forgotten_files(),
        forgotten_order(),
    ]
}

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

impl Scene {
    fn with(self, faults: Faults) -> Scene {
        Scene { faults, ..self }
    }

    /// The scene without some lines of the protocol.
    pub fn without(self, rules: &'static [super::rules::Rule]) -> Scene {
        Scene {
            rules: Rules(rules),
            ..self
        }
    }
}
