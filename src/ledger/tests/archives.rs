//! Files that leave the inbox.

use std::path::PathBuf;
use std::sync::Arc;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::{Archivable, Leaving, Ledger, Left, Verdict};

use super::world::World;
use crate::fs::archive::private_path;
use crate::ledger::{LedgerOptions, PostgresLedger};

#[tokio::test]
async fn a_committed_file_is_archived_by_whichever_life_gets_to_it() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    ledger.release().await.unwrap();

    let next = world.ledger(LedgerOptions::default());
    let [verdict] = <[Verdict; 1]>::try_from(next.resume().await.unwrap()).unwrap();
    let Verdict::Archive(file) = verdict else {
        panic!("it is committed: {verdict:?}");
    };
    for _ in 0..2 {
        let to = world.archive_one(file.clone()).await.unwrap();
        assert_eq!(to, Left::To(world.archive.join("a.csv")));
    }
    assert!(!path.exists());
    assert_eq!(world.state(claim.file.0).await, "ARCHIVED");
    assert!(next.resume().await.unwrap().is_empty());

    let again = world.write("a.csv", "x\n1\n");
    let Verdict::Skip(skipped) = world.admit(&next, &again).await else {
        panic!("it was loaded before");
    };
    let file = ingestd_actors::port::Archivable {
        file: skipped.file,
        candidate: skipped.candidate,
        handle: None,
    };
    let to = world.archive_one(file).await.unwrap();
    let other_name = format!("a-{}.csv", skipped.file.0);
    assert_eq!(to, Left::To(world.archive.join(other_name)));
    assert_eq!(world.state(skipped.file.0).await, "SKIPPED");
}

/// It was taken for a note of another instance, which would move the file: nobody did.
#[tokio::test]
async fn a_note_that_is_written_after_its_answer_was_given_up_is_read_again() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    let file = Archivable {
        file: claim.file,
        candidate: claim.candidate.clone(),
        handle: None,
    };
    // The connection of the first attempt is lost while the server is still at it.
    let mut server = world.database.dedicated().await.unwrap();
    let slow = server.transaction().await.unwrap();
    let target = world.archive.join("a.csv");
    let instance = *world.instance.lock().unwrap();
    slow.execute(
        "update ingestd.files set archive_path = $1, owner = $2::text::uuid",
        &[&target.to_str().unwrap(), &instance.to_string()],
    )
    .await
    .unwrap();
    let second = world.archive_one(file.clone());
    let written = async {
        let waiting = "select count(*) from pg_stat_activity
                       where wait_event_type = 'Lock' and datname = current_database()";
        while world.ask(waiting).await != "(1)" {
            tokio::task::yield_now().await;
        }
        slow.commit().await.unwrap();
    };
    let (second, ()) = tokio::join!(second, written);
    let error = second.expect_err("it has read what was noted before");
    assert_eq!(error.kind(), ErrorKind::Transient, "{error}");
    assert_eq!(world.archive_one(file).await.unwrap(), Left::To(target));
    assert_eq!(world.state(claim.file.0).await, "ARCHIVED");
}

/// Leaves a committed file as a life does that is killed after the first step of its move; where it
/// was to go.
async fn begin_a_move(world: &World, ledger: &PostgresLedger) -> PathBuf {
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(ledger, &path).await;
    world.load(ledger, &claim).await;
    let target = world.archive.join("a.csv");
    let statement = "update ingestd.files set archive_path = $1";
    world.execute(statement, &[&target.to_str().unwrap()]).await;
    let tag = world.ask("select tag from ingestd.pipelines").await;
    let private = private_path(&path, tag.trim_matches(['(', ')']), claim.file);
    std::fs::rename(&path, private).unwrap();
    target
}

#[tokio::test]
async fn a_move_that_was_begun_is_ended_by_the_next_life() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let target = begin_a_move(&world, &ledger).await;

    let [verdict] = <[Verdict; 1]>::try_from(ledger.resume().await.unwrap()).unwrap();
    let Verdict::Archive(file) = verdict else {
        panic!("its move was begun: {verdict:?}");
    };
    assert_eq!(
        world.archive_one(file).await.unwrap(),
        Left::To(target.clone())
    );
    assert_eq!(std::fs::read_to_string(target).unwrap(), "x\n1\n");
}

