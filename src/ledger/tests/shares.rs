//! Two instances that share a pipeline, since the order of its files does not matter.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::join;
use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::{Archivable, Committed, Leaving, Ledger, Left, Verdict};
use uuid::Uuid;

use super::world::{World, end_of};
use crate::fs::candidate_at;
use crate::ledger::departures::{Note, store};
use crate::ledger::{LedgerOptions, PostgresLedger};

/// An instance that lives, and its number.
async fn instance(world: &World) -> (PostgresLedger, Uuid) {
    let ledger = world.life().await;
    (ledger, *world.instance.lock().unwrap())
}

/// What another instance's death looks like from the server's side.
async fn kill(world: &World, instance: Uuid) {
    let dies = format!(
        "update ingestd.instances set expires = now() - interval '1 second'
         where instance = '{instance}'"
    );
    world.execute(&dies, &[]).await;
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Later { reason, .. } => reason,
        other => panic!("it does not wait: {other:?}"),
    }
}

#[tokio::test]
async fn each_file_is_in_the_hands_of_one() {
    let world = World::new(false).await;
    let (first, _) = instance(&world).await;
    let (second, _) = instance(&world).await;
    let (a, b) = (
        world.write("a.csv", "x\n1\n"),
        world.write("b.csv", "x\n2\n"),
    );
    let claim = world.claim(&first, &a).await;
    let waits = reason(world.admit(&second, &a).await);
    let process = format!("process {} on host", std::process::id());
    assert!(waits.contains(&process), "{waits}");
    world.claim(&second, &b).await;
    assert!(second.resume().await.unwrap().len() == 1, "only its own");
    // A copy of what another one has in hand waits too.
    let copy = world.write("c.csv", "x\n1\n");
    reason(world.admit(&second, &copy).await);
    std::fs::remove_file(&a).unwrap();
    reason(world.admit(&second, &copy).await);
    std::fs::copy(&copy, &a).unwrap();
    let done = world.load(&first, &claim).await;
    assert!(matches!(done, Committed::Done { .. }));
    let verdict = world.admit(&second, &copy).await;
    assert!(matches!(verdict, Verdict::Skip(_)), "{verdict:?}");
}

#[tokio::test]
async fn two_that_admit_the_same_files_at_once_share_them() {
    let world = World::new(false).await;
    let (first, _) = instance(&world).await;
    let (second, _) = instance(&world).await;
    const FILES: usize = 40;
    let mut paths = Vec::new();
    for file in 0..FILES {
        paths.push(world.write(&format!("{file}.csv"), format!("x\n{file}\n")));
    }
    let candidates = |order: &mut dyn Iterator<Item = &std::path::PathBuf>| {
        let all = order.map(|path| candidate_at(path).unwrap().unwrap());
        all.collect::<Vec<_>>()
    };
    for group in paths.chunks(4) {
        let one = first.admit(candidates(&mut group.iter()));
        let other = second.admit(candidates(&mut group.iter().rev()));
        let (one, other) = join!(one, other);
        let loads = one.unwrap().into_iter().chain(other.unwrap());
        let loads = loads.filter(|verdict| matches!(verdict, Verdict::Load(_)));
        assert_eq!(loads.count(), group.len());
    }
    let files = "select count(*), count(distinct path) from ingestd.files";
    assert_eq!(world.ask(files).await, format!("({FILES},{FILES})"));
}

#[tokio::test]
async fn a_dead_ones_file_is_taken_over_and_the_zombie_is_fenced() {
    let world = World::new(false).await;
    let (first, number) = instance(&world).await;
    let (second, _) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n2\n");
    let old = world.claim(&first, &path).await;
    kill(&world, number).await;
    let new = world.claim(&second, &path).await;
    assert_eq!((new.file, new.epoch.0), (old.file, old.epoch.0 + 1));
    assert!(!world.move_checkpoint(&old, 0, end_of(&old).end, 2).await);
    let fenced = world.commit(&first, &old, end_of(&old)).await;
    assert!(matches!(fenced, Committed::Fenced { .. }));
    // Back among the living, it does not get the file back.
    reason(world.admit(&first, &path).await);
    let done = world.load(&second, &new).await;
    assert!(matches!(done, Committed::Done { counts, .. } if counts.inserted == 2));
}

