//! The server crashes in the middle of a replay of thousands of letters, again and again.

use std::time::Duration;

use postgres::Client;
use rand::RngExt;

use super::{PATIENCE, pipeline};
use crate::support::home::Home;
use crate::support::{OwnServer, wait_until};

const LETTERS: i64 = 5_000;
const CRASHES: usize = 4;

struct Crashing {
    server: OwnServer,
    home: Home,
}

impl Crashing {
    /// A ledger with letters whose cause is mended. Without a key a row that is written twice is seen.
    fn new() -> Crashing {
        let server = OwnServer::start_new();
        let table = "create table items (id bigint, name text, amount integer)";
        server.client().batch_execute(table).expect(table);
        let home = Home::new(Some(&server.url()), "", &pipeline(""));
        home.directory("inbox");
        let path = home.data().join("1.csv");
        let lines = (1..=LETTERS).map(|id| format!("{id},letter,x\n"));
        // A file of which nothing at all can be loaded would be quarantined.
        let text = format!("id,name,amount\n0,row,1\n{}", lines.collect::<String>());
        std::fs::write(&path, text).expect("written");
        let said = home.ask(&["load", path.to_str().expect("text")]);
        assert!(said.status.success(), "{said:?}");
        let mend = "alter table items alter amount type text";
        server.client().batch_execute(mend).expect(mend);
        Crashing { server, home }
    }

    fn number(&self, query: &str) -> i64 {
        let mut client = self.server.client();
        client.query_one(query, &[]).expect(query).get(0)
    }

    /// As one statement sees it: a letter is RESOLVED exactly where its row is there, and is counted.
    fn assert_whole(&self) -> i64 {
        let query = "select r.rows, r.ids, l.resolved, p.inserted::bigint from
            (select count(*) as rows, count(distinct id) as ids from items where name = 'letter') r,
            (select count(*) as resolved from ingestd.dead_letters where status = 'RESOLVED') l,
            (select coalesce(sum(inserted), 0) as inserted from ingestd.replays) p";
        let row = self.server.client().query_one(query, &[]).expect(query);
        let figures: [i64; 4] = [0, 1, 2, 3].map(|at| row.get(at));
        assert!(figures.iter().all(|it| *it == figures[0]), "{figures:?}");
        figures[0]
    }

    /// Crashes at some progress, as often as it comes that far.
    fn crash_on_the_way(&mut self) {
        let mut random = rand::rng();
        let mut done = 0;
        for _ in 0..CRASHES {
            let step = LETTERS / CRASHES as i64;
            let at = done + random.random_range(1..step * 3 / 4);
            eprintln!("crash at {at} letters or more");
            let mut client: Option<Client> = None;
            wait_until(PATIENCE, || {
                let client = client.get_or_insert_with(|| self.server.client());
                let query = "select count(*) from items where name = 'letter'";
                let rows: i64 = client.query_one(query, &[]).expect(query).get(0);
                rows >= at
            });
            drop(client);
            self.server.stop_immediate();
            self.server.start();
            done = self.assert_whole();
            assert!(done >= at, "{done} letters of {at} are left after a crash");
        }
    }

    fn assert_done(&self) {
        assert_eq!(self.assert_whole(), LETTERS);
        let states = "select count(*) from ingestd.replays where state <> 'DONE' or problem <> ''";
        assert_eq!(self.number(states), 0);
        let said = self.home.ask(&["audit", "--all"]);
        assert!(said.status.success(), "{said:?}");
    }
}

/// Once, it ended where the server was away as it asked for the next letters.
#[test]
fn a_command_goes_on_by_itself_after_each_crash_of_the_server() {
    let mut crashing = Crashing::new();
    let replay = crashing.home.start(&["dead-letters", "replay", "--all"]);
    crashing.crash_on_the_way();
    let status = replay.wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{}", crashing.home.log());
    crashing.assert_done();
}

/// Once, what psql had asked for was FAILED after that, half of it done.
#[test]
fn a_service_goes_on_with_what_it_was_asked_for_after_each_crash_of_the_server() {
    let mut crashing = Crashing::new();
    let service = crashing.home.run();
    crashing.number("select ingestd.replay_dead_letters('items')");
    crashing.crash_on_the_way();
    wait_until(PATIENCE, || {
        crashing.number("select count(*) from ingestd.replays where state = 'DONE'") == 1
    });
    crashing.assert_done();
    service.stop();
}

/// Once, it was FAILED as soon as its tries were used up, though DESIGN says that what passes is waited for.
#[test]
fn a_service_waits_for_a_server_that_is_away_for_long() {
    let mut crashing = Crashing::new();
    let service = crashing.home.run();
    crashing.number("select ingestd.replay_dead_letters('items')");
    wait_until(PATIENCE, || {
        crashing.number("select count(*) from items where name = 'letter'") > 0
    });
    crashing.server.stop_immediate();
    wait_until(PATIENCE, || {
        let log = crashing.home.log();
        log.contains("replays that were asked for have to wait")
    });
    crashing.server.start();
    // It was RUNNING as its server went, and is taken up again once its runner was not seen for long.
    let later = "update ingestd.replays set seen_at = clock_timestamp() - interval '1 min'";
    crashing.server.client().batch_execute(later).expect(later);
    wait_until(Duration::from_secs(90), || {
        crashing.number("select count(*) from ingestd.replays where state = 'DONE'") == 1
    });
    crashing.assert_done();
    service.stop();
}
