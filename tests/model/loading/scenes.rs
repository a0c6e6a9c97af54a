//! The scenes that every run of the tests walks through.

mod larger;

use super::rules::Rules;
use super::scene::{Fate, Faults, Scene};
pub use larger::{crowded, crowded_shared, crowded_whole, larger};

use Fate::{Fickle, Filtered, Letter, Refused, Row};
use ingestd_actors::flow::{Budget, Millionths};

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

/// A file is loaded as a whole: a process dies, an answer is lost.
pub fn whole() -> Scene {
    let faults = Faults {
        crashes: 1,
        lost: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Refused(0), Letter];
    Scene {
        whole: true,
        ..Scene::new("a whole file", &[records]).with(faults)
    }
}

/// The same, and somebody empties the staging table.
pub fn emptied() -> Scene {
    let faults = Faults {
        crashes: 1,
        emptied: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Row(1)];
    Scene {
        whole: true,
        ..Scene::new("an emptied staging table", &[records]).with(faults)
    }
}

/// A file is loaded as a whole, whose move finds more refused than it may have; and it is retried.
pub fn whole_over_budget() -> Scene {
    let faults = Faults {
        crashes: 1,
        lost: 1,
        retries: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Refused(1)];
    Scene {
        whole: true,
        budget: at_most(0),
        ..Scene::new("a whole file over its budget", &[records]).with(faults)
    }
}

/// A file has more dead letters than it may have, and is retried.
pub fn over_budget() -> Scene {
    let faults = Faults {
        crashes: 1,
        lost: 1,
        retries: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Letter, Row(1), Letter];
    Scene {
        budget: at_most(1),
        ..Scene::new("over the budget", &[records]).with(faults)
    }
}

/// The same, where nothing of it was loaded by then.
pub fn nothing_loaded() -> Scene {
    let records: &[Fate] = &[Letter, Letter];
    Scene {
        files: vec![records.to_vec()],
        chunk: 1,
        name: "over the budget, nothing loaded",
        ..over_budget()
    }
}

/// The share of the errors is too large, which shows at the end.
pub fn over_its_share() -> Scene {
    let records: &[Fate] = &[Row(0), Letter, Row(1)];
    Scene {
        files: vec![records.to_vec()],
        budget: Budget {
            max_ratio: Some(Millionths(300_000)),
            min_records: 1_000,
            ..Budget::default()
        },
        name: "over the budget at the end",
        ..over_budget()
    }
}

/// Two processes share the pipeline, and one dies.
pub fn shared() -> Scene {
    let faults = Faults {
        crashes: 1,
        ..Faults::default()
    };
    let records: &[Fate] = &[Row(0), Letter];
    Scene {
        processes: 2,
        shared: true,
        ..Scene::new("a file shared", &[records]).with(faults)
    }
}

/// One is taken for dead, and lives on.
pub fn taken_for_dead() -> Scene {
    let one: &[Fate] = &[Row(0)];
    Scene {
        files: vec![one.to_vec()],
        name: "taken for dead",
        ..shared().with(Faults {
            takeovers: 1,
            ..Faults::default()
        })
    }
}

/// Two files, and nothing that goes wrong.
pub fn two_shared() -> Scene {
    let one: &[Fate] = &[Row(0)];
    Scene {
        files: vec![one.to_vec(), one.to_vec()],
        name: "two files shared",
        ..shared().with(Faults::default())
    }
}

/// An answer is lost, to an admission for one.
pub fn shared_without_answer() -> Scene {
    Scene {
        name: "a file shared, without an answer",
        ..taken_for_dead().with(Faults {
            lost: 1,
            ..Faults::default()
        })
    }
}

fn at_most(errors: u64) -> Budget {
    Budget {
        max_errors: Some(errors),
        ..Budget::default()
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
        whole(),
        emptied(),
        whole_over_budget(),
        over_budget(),
        nothing_loaded(),
        over_its_share(),
        shared(),
        taken_for_dead(),
        two_shared(),
        shared_without_answer(),
    ]
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
