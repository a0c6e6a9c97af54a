//! Every row exactly once, whichever process dies, and however often.
//!
//! The program is killed, or its server is, after a random amount of progress in the ledger. What
//! must be there at the end comes from the seed of the generated files, by a way that reads no CSV.

mod process;
mod progress;
mod server;

use ingestd::generate::Generator;

use crate::support::answer;
use crate::support::home::{ECOMMERCE, Home};

/// Small batches, so that every life commits some and leaves much undone; little memory, so that
/// a file is still being read while its first batches are committed.
const SMALL: &str = "create = true\nbatch_rows = 100\nmemory = \"4MiB\"\npartitions = 3\n";

/// A home with files waiting in its inbox.
struct Scene {
    home: Home,
    generator: Generator,
    seed: u64,
    keyed: bool,
}

impl Scene {
    fn new(url: Option<&str>, keyed: bool, files: u64, rows_per_file: u64) -> Scene {
        let seed = seed();
        let mut pipeline = replaced(ECOMMERCE, "create = true\n", SMALL);
        if !keyed {
            pipeline = replaced(&pipeline, "key = [\"event_id\"]\n", "");
        }
        let scene = Scene {
            home: Home::new(url, "", &pipeline),
            generator: answer::generator(seed, files, rows_per_file),
            seed,
            keyed,
        };
        answer::drop_files(&scene.generator, &scene.home.inbox());
        scene
    }

    /// What must be there at the end.
    fn assert_exactly_once(&self, client: &mut postgres::Client) {
        answer::assert_exactly_once(client, &self.generator, self.keyed, &self.home.data());
    }
}

/// A seed of this run's own, or the one to be tried again.
fn seed() -> u64 {
    let again = std::env::var("KILLS_SEED").ok();
    let seed = again.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    eprintln!("KILLS_SEED={seed} generates the same files and amounts of progress");
    seed
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is to be replaced");
    text.replace(from, to)
}