/// As where two hosts have disks of their own under the same path.
#[tokio::test]
async fn a_file_that_another_one_has_in_hand_is_not_given_up_for_what_stands_at_its_path() {
    let world = World::new(false).await;
    let (first, number) = instance(&world).await;
    let (second, _) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n2\n3\n");
    let old = world.claim(&first, &path).await;
    let part = ingestd_actors::model::Position {
        record: 1,
        offset: 4,
        line: 3,
    };
    assert!(world.move_checkpoint(&old, 0, part, 1).await);
    world.write("a.csv", "x\n7\n8\n");
    reason(world.admit(&second, &path).await);
    assert_eq!(world.state(old.file.0).await, "SCHEDULED");
    kill(&world, number).await;
    world.claim(&second, &path).await;
    assert_eq!(world.state(old.file.0).await, "FAILED");
}

#[tokio::test]
async fn a_file_that_can_not_be_seen_is_fenced_and_kept() {
    let world = World::new(false).await;
    let (first, number) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n");
    let old = world.claim(&first, &path).await;
    std::fs::rename(&path, path.with_extension("hidden")).unwrap();
    let (second, _) = instance(&world).await;
    assert_eq!(second.resume().await.unwrap().len(), 0, "its owner lives");
    kill(&world, number).await;
    let resumed = second.resume().await.unwrap();
    assert!(
        matches!(resumed[..], [Verdict::Later { .. }]),
        "{resumed:?}"
    );
    assert_eq!(world.state(old.file.0).await, "SCHEDULED");
    std::fs::rename(path.with_extension("hidden"), &path).unwrap();
    assert!(!world.move_checkpoint(&old, 0, end_of(&old).end, 1).await);
    // Whoever sees it goes on with it.
    let again = world.claim(&first, &path).await;
    assert_eq!(again.file, old.file);
}

#[tokio::test]
async fn a_file_is_moved_by_the_one_that_has_it_in_hand() {
    let world = World::new(true).await;
    let (first, number) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&first, &path).await;
    world.load(&first, &claim).await;
    let mover = world.archiver();
    let (second, _) = instance(&world).await;
    reason(world.admit(&second, &path).await);
    assert_eq!(second.resume().await.unwrap().len(), 0);
    let file = Archivable {
        file: claim.file,
        candidate: claim.candidate.clone(),
        handle: None,
    };
    let left_alone = world.archive_one(file.clone()).await.unwrap();
    assert_eq!(left_alone, Left::Gone);
    assert!(path.exists());

    kill(&world, number).await;
    let [Verdict::Archive(taken)] = &second.resume().await.unwrap()[..] else {
        panic!("it is to be moved by the one that lives");
    };
    let target = world.archive_one(taken.clone()).await.unwrap();
    assert_eq!(target, Left::To(world.archive.join("a.csv")));
    // The one that was taken for dead finds that it has left.
    let mut late = mover.take_out(vec![Leaving::Archive(file)]).await.unwrap();
    assert_eq!(late.remove(0).unwrap(), target);
    assert_eq!(world.state(claim.file.0).await, "ARCHIVED");
}

#[tokio::test]
async fn what_a_dead_one_has_left_is_noticed_and_taken_up() {
    let world = World::new(true).await;
    let (first, _) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&first, &path).await;
    let options = LedgerOptions {
        lease: Duration::from_millis(300),
        ..LedgerOptions::default()
    };
    let second = world.ledger(options);
    second.resume().await.unwrap();
    assert_eq!(second.left_behind().await.unwrap().len(), 0);
    world
        .execute(
            "select pg_terminate_backend(backend) from ingestd.instances order by since limit 1",
            &[],
        )
        .await;
    let taken = loop {
        let left = second.left_behind().await.unwrap();
        if !left.is_empty() {
            break left;
        }
        tokio::task::yield_now().await;
    };
    assert!(
        matches!(&taken[..], [Verdict::Load(new)] if new.epoch.0 == claim.epoch.0 + 1),
        "{taken:?}"
    );
    // It was forgotten: all that it may do now is to begin anew.
    let told = async {
        while first.left_behind().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(20), told).await;
    told.expect("it notices, though there is nothing to do");
    let new = world.write("b.csv", "x\n2\n");
    let candidate = candidate_at(&new).unwrap().unwrap();
    let fenced = first.admit(vec![candidate]).await.unwrap_err();
    assert_eq!(fenced.kind(), ErrorKind::Fenced);
}

