//! Transactions whose answer was given up, and that the server commits later: what reads meanwhile does
//! not see them, and what follows must not be done a second time, nor be forgotten.

use std::time::{Duration, Instant};

use futures_util::join;
use ingestd_actors::port::{Archivable, Ledger, Left, Verdict};
use tokio::select;

use super::world::{World, claim};
use crate::ledger::departures::{HeldIn, hold};
use crate::postgres::Client;

/// Holds whatever commits changes of the ledger's files in the middle of its COMMIT.
struct Gate {
    /// A connection of its own: the pool's may be those that hang.
    client: tokio_postgres::Client,
}

const GATE: &str = "
    create function hang() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(77); return null; end $$;
    create constraint trigger hang after insert or update on ingestd.files
        deferrable initially deferred for each row execute function hang();
    select pg_advisory_lock(77)";

impl Gate {
    async fn before(world: &World) -> Gate {
        let client = world.database.dedicated().await.unwrap();
        client.batch_execute(GATE).await.unwrap();
        Gate { client }
    }

    /// Waits until so many wait for a lock.
    async fn waiting(&self, number: i64) {
        let waiting = "select count(*) from pg_stat_activity
                       where wait_event_type = 'Lock' and datname = current_database()";
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let row = self.client.query_one(waiting, &[]).await.unwrap();
            if row.get::<_, i64>(0) >= number {
                return;
            }
            assert!(Instant::now() < deadline, "fewer than {number} wait");
            tokio::task::yield_now().await;
        }
    }

    async fn open(&self) {
        let open = "select pg_advisory_unlock(77)";
        self.client.execute(open, &[]).await.unwrap();
    }
}

/// The connections that are idle, which what was given up may be at work on.
async fn idle_ones(world: &World) -> Vec<Client> {
    let mut clients = Vec::new();
    while world.database.connections().0 > 0 {
        clients.push(world.database.client().await.unwrap());
    }
    clients
}

/// Where an instance held the pipeline alone, the file was registered a second time: the first one was
/// loaded by the next life, after newer ones.
#[tokio::test]
async fn a_file_whose_admission_is_committed_late_is_admitted_once() {
    for (world, number) in [(World::ordered().await, 1), (World::new(false).await, 2)] {
        let ledger = world.life().await;
        let path = world.write("a.csv", "x\n1\n");
        let gate = Gate::before(&world).await;
        select! {
            verdict = world.admit(&ledger, &path) => panic!("{number}: {verdict:?}"),
            () = gate.waiting(1) => {}
        }
        let given_up = idle_ones(&world).await;
        let again = async {
            gate.waiting(2).await;
            gate.open().await;
        };
        let (verdict, ()) = join!(world.admit(&ledger, &path), again);
        drop(given_up);
        let claim = claim(verdict);
        assert_eq!(claim.epoch.0, 2, "{number}: the first one goes on");
        assert_eq!(world.ask("select count(*) from ingestd.files").await, "(1)");
    }
}

/// They were this instance's by then, and no more those of the dead: where the file had begun to move,
/// nobody ended that until the next start.
#[tokio::test]
async fn what_a_dead_one_has_left_is_told_though_its_taking_over_is_committed_late() {
    let world = World::new(true).await;
    let first = world.life().await;
    let dead = *world.instance.lock().unwrap();
    let path = world.write("a.csv", "x\n1\n");
    let loaded = world.claim(&first, &path).await;
    world.load(&first, &loaded).await;
    let target = world.archive.join("a.csv");
    std::fs::create_dir_all(&world.archive).unwrap();
    std::fs::rename(&path, &target).unwrap();
    let noted = "update ingestd.files set archive_path = $1";
    world.execute(noted, &[&target.to_str().unwrap()]).await;
    let second = world.life().await;
    let dies = "update ingestd.instances set expires = now() - interval '1 second'
                where instance = $1::text::uuid";
    world.execute(dies, &[&dead.to_string()]).await;

    let gate = Gate::before(&world).await;
    let told = async {
        // It is noticed when the lease is renewed.
        loop {
            let left = second.core.left_behind().await.unwrap();
            if !left.is_empty() {
                break left;
            }
        }
    };
    select! {
        left = told => panic!("{left:?}"),
        () = gate.waiting(1) => {}
    }
    let given_up = idle_ones(&world).await;
    gate.open().await;
    let left = second.left_behind().await.unwrap();
    drop(given_up);
    let [Verdict::Archive(file)] = &left[..] else {
        panic!("it is to be moved to its end: {left:?}");
    };
    let left = world.archive_one(file.clone()).await.unwrap();
    assert_eq!(left, Left::To(target));
    assert!(second.left_behind().await.unwrap().is_empty());
}

/// Its time never came: the sweeper looked for it once a second from then on.
#[tokio::test]
async fn a_file_that_has_left_is_not_held_any_more() {
    let world = World::new(true).await;
    let (file, left): (Archivable, _) = world.load_and_leave("a.csv", "x\n1\n").await;
    left.unwrap();
    let client = world.database.client().await.unwrap();
    let late = [(file.file, Some("it could not leave".to_owned()))];
    hold(&client, HeldIn::Inbox, &late).await.unwrap();
    let held = "select leave_again_at, reason from ingestd.files";
    assert_eq!(world.ask(held).await, "(,)");
}
