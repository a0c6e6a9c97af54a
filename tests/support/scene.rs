//! Generated files that wait in a service's inbox, and how far the ledger has come with them.

use std::thread;
use std::time::{Duration, Instant};

use ingestd::generate::Generator;
use postgres::{Client, NoTls, Statement};

use super::answer;
use super::home::{ECOMMERCE, Home, replaced};

/// Small batches, so that every life commits some and leaves much undone; little memory, so that
/// a file is still being read while its first batches are committed.
const SMALL: &str = "batch_rows = 100\nmemory = \"4MiB\"\npartitions = 3\n";

/// A home with files waiting in its inbox.
pub struct Scene {
    pub home: Home,
    pub generator: Generator,
    pub seed: u64,
    keyed: bool,
}

impl Scene {
    /// Files that are loaded in small batches.
    pub fn small_batches(url: Option<&str>, keyed: bool, files: u64, rows: u64) -> Scene {
        Scene::new(url, "", SMALL, keyed, answer_to(files, rows))
    }

    /// A home: `service` and `pipeline` are keys of these sections. Malformed rows and duplicates
    /// are among the rows.
    pub fn new(
        url: Option<&str>,
        service: &str,
        pipeline: &str,
        keyed: bool,
        (seed, generator): (u64, Generator),
    ) -> Scene {
        let create = "create = true\n";
        let mut text = replaced(ECOMMERCE, create, &format!("{create}{pipeline}"));
        if !keyed {
            text = replaced(&text, "key = [\"event_id\"]\n", "");
        }
        let scene = Scene {
            home: Home::new(url, service, &text),
            generator,
            seed,
            keyed,
        };
        answer::drop_files(&scene.generator, &scene.home.directory("inbox/ecommerce"));
        scene
    }

    /// Fails unless everything is there, once.
    pub fn assert_exactly_once(&self, url: &str) {
        let mut client = Client::connect(url, NoTls).expect("a connection");
        answer::assert_exactly_once(&mut client, &self.generator, self.keyed, &self.home.data());
    }
}

/// A generator with a seed of this run's own, or the one to be tried again.
pub fn answer_to(files: u64, rows_per_file: u64) -> (u64, Generator) {
    let again = std::env::var("TEST_SEED").ok();
    let seed = again.map_or_else(rand::random, |seed| seed.parse().expect("a number"));
    eprintln!("TEST_SEED={seed} makes the same files and the same choices");
    (seed, answer::generator(seed, files, rows_per_file))
}

/// How long nothing may come until the service counts as stuck: how long all takes is up to the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How far the ledger has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The records whose fate is committed.
    pub records: i64,
    /// The files in READING.
    pub reading: i64,
    /// The files that are not archived yet.
    pub unfinished: i64,
}

impl Progress {
    /// Whether all is done: the ledger knows of files, and all of them are archived.
    pub fn is_all(self) -> bool {
        self.records > 0 && self.unfinished == 0
    }
}

/// Somebody who looks at a ledger whose server may come and go.
pub struct Watcher {
    url: String,
    client: Option<Client>,
    /// Its question: planned once a connection, since it is asked hundreds of times.
    question: Option<Statement>,
}

impl Watcher {
    pub fn new(url: &str) -> Watcher {
        Watcher {
            url: url.to_owned(),
            client: None,
            question: None,
        }
    }

    /// Looks; there is nothing to be seen while there is no server, or no ledger in it.
    pub fn look(&mut self) -> Option<Progress> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = Client::connect(&self.url, NoTls).ok();
            self.question = None;
        }
        let client = self.client.as_mut()?;
        let query = "select coalesce(sum(inserted + updated + unchanged + duplicate + deleted
                                         + filtered + rejected), 0)::bigint,
                            count(*) filter (where state = 'READING'),
                            count(*) filter (where state <> 'ARCHIVED')
                     from ingestd.file_status";
        if self.question.is_none() {
            self.question = client.prepare(query).ok();
        }
        let answer = client.query_one(self.question.as_ref()?, &[]);
        if answer.is_err() {
            // The ledger may have become another one.
            self.question = None;
        }
        let row = answer.ok()?;
        Some(Progress {
            records: row.get(0),
            reading: row.get(1),
            unfinished: row.get(2),
        })
    }

    /// What the ledger says of files that have not come to their end.
    fn unfinished(&mut self) -> String {
        let query = "select coalesce(string_agg(f::text, E'\\n'), '') from ingestd.file_status f
                     where state <> 'ARCHIVED'";
        let client = self.client.as_mut();
        let row = client.and_then(|client| client.query_one(query, &[]).ok());
        row.map_or(String::new(), |row| row.get(0))
    }

    /// Looks until there is something to be seen that is wanted.
    pub fn wait_for(&mut self, mut wanted: impl FnMut(Progress) -> bool) -> Progress {
        let mut deadline = Instant::now() + PATIENCE;
        let mut last = None;
        loop {
            if let Some(progress) = self.look() {
                if last.replace(progress) != Some(progress) {
                    deadline = Instant::now() + PATIENCE;
                }
                if wanted(progress) {
                    return progress;
                }
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain; last: {last:?}; {}",
                self.unfinished()
            );
            thread::sleep(Duration::from_millis(4));
        }
    }
}
