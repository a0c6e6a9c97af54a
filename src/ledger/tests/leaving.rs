//! Files that leave by policy and by time, and an archive that forgets.

use std::path::Path;
use std::time::Duration;

use ingestd_actors::error::ErrorKind;
use ingestd_actors::port::{Archivable, Leaving, Ledger, Left, Verdict};

use super::world::World;
use crate::fs::archive::private_path;
use crate::ledger::LedgerOptions;
use crate::settings::{Collision, Finished};

const HOUR: Duration = Duration::from_secs(3600);

async fn colliding(collision: Collision) -> World {
    let mut world = World::new(true).await;
    world.set(|pipeline| pipeline.archive_rules.collision = collision);
    std::fs::create_dir(&world.archive).unwrap();
    world
}

async fn deleting(after: Duration) -> World {
    let mut world = World::new(true).await;
    world.set(|pipeline| {
        pipeline.archive = None;
        pipeline.archive_rules.finished = Finished::Delete { after };
    });
    world
}

impl World {
    /// What the ledger says of a file: its state, where it went, and why.
    async fn said(&self, file: &Archivable) -> String {
        let query = format!(
            "select state, archive_path is not null, reason from ingestd.files where file_id = {}",
            file.file.0
        );
        self.ask(&query).await
    }

    /// Time passes, for all that the ledger knows.
    async fn pass(&self, hours: i32) {
        let statement = "update ingestd.files
            set discovered_at = discovered_at - make_interval(hours => $1),
                committed_at = committed_at - make_interval(hours => $1),
                archived_at = archived_at - make_interval(hours => $1),
                leave_again_at = leave_again_at - make_interval(hours => $1)";
        self.execute(statement, &[&hours]).await;
    }