/// It was taken for the file that is on its way. That one, whose place it had in the ledger then, stood
/// under its private name for as long as this one had its first name; or for good, where a tail took it
/// with it.
#[tokio::test]
async fn what_comes_under_the_name_of_a_file_on_its_way_is_another_file() {
    for content in ["x\n1\n", "x\n1\n2\n"] {
        let world = World::new(true).await;
        let ledger = world.life().await;
        begin_a_move(&world, &ledger).await;
        let path = world.write("a.csv", content);
        let (file, candidate) = match world.admit(&ledger, &path).await {
            Verdict::Skip(skipped) => (skipped.file, skipped.candidate),
            Verdict::Load(claim) => {
                assert_eq!(claim.base.offset, 4);
                world.load(&ledger, &claim).await;
                (claim.file, claim.candidate)
            }
            other => panic!("{other:?}"),
        };
        let second = Archivable {
            file,
            candidate,
            handle: None,
        };
        let left = world.archive_one(second).await.unwrap();
        assert!(matches!(left, Left::To(_)), "{left:?}");

        let [verdict] = <[Verdict; 1]>::try_from(ledger.resume().await.unwrap()).unwrap();
        let Verdict::Archive(first) = verdict else {
            panic!("its move was begun: {verdict:?}");
        };
        let Left::To(target) = world.archive_one(first).await.unwrap() else {
            panic!("it stands under its private name");
        };
        assert_eq!(std::fs::read_to_string(target).unwrap(), "x\n1\n");
        assert_eq!(std::fs::read_dir(&world.inbox).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_committed_file_that_is_gone_is_archived_as_missing() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    std::fs::remove_file(path).unwrap();
    let [verdict] = <[Verdict; 1]>::try_from(ledger.resume().await.unwrap()).unwrap();
    let Verdict::Archive(file) = verdict else {
        panic!("it is committed: {verdict:?}");
    };
    assert_eq!(world.archive_one(file).await.unwrap(), Left::Gone);
    assert_eq!(world.state(claim.file.0).await, "ARCHIVED");
    let reason = world
        .ask("select reason like 'missing%' from ingestd.files")
        .await;
    assert_eq!(reason, "(t)");
}

#[tokio::test]
async fn a_quarantined_file_leaves_with_its_reason() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "bad\n1\n");
    let Verdict::Quarantine(quarantined) = world.admit(&ledger, &path).await else {
        panic!("its header is bad");
    };
    let again = world.admit(&ledger, &path).await;
    assert!(
        matches!(again, Verdict::Quarantine(_)),
        "it is still there: {again:?}"
    );
    assert_eq!(world.ask("select count(*) from ingestd.files").await, "(1)");
    let to = world
        .take_out(Leaving::Quarantine(quarantined))
        .await
        .unwrap();
    let Left::To(to) = to else {
        panic!("it leaves: {to:?}");
    };
    assert!(to.exists());
    let reason = std::fs::read_to_string(to.with_file_name("a.csv.reason")).unwrap();
    assert!(reason.contains("the header is bad"));
    let back = world.write("a.csv", "bad\n1\n");
    let retried = world.admit(&ledger, &back).await;
    let Verdict::Quarantine(retried) = retried else {
        panic!("put back, it is tried afresh: {retried:?}");
    };
    assert_eq!(world.ask("select count(*) from ingestd.files").await, "(2)");
    world.take_out(Leaving::Quarantine(retried)).await.unwrap();
}

#[tokio::test]
async fn a_file_that_grew_stays_and_is_admitted_as_a_tail() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    let Verdict::Archive(file) = world.admit(&ledger, &path).await else {
        panic!("it is committed");
    };
    let mut writer = std::fs::File::options().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut writer, b"2\n").unwrap();
    assert!(world.archive_one(file).await.is_err());
    let tail = world.claim(&ledger, &path).await;
    assert_eq!(tail.base.offset, 4);
}