/// The one that dies may have moved the file to where it has noted.
#[tokio::test]
async fn a_target_that_another_one_has_noted_meanwhile_is_not_written_over() {
    let world = World::new(true).await;
    let (first, number) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&first, &path).await;
    world.load(&first, &claim).await;
    let client = world.database.client().await.unwrap();
    let note = |was: Option<&str>, target: &str| Note {
        file: claim.file,
        was: was.map(PathBuf::from),
        target: Some(PathBuf::from(target)),
    };
    let owner = number.to_string();
    let noted = store(&client, &owner, &[note(None, "/out/a.csv")]).await;
    assert_eq!(noted.unwrap().ours.len(), 1);
    kill(&world, number).await;
    // It has read before the other one wrote, and comes after its death.
    let other = Uuid::new_v4().to_string();
    let late = store(&client, &other, &[note(None, "/out/a-1.csv")]).await;
    let late = late.unwrap();
    assert!(late.ours.is_empty());
    assert_eq!(late.changed.len(), 1, "it looks again");
    let again = store(&client, &other, &[note(Some("/out/a.csv"), "/out/a.csv")]).await;
    assert_eq!(again.unwrap().ours.len(), 1);
    let noted = "select archive_path from ingestd.files";
    assert_eq!(world.ask(noted).await, "(/out/a.csv)");
}

#[tokio::test]
async fn a_pause_is_for_all_of_them() {
    let world = World::new(false).await;
    let _first = instance(&world).await;
    let (second, _) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n");
    world.ask("select count(*) from ingestd.pause()").await;
    assert!(reason(world.admit(&second, &path).await).contains("paused"));
    world.ask("select count(*) from ingestd.resume()").await;
    world.claim(&second, &path).await;
}

#[tokio::test]
async fn what_was_begun_in_order_is_ended_alone() {
    let world = World::new(false).await;
    let (first, _) = instance(&world).await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&first, &path).await;
    let upsert = "update ingestd.plans
                  set definition = definition || '{\"mode\": \"upsert\", \"routing\": \"key\"}'";
    world.execute(upsert, &[]).await;
    first.release().await.unwrap();
    let options = LedgerOptions {
        lease: Duration::from_millis(300),
        ..LedgerOptions::default()
    };
    let second = world.ledger(options);
    second.resume().await.unwrap();
    let third = world.ledger(LedgerOptions::default());
    let refused = third.resume().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Transient);
    world
        .execute(
            "update ingestd.files set state = 'COMMITTED' where file_id = $1",
            &[&claim.file.0],
        )
        .await;
    while third.resume().await.is_err() {
        tokio::task::yield_now().await;
    }
    let shares = "select count(*), bool_and(shares) from ingestd.live_instances";
    assert_eq!(world.ask(shares).await, "(2,t)");
}

#[tokio::test]
async fn one_leaves_large_files_to_the_others() {
    let world = World::new(false).await;
    let (first, _) = instance(&world).await;
    let (second, number) = instance(&world).await;
    let mut paths = Vec::new();
    for name in ["a.csv", "b.csv", "c.csv"] {
        let path = world.write(name, format!("x\n{name}\n"));
        // Most of it is a hole.
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(70 << 20).unwrap();
        paths.push(path);
    }
    let all = || {
        let all = paths
            .iter()
            .map(|path| candidate_at(path).unwrap().unwrap());
        all.collect::<Vec<_>>()
    };
    let loads = |verdicts: Vec<Verdict>| {
        let loads = verdicts.iter();
        loads
            .map(|it| matches!(it, Verdict::Load(_)))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        loads(first.admit(all()).await.unwrap()),
        [true, false, false]
    );
    assert_eq!(
        loads(second.admit(all()).await.unwrap()),
        [false, true, false]
    );
    kill(&world, number).await;
    assert_eq!(loads(first.admit(all()).await.unwrap()), [true, true, true]);
}
