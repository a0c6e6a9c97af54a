//! New files, duplicates, files that stay, files that can't be loaded.

use std::os::unix::fs::PermissionsExt;

use ingestd_actors::port::{Committed, Ledger, Verdict};

use super::world::{World, claim};
use crate::fs::candidate_at;
use crate::ledger::LedgerOptions;
use crate::settings::OnReturn;

#[tokio::test]
async fn a_new_file_is_planned_claimed_and_committed() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n2\n");
    let claim = world.claim(&ledger, &path).await;
    assert_eq!(claim.epoch.0, 1);
    assert_eq!(claim.checkpoints.len(), 3);
    assert_eq!(
        world.ask("select count(*) from ingestd.checkpoints").await,
        "(3)"
    );

    let done = world.load(&ledger, &claim).await;
    assert!(matches!(done, Committed::Done { counts, .. } if counts.inserted == 2));
    assert_eq!(world.state(claim.file.0).await, "COMMITTED");
    assert_eq!(
        world.ask("select count(*) from ingestd.checkpoints").await,
        "(0)"
    );
    let again = world
        .commit(&ledger, &claim, super::world::end_of(&claim))
        .await;
    assert!(matches!(again, Committed::Done { counts, .. } if counts.inserted == 2));
}

#[tokio::test]
async fn a_file_that_stays_is_ignored_without_another_row() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let claim = world.claim(&ledger, &path).await;
    world.load(&ledger, &claim).await;
    for touched in [false, true] {
        if touched {
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
        }
        match world.admit(&ledger, &path).await {
            Verdict::Skip(skipped) if touched => assert_eq!(skipped.file, claim.file),
            Verdict::Ignore(_) if !touched => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(world.ask("select count(*) from ingestd.files").await, "(1)");
    }
    assert!(matches!(
        world.admit(&ledger, &path).await,
        Verdict::Ignore(_)
    ));
    let stored = world.ask("select state, verdict from ingestd.files").await;
    assert_eq!(stored, "(COMMITTED,\"same: skip\")");
    let stored = world.ask("select modified from ingestd.files").await;
    assert_eq!(stored, "(0)", "the next scan need not hash it");
}

#[tokio::test]
async fn a_copy_is_skipped_and_says_of_what() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    for (name, content) in [("a", "x\n1\n".to_owned()), ("b", "x\n".repeat(1 << 20))] {
        let first = world.write(&format!("{name}1.csv"), &content);
        let loaded = world.claim(&ledger, &first).await;
        let second = world.write(&format!("{name}2.csv"), &content);
        let early = world.admit(&ledger, &second).await;
        assert!(matches!(early, Verdict::Later { .. }), "{early:?}");
        world.load(&ledger, &loaded).await;
        let Verdict::Skip(skipped) = world.admit(&ledger, &second).await else {
            panic!("a copy is a duplicate");
        };
        assert!(skipped.reason.contains(&format!("file {} ", loaded.file.0)));
        assert!(skipped.reason.contains(first.to_str().unwrap()));
        assert_eq!(world.state(skipped.file.0).await, "SKIPPED");
        assert!(matches!(
            world.admit(&ledger, &second).await,
            Verdict::Ignore(_)
        ));
    }
}

#[tokio::test]
async fn ends_that_agree_are_not_enough_to_skip() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let mut content = "x\n".repeat(1 << 20);
    let first = world.write("a.csv", &content);
    let loaded = world.claim(&ledger, &first).await;
    world.load(&ledger, &loaded).await;
    content.replace_range((1 << 20)..(1 << 20) + 1, "y");
    let other = world.write("b.csv", &content);
    claim(world.admit(&ledger, &other).await);
}

