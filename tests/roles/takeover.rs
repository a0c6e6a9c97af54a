//! Two services under two logins of the loading role: what one can know of the other's backends,
//! and end of them, is less.

use std::time::Duration;

use ingestd::generate::expected::ROW_COLUMNS;
use rustix::process::Signal;

use crate::support::home::{ECOMMERCE, Home, Service, replaced};
use crate::support::scene::{Scene, Watcher};
use crate::support::wait_until;

use super::World;

const FILES: u64 = 2;
const ROWS_PER_FILE: u64 = 30_000;

/// Files that wait for two services, each with a login of its own.
struct Pair {
    world: World,
    scene: Scene,
    other: Home,
    watcher: Watcher,
}

impl Pair {
    fn new(grants: &str) -> Pair {
        let world = World::with_roles();
        world.migrate("migrator");
        let url = world.server.url();
        let mut admin = world.server.client();
        // Without a key, so that a row that is loaded twice is seen.
        let table = format!(
            "create table raw_events ({ROW_COLUMNS});
             grant select, insert, update, delete on raw_events to ingestd_load; {grants}"
        );
        admin.batch_execute(&table).expect("a table");
        let loader = world.url("loader");
        let scene = Scene::small_batches(Some(&loader), false, FILES, ROWS_PER_FILE);
        // The same inbox, under the other login.
        let inbox = scene
            .home
            .directory("inbox/ecommerce")
            .display()
            .to_string();
        let archive = scene
            .home
            .directory("archive/ecommerce")
            .display()
            .to_string();
        let quarantine = scene
            .home
            .directory("quarantine/ecommerce")
            .display()
            .to_string();
        let pipeline = replaced(ECOMMERCE, "key = [\"event_id\"]\n", "");
        let pipeline = replaced(
            &pipeline,
            "directory = \"inbox/ecommerce\"\n",
            &format!(
                "directory = \"{inbox}\"\narchive = \"{archive}\"\nquarantine = \"{quarantine}\"\n\
                 batch_rows = 100\nmemory = \"4MiB\"\npartitions = 3\n"
            ),
        );
        Pair {
            other: Home::new(Some(&world.url("Other Loader")), "", &pipeline),
            watcher: Watcher::new(&url),
            world,
            scene,
        }
    }

    /// The first one loads; the second one has come, and waits for what the first one has in hand.
    fn start(&mut self) -> (Service, Service) {
        let first = self.scene.home.run();
        self.watcher.wait_for(|now| now.records > 500);
        let second = self.other.run();
        let mut admin = self.world.server.client();
        wait_until(Duration::from_secs(20), || {
            let live = "select count(*) from ingestd.live_instances";
            admin
                .query_one(live, &[])
                .expect("a count")
                .get::<_, i64>(0)
                == 2
        });
        (first, second)
    }

    fn finish(mut self, second: Service) {
        self.watcher.wait_for(|now| now.is_all());
        self.scene.assert_exactly_once(&self.world.server.url());
        second.stop();
    }
}

#[test]
fn another_login_takes_over_from_one_that_is_killed() {
    let mut pair = Pair::new("");
    let (first, second) = pair.start();
    first.kill();
    pair.finish(second);
}

/// A process that hangs keeps its backends, and with them its locks: the other one may end them.
#[test]
fn another_login_ends_the_backends_of_one_that_hangs() {
    let mut pair = Pair::new("grant pg_signal_backend, pg_read_all_stats to ingestd_load;");
    let (first, second) = pair.start();
    first.signal(Signal::STOP);
    // The lease is not renewed; that it has run out is not waited for.
    let expire = "update ingestd.instances set expires = clock_timestamp() - interval '1s'
                  where since = (select min(since) from ingestd.instances)";
    pair.world
        .server
        .client()
        .batch_execute(expire)
        .expect("expired");
    pair.finish(second);
    first.kill();
}
