use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, TestRecord, World};

use crate::{check_all_loaded, put_all, run};

/// A transaction of an old life goes on after the next one has taken over.
fn fenced(step: Step, released_at_once: bool) {
    run(async {
        let world = World::new(2);
        let mut files = vec![TestFile::rows(0, 20), TestFile::rows(4, 20)];
        files[0].records[1] = TestRecord::Malformed;
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail(step, 1, Fault::Hold(hold.clone()));
        world.fail_after(Step::SourceNext, 5, 1, Fault::Panic);
        let _life = Life::start(&world, Setting::default());
        world.until_called(Step::Resume, 2).await;
        if released_at_once {
            hold.release();
        }
        check_all_loaded(&world, &files).await;
        hold.release();
        tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        world.state().check_loaded(&files);
    });
}

#[test]
fn an_old_batch_is_fenced_before_and_after_the_new_life_has_written() {
    fenced(Step::SinkWrite, true);
    fenced(Step::SinkWrite, false);
}

#[test]
fn old_dead_letters_are_fenced_before_and_after_the_new_life_has_written() {
    fenced(Step::StoreRejects, true);
    fenced(Step::StoreRejects, false);
}

#[test]
fn an_old_writer_of_the_same_life_commits_and_the_next_one_trims() {
    run(async {
        let world = World::new(1);
        let files = [TestFile::rows(0, 20)];
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail(Step::SinkWrite, 1, Fault::Hold(hold.clone()));
        let life = Life::start(&world, Setting::default());
        world.until_called(Step::SinkWrite, 1).await;
        drop(life);
        // The old transaction commits before the next life claims: what it wrote is trimmed.
        hold.release();
        world
            .until("the old life's rows", |state| !state.rows.is_empty())
            .await;
        let _life = Life::start(&world, Setting::default());
        check_all_loaded(&world, &files).await;
    });
}