#[tokio::test]
async fn files_without_records_are_no_duplicates() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    for content in ["", "x,y\n"] {
        for name in ["a", "b"] {
            let path = world.write(&format!("{name}{}.csv", content.len()), content);
            let claim = world.claim(&ledger, &path).await;
            let done = world.load(&ledger, &claim).await;
            assert!(matches!(done, Committed::Done { counts, .. } if counts.total() == 0));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_loaded_is_quarantined_once() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let bad = world.write("bad.csv", "bad\n1\n");
    let Verdict::Quarantine(quarantined) = world.admit(&ledger, &bad).await else {
        panic!("its header is bad");
    };
    assert!(quarantined.reason.contains("header"));
    assert_eq!(world.state(quarantined.file.0).await, "QUARANTINED");
    assert!(matches!(
        world.admit(&ledger, &bad).await,
        Verdict::Ignore(_)
    ));

    let directory = world.inbox.join("dir.csv");
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o700)).unwrap();
    let verdict = world.admit(&ledger, &directory).await;
    assert!(matches!(verdict, Verdict::Quarantine(_)), "{verdict:?}");
}

#[tokio::test]
async fn a_file_that_vanished_waits() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let path = world.write("a.csv", "x\n1\n");
    let candidate = candidate_at(&path).unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
    let verdict = ledger.admit(vec![candidate]).await.unwrap().remove(0);
    assert!(matches!(verdict, Verdict::Later { .. }));
}

#[tokio::test]
async fn a_named_file_gets_an_answer_and_may_be_loaded_again() {
    let world = World::new(false).await;
    let path = world.write("a.csv", "x\n1\n");
    let only = Some(vec![path.clone()]);
    let named = |again| LedgerOptions {
        again,
        only: only.clone(),
        ..LedgerOptions::default()
    };
    let first = world.ledger(named(false));
    first.resume().await.unwrap();
    let loaded = world.claim(&first, &path).await;
    world.load(&first, &loaded).await;
    // This life has given its answer.
    let once_more = world.admit(&first, &path).await;
    assert!(matches!(once_more, Verdict::Ignore(_)), "{once_more:?}");
    first.release().await.unwrap();

    let second = world.ledger(named(false));
    second.resume().await.unwrap();
    let Verdict::Skip(skipped) = world.admit(&second, &path).await else {
        panic!("it was loaded before");
    };
    assert!(skipped.reason.contains("loaded 20"), "{}", skipped.reason);
    second.release().await.unwrap();

    let again = world.ledger(named(true));
    again.resume().await.unwrap();
    let anew = world.claim(&again, &path).await;
    assert_ne!(anew.file, loaded.file);
    assert_eq!(anew.resume_at(), anew.base);
}

#[tokio::test]
async fn a_large_group_costs_a_handful_of_statements() {
    let world = World::new(false).await;
    let ledger = world.life().await;
    let mut candidates = Vec::new();
    for number in 0..256 {
        let path = world.write(&format!("{number}.csv"), format!("x\n{number}\n"));
        candidates.push(candidate_at(&path).unwrap().unwrap());
    }
    let verdicts = ledger.admit(candidates.clone()).await.unwrap();
    for (verdict, candidate) in verdicts.into_iter().zip(&candidates) {
        assert_eq!(&claim(verdict).candidate, candidate);
    }
    assert_eq!(world.ask("select count(*) from ingestd.plans").await, "(1)");
    assert_eq!(
        world.ask("select count(*) from ingestd.checkpoints").await,
        "(768)"
    );
    // Rows of one statement have one transaction and one command number.
    for table in ["files", "checkpoints"] {
        let query = format!("select count(distinct (xmin::text, cmin::text)) from ingestd.{table}");
        assert_eq!(world.ask(&query).await, "(1)", "{table}");
    }
}

/// Sixteen are asked about: where these were all done, it was loaded once more beside what was unfinished.
#[tokio::test]
async fn an_unfinished_file_goes_on_however_often_its_content_was_loaded_before() {
    let mut world = World::new(true).await;
    world.set(|pipeline| pipeline.redropped.renamed = OnReturn::Reload);
    let text = "x\n1\n2\n";
    for number in 0..17 {
        let (_, left) = world.load_and_leave(&format!("{number}.csv"), text).await;
        left.unwrap();
    }
    let ledger = world.life().await;
    let path = world.write("begun.csv", text);
    let begun = world.claim(&ledger, &path).await;
    let moved = world.inbox.join("moved.csv");
    std::fs::rename(&path, &moved).unwrap();
    let goes_on = world.claim(&ledger, &moved).await;
    assert_eq!(goes_on.file, begun.file);
    assert!(goes_on.epoch > begun.epoch);
}