#[tokio::test]
async fn a_group_leaves_together_and_each_is_answered_for_itself() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    std::fs::create_dir(&world.archive).unwrap();
    std::fs::write(world.archive.join("b.csv"), "there before").unwrap();
    let mut files = Vec::new();
    for name in ["a.csv", "b.csv", "changed.csv", "gone.csv"] {
        let path = world.write(name, format!("x\n{name}\n"));
        let claim = world.claim(&ledger, &path).await;
        world.load(&ledger, &claim).await;
        let Verdict::Archive(file) = world.admit(&ledger, &path).await else {
            panic!("it is committed");
        };
        files.push(file);
    }
    world.write("changed.csv", "longer than before\n");
    std::fs::remove_file(world.inbox.join("gone.csv")).unwrap();

    let group: Vec<Leaving> = files.iter().cloned().map(Leaving::Archive).collect();
    let answers = world.archiver().take_out(group).await.unwrap();
    let other_name = format!("b-{}.csv", files[1].file.0);
    assert_eq!(
        answers[0].as_ref().unwrap(),
        &Left::To(world.archive.join("a.csv"))
    );
    assert_eq!(
        answers[1].as_ref().unwrap(),
        &Left::To(world.archive.join(other_name))
    );
    assert!(answers[2].is_err());
    assert_eq!(answers[3].as_ref().unwrap(), &Left::Gone);
    for (file, state) in files
        .iter()
        .zip(["ARCHIVED", "ARCHIVED", "COMMITTED", "ARCHIVED"])
    {
        assert_eq!(world.state(file.file.0).await, state);
    }
}

/// It stood under its private name for as long as the configuration said that files stay.
#[tokio::test]
async fn a_move_that_was_begun_is_ended_though_files_stay_by_now() {
    let mut world = World::new(true).await;
    let ledger = world.life().await;
    let target = begin_a_move(&world, &ledger).await;
    let stays = world.write("b.csv", "x\n2\n");
    let claim = world.claim(&ledger, &stays).await;
    world.load(&ledger, &claim).await;
    ledger.release().await.unwrap();

    Arc::make_mut(&mut world.pipeline).archive = None;
    let next = world.ledger(LedgerOptions::default());
    let [verdict] = <[Verdict; 1]>::try_from(next.resume().await.unwrap()).unwrap();
    let Verdict::Archive(file) = verdict else {
        panic!("its move was begun: {verdict:?}");
    };
    assert_eq!(
        world.archive_one(file).await.unwrap(),
        Left::To(target.clone())
    );
    assert!(target.exists());
    assert!(stays.exists());
}

/// A service took whatever had been loaded by its name, wherever it stood.
#[tokio::test]
async fn a_file_that_was_loaded_by_its_name_stays_where_it_stands() {
    let world = World::new(true).await;
    let elsewhere = world.inbox.with_file_name("mine.csv");
    std::fs::write(&elsewhere, "x\n1\n").unwrap();
    let only = || LedgerOptions {
        only: Some(vec![elsewhere.clone()]),
        ..LedgerOptions::default()
    };
    let load = world.ledger(only());
    load.resume().await.unwrap();
    let claim = world.claim(&load, &elsewhere).await;
    world.load(&load, &claim).await;
    load.release().await.unwrap();

    let service = world.life().await;
    service.release().await.unwrap();
    let resumed = world.ledger(LedgerOptions::default()).resume().await;
    assert!(resumed.unwrap().is_empty());
}

/// The service had chosen a name for it already: the ledger said that it stands there.
#[tokio::test]
async fn a_file_that_is_replaced_when_its_move_has_begun_is_left_to_that_move() {
    let world = World::new(true).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    let Verdict::Archive(file) = world.admit(&ledger, &path).await else {
        panic!("it is committed");
    };
    let other = world.write(".other", "x\nother\n");
    std::fs::rename(other, &path).unwrap();

    // Between the admission's look at the ledger and its writing, the move is begun.
    let mut client = world.database.client().await.unwrap();
    let begun = client.transaction().await.unwrap();
    let target = world.archive.join("a.csv");
    let statement = "update ingestd.files set archive_path = $1";
    begun
        .execute(statement, &[&target.to_str().unwrap()])
        .await
        .unwrap();
    let admitting = world.admit(&ledger, &path);
    let committing = async {
        let waits = "select from pg_locks
                     where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)) limit 1";
        while begun.query_opt(waits, &[]).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        begun.commit().await.unwrap();
    };
    let (verdict, ()) = tokio::join!(admitting, committing);
    assert!(matches!(verdict, Verdict::Load(_)), "{verdict:?}");
    assert_eq!(world.archive_one(file).await.unwrap(), Left::Gone);
    let said = "select state, archive_path, reason like 'missing%' from ingestd.files
                order by file_id limit 1";
    assert_eq!(world.ask(said).await, "(ARCHIVED,,t)");
}