    async fn tag(&self) -> String {
        let tag = self.ask("select tag from ingestd.pipelines").await;
        tag.trim_matches(['(', ')']).to_owned()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_file_that_collides_is_held_with_its_reason_and_follows_once_it_can() {
    for (collision, why) in [
        (Collision::Fail, "there is a file"),
        (Collision::Keep, "other content"),
    ] {
        let world = colliding(collision).await;
        let there = world.archive.join("a.csv");
        std::fs::write(&there, "somebody's").unwrap();
        let (file, left) = world.load_and_leave("a.csv", "x\n1\n").await;
        let Left::Held(reason) = left.unwrap() else {
            panic!("the archive has one of that name");
        };
        assert!(reason.contains(why), "{reason}");
        assert_eq!(read(&there), "somebody's");
        assert!(
            world
                .said(&file)
                .await
                .contains("(COMMITTED,f,\"stays in the inbox")
        );

        // No scan and no next life takes it up before its time.
        let ledger = world.life().await;
        let path = file.candidate.path.clone();
        let verdict = world.admit(&ledger, &path).await;
        assert!(matches!(verdict, Verdict::Ignore(_)), "{verdict:?}");
        ledger.release().await.unwrap();
        let next = world.ledger(LedgerOptions::default());
        assert!(next.resume().await.unwrap().is_empty());
        next.release().await.unwrap();

        let swept = world.sweep().await;
        assert!(swept.next.unwrap() <= Duration::from_secs(2), "{swept:?}");
        assert!(path.exists());
        world.pass(1).await;
        let swept = world.sweep().await;
        assert!(
            path.exists() && swept.trouble.is_none(),
            "it is still there: {swept:?}"
        );

        std::fs::remove_file(&there).unwrap();
        world.pass(1).await;
        world.sweep().await;
        assert!(!path.exists());
        assert_eq!(read(&there), "x\n1\n");
        assert_eq!(world.said(&file).await, "(ARCHIVED,t,)");
    }
}

#[tokio::test]
async fn of_two_equal_files_the_archive_keeps_the_old_one() {
    let world = colliding(Collision::Keep).await;
    std::fs::write(world.archive.join("a.csv"), "x\n1\n").unwrap();
    let (file, left) = world.load_and_leave("a.csv", "x\n1\n").await;
    assert_eq!(left.unwrap(), Left::To(world.archive.join("a.csv")));
    assert!(!file.candidate.path.exists());
    assert_eq!(world.said(&file).await, "(ARCHIVED,t,)");
}

#[tokio::test]
async fn what_is_replaced_is_noted() {
    let mut world = colliding(Collision::Replace).await;
    let (first, _) = world.load_and_leave("a.csv", "x\n1\n").await;
    let (second, left) = world.load_and_leave("a.csv", "x\n2\n").await;
    assert_eq!(left.unwrap(), Left::To(world.archive.join("a.csv")));
    assert_eq!(read(&world.archive.join("a.csv")), "x\n2\n");
    let removed =
        "select array_agg(archive_removed_at is not null order by file_id) from ingestd.files";
    assert_eq!(world.ask(removed).await, "(\"{t,f}\")");
    assert!(first.file < second.file);

    // The time of the first is over, and the file is the second's.
    world.set(|pipeline| pipeline.archive_rules.archive_retention = Some(2 * HOUR));
    let statement =
        "update ingestd.files set archived_at = now() - interval '1 day' where file_id = $1";
    world.execute(statement, &[&first.file.0]).await;
    world.sweep().await;
    assert_eq!(read(&world.archive.join("a.csv")), "x\n2\n");
}

#[tokio::test]
async fn files_go_to_the_directories_of_their_commit_compressed() {
    let mut world = World::new(true).await;
    world.set(|pipeline| {
        pipeline.archive_rules.dates = Some("%Y/%m/%d".to_owned());
        pipeline.archive_rules.compress = true;
        pipeline.archive_rules.archive_retention = Some(HOUR);
    });
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    let statement = "update ingestd.files set committed_at = '2026-03-01 00:30+02'";
    world.execute(statement, &[]).await;
    let Verdict::Archive(file) = world.admit(&ledger, &path).await else {
        panic!("it is committed");
    };
    let target = world.archive.join("2026/02/28/a.csv.zst");
    assert_eq!(
        world.archive_one(file).await.unwrap(),
        Left::To(target.clone())
    );
    let archived = std::fs::read(&target).unwrap();
    assert_eq!(zstd::decode_all(&archived[..]).unwrap(), b"x\n1\n");

    // What is compressed already stays as it is.
    let gzip = b"\x1F\x8B\x08\0 and so on";
    let path = world.write("b.csv", gzip);
    let Verdict::Load(claim) = world.admit(&ledger, &path).await else {
        panic!("it is new");
    };
    world.load(&ledger, &claim).await;
    let Verdict::Archive(file) = world.admit(&ledger, &path).await else {
        panic!("it is committed");
    };
    let Left::To(to) = world.archive_one(file).await.unwrap() else {
        panic!("it leaves");
    };
    assert!(to.ends_with("b.csv"), "{to:?}");
    assert_eq!(std::fs::read(&to).unwrap(), gzip);
    ledger.release().await.unwrap();

    world.pass(2).await;
    world.sweep().await;
    assert!(!target.exists() && !to.exists());
    let left = std::fs::read_dir(&world.archive).unwrap().count();
    assert_eq!(left, 0, "the directories of the dates are gone too");
}

#[tokio::test]
async fn a_file_is_deleted_when_its_time_has_come_and_not_before() {
    let world = deleting(HOUR).await;
    let (file, left) = world.load_and_leave("a.csv", "x\n1\n").await;
    assert_eq!(left.unwrap(), Left::Stays);
    // The next scan leaves it alone; a duplicate of it waits like it.
    let ledger = world.life().await;
    let path = file.candidate.path.clone();
    let verdict = world.admit(&ledger, &path).await;
    assert!(matches!(verdict, Verdict::Ignore(_)), "{verdict:?}");
    let double = world.write("double.csv", "x\n1\n");
    let Verdict::Skip(skipped) = world.admit(&ledger, &double).await else {
        panic!("it was loaded");
    };
    ledger.release().await.unwrap();

    let swept = world.sweep().await;
    assert!(path.exists() && double.exists());
    let next = swept.next.unwrap();
    assert!(next <= HOUR && next > HOUR / 2, "{next:?}");
    world.pass(1).await;
    let swept = world.sweep().await;
    assert!(!path.exists() && !double.exists());
    assert!(swept.trouble.is_none(), "{swept:?}");
    assert_eq!(world.said(&file).await, "(ARCHIVED,f,deleted)");
    assert_eq!(world.state(skipped.file.0).await, "SKIPPED");

    let again = world.write("a.csv", "x\n1\n");
    let verdict = world.admit(&world.life().await, &again).await;
    assert!(
        matches!(verdict, Verdict::Skip(_)),
        "it is known still: {verdict:?}"
    );
}

#[tokio::test]
async fn with_no_wait_a_file_is_deleted_like_one_that_moves() {
    let world = deleting(Duration::ZERO).await;
    let (file, left) = world.load_and_leave("a.csv", "x\n1\n").await;
    assert_eq!(left.unwrap(), Left::Gone);
    assert!(!file.candidate.path.exists());
    assert_eq!(world.said(&file).await, "(ARCHIVED,f,deleted)");
}

/// Whoever is killed after the first step leaves it under its private name; after the second one,
/// nowhere. Either is ended by the next life, though files are kept by then.
#[tokio::test]
async fn a_deletion_that_was_begun_is_ended_by_the_next_life() {
    for unlinked in [false, true] {
        let mut world = deleting(HOUR).await;
        let (file, _) = world.load_and_leave("a.csv", "x\n1\n").await;
        let path = &file.candidate.path;
        let private = private_path(path, &world.tag().await, file.file);
        let statement = "update ingestd.files set archive_path = $1";
        world
            .execute(statement, &[&private.to_str().unwrap()])
            .await;
        std::fs::rename(path, &private).unwrap();
        if unlinked {
            std::fs::remove_file(&private).unwrap();
        }
        world.set(|pipeline| pipeline.archive_rules.finished = Finished::Keep);
        let next = world.ledger(LedgerOptions::default());
        let [verdict] = <[Verdict; 1]>::try_from(next.resume().await.unwrap()).unwrap();
        let Verdict::Archive(known) = verdict else {
            panic!("its deletion was begun: {verdict:?}");
        };
        assert_eq!(world.archive_one(known).await.unwrap(), Left::Gone);
        assert!(!private.exists() && !path.exists());
        assert_eq!(world.said(&file).await, "(ARCHIVED,f,deleted)");
    }
}

#[tokio::test]
async fn a_file_that_changed_is_not_deleted_and_what_was_added_is_loaded() {
    let world = deleting(HOUR).await;
    let (file, _) = world.load_and_leave("a.csv", "x\n1\n").await;
    let path = &file.candidate.path;
    let mut writer = std::fs::File::options().append(true).open(path).unwrap();
    std::io::Write::write_all(&mut writer, b"2\n").unwrap();
    world.pass(2).await;
    for _ in 0..2 {
        let swept = world.sweep().await;
        assert!(swept.trouble.is_none(), "one file's own: {swept:?}");
        assert!(swept.next.unwrap() > Duration::from_secs(1), "{swept:?}");
        assert_eq!(read(path), "x\n1\n2\n");
        world.pass(1).await;
    }
    let ledger = world.life().await;
    let tail = world.claim(&ledger, path).await;
    assert_eq!(tail.base.offset, 4);
    world.load(&ledger, &tail).await;
    ledger.release().await.unwrap();
    // They leave together, when the time of the tail has come.
    world.sweep().await;
    assert!(path.exists());
    world.pass(2).await;
    world.sweep().await;
    assert!(!path.exists());
    let states = "select array_agg(state || ' ' || reason order by file_id) from ingestd.files";
    assert_eq!(
        world.ask(states).await,
        r#"("{""ARCHIVED deleted"",""ARCHIVED deleted""}")"#
    );
}

#[tokio::test]
async fn what_stands_elsewhere_is_neither_deleted_nor_moved() {
    for finished in [Finished::Delete { after: HOUR }, Finished::Move] {
        let mut world = World::new(true).await;
        world.set(|pipeline| pipeline.archive_rules.finished = finished);
        let elsewhere = world.inbox.with_file_name("mine.csv");
        std::fs::write(&elsewhere, "x\n1\n").unwrap();
        let only = LedgerOptions {
            only: Some(vec![elsewhere.clone()]),
            ..LedgerOptions::default()
        };
        // `load` is killed in the middle, and the service ends the loading.
        let load = world.ledger(only);
        load.resume().await.unwrap();
        world.claim(&load, &elsewhere).await;
        load.release().await.unwrap();
        let service = world.ledger(LedgerOptions::default());
        let [verdict] = <[Verdict; 1]>::try_from(service.resume().await.unwrap()).unwrap();
        let claim = super::world::claim(verdict);
        world.load(&service, &claim).await;
        let file = Archivable {
            file: claim.file,
            candidate: claim.candidate,
            handle: None,
        };
        assert_eq!(world.archive_one(file.clone()).await.unwrap(), Left::Stays);
        service.release().await.unwrap();
        world.pass(5).await;
        world.sweep().await;
        assert!(elsewhere.exists());
        assert_eq!(world.said(&file).await, "(COMMITTED,f,)");
    }
}

#[tokio::test]
async fn retention_removes_what_the_ledger_knows_and_nothing_else() {
    let mut world = World::new(true).await;
    world.set(|pipeline| {
        pipeline.archive_rules.archive_retention = Some(HOUR);
        pipeline.archive_rules.quarantine_retention = Some(3 * HOUR);
    });
    let (file, _) = world.load_and_leave("a.csv", "x\n1\n").await;
    let (changed, _) = world.load_and_leave("changed.csv", "x\n2\n").await;
    let ledger = world.life().await;
    let path = world.write("bad.csv", "bad\n1\n");
    let Verdict::Quarantine(quarantined) = world.admit(&ledger, &path).await else {
        panic!("its header is bad");
    };
    ledger.release().await.unwrap();
    let bad = world
        .take_out(Leaving::Quarantine(quarantined))
        .await
        .unwrap();
    let Left::To(bad) = bad else {
        panic!("it leaves: {bad:?}");
    };
    std::fs::write(world.archive.join("mine"), "mine").unwrap();
    std::fs::write(world.archive.join("changed.csv"), "somebody's").unwrap();

    let next = world.sweep().await.next.unwrap();
    assert!(next <= HOUR && next > HOUR / 2, "{next:?}");
    assert!(world.archive.join("a.csv").exists());
    world.pass(1).await;
    let swept = world.sweep().await;
    assert!(!world.archive.join("a.csv").exists());
    assert_eq!(read(&world.archive.join("mine")), "mine");
    assert_eq!(read(&world.archive.join("changed.csv")), "somebody's");
    assert!(bad.exists() && !swept.more);
    let noted =
        "select array_agg(archive_removed_at is not null order by file_id) from ingestd.files";
    assert_eq!(world.ask(noted).await, "(\"{t,t,f}\")");
    assert_eq!(world.state(file.file.0).await, "ARCHIVED");
    assert_eq!(world.state(changed.file.0).await, "ARCHIVED");

    world.pass(2).await;
    world.sweep().await;
    assert!(!bad.exists() && !bad.with_file_name("bad.csv.reason").exists());
    assert_eq!(world.ask(noted).await, "(\"{t,t,t}\")");

    let again = world.write("a.csv", "x\n1\n");
    let verdict = world.admit(&world.life().await, &again).await;
    assert!(
        matches!(verdict, Verdict::Skip(_)),
        "it is known still: {verdict:?}"
    );
}

#[tokio::test]
async fn what_can_not_be_removed_keeps_no_other_back_and_is_tried_again() {
    let mut world = World::new(true).await;
    world.set(|pipeline| pipeline.archive_rules.archive_retention = Some(HOUR));
    for name in ["a.csv", "b.csv"] {
        let (_, left) = world.load_and_leave(name, &format!("x\n{name}\n")).await;
        left.unwrap();
    }
    // What is hidden can't be put back over it: a directory has the place of the reason.
    world.set(|pipeline| pipeline.companions.done_marker = Some(".done".to_owned()));
    std::fs::create_dir(world.archive.join("a.csv.done")).unwrap();
    world.pass(1).await;
    let swept = world.sweep().await;
    assert!(!world.archive.join("b.csv").exists());
    let trouble = swept.trouble.unwrap();
    assert_eq!(trouble.kind(), ErrorKind::Configuration, "{trouble}");
    assert!(swept.next.unwrap() > Duration::from_secs(1));
    std::fs::remove_dir(world.archive.join("a.csv.done")).unwrap();
    world.pass(1).await;
    assert!(world.sweep().await.trouble.is_none());
    let open = "select count(*) from ingestd.files where archive_removed_at is null";
    assert_eq!(world.ask(open).await, "(0)");
}

#[tokio::test]
async fn a_pipeline_that_is_paused_or_another_instances_is_not_swept() {
    let mut world = deleting(HOUR).await;
    world.set(|pipeline| pipeline.key = vec!["x".to_owned()]);
    let (file, _) = world.load_and_leave("a.csv", "x\n1\n").await;
    world.pass(2).await;
    let life = world.life().await;
    world.sweep().await;
    assert!(
        file.candidate.path.exists(),
        "another instance has the lease"
    );
    world.ask("select count(*) from ingestd.pause()").await;
    life.release().await.unwrap();
    world.sweep().await;
    assert!(file.candidate.path.exists(), "it is paused");
    world.ask("select count(*) from ingestd.resume()").await;
    world.sweep().await;
    assert!(!file.candidate.path.exists());
}

#[tokio::test]
async fn more_than_a_group_is_done_group_by_group() {
    let world = deleting(HOUR).await;
    let ledger = world.life().await;
    // Empty files: each is a file of its own, and none needs a reader.
    for number in 0..300 {
        world.write(&format!("{number}.csv"), "");
    }
    let statement = "insert into ingestd.files (pipeline, path, size, modified, device, inode,
                         head_hash, tail_hash, state, committed_at)
                     values ('events', $1, 0, $2, 0, $3, '', '', 'COMMITTED', now() - interval '1 day')";
    let client = world.database.client().await.unwrap();
    for number in 0..300 {
        let path = world.inbox.join(format!("{number}.csv"));
        let is = crate::fs::candidate_at(&path).unwrap().unwrap();
        let path = path.to_str().unwrap();
        let inode = is.inode.cast_signed();
        client
            .execute(statement, &[&path, &is.modified, &inode])
            .await
            .unwrap();
    }
    ledger.release().await.unwrap();
    assert!(world.sweep().await.more);
    let left = || std::fs::read_dir(&world.inbox).unwrap().count();
    assert_eq!(left(), 300 - 256);
    assert!(!world.sweep().await.more);
    assert_eq!(left(), 0);
}
