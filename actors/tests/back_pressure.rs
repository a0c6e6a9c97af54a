use std::time::Duration;

use ingestd_actors::testing::{Fault, Hold, Life, Setting, Step, TestFile, World};

use crate::{check_all_loaded, put_all, run};

#[test]
fn the_reader_stops_while_too_much_is_in_flight() {
    run(async {
        let world = World::new(2);
        let files = [TestFile::rows(0, 3_000)];
        put_all(&world, &files);
        let hold = Hold::default();
        world.fail(Step::SinkWrite, 2, Fault::Hold(hold.clone()));
        let setting = Setting {
            memory: 2_000,
            ..Setting::default()
        };
        let _life = Life::start(&world, setting);
        tokio::time::sleep(Duration::from_secs(60)).await;
        // A row takes 16 bytes of data, 8 of key, 10 raw and its index.
        let read = world.state().chunks_read;
        assert!((2..=20).contains(&read), "{read} chunks for 2000 bytes");
        hold.release();
        check_all_loaded(&world, &files).await;
    });
}

#[test]
fn a_chunk_larger_than_the_memory_gets_through_alone() {
    run(async {
        let world = World::new(3);
        let mut file = TestFile::rows(0, 500);
        file.chunk = 100;
        put_all(&world, std::slice::from_ref(&file));
        let setting = Setting {
            memory: 1,
            ..Setting::default()
        };
        let _life = Life::start(&world, setting);
        check_all_loaded(&world, &[file]).await;
    });
}

/// Each holds an open file, so that many small files must not outrun their commits.
#[test]
fn the_number_of_files_between_opening_and_leaving_is_bounded() {
    for step in [Step::Commit, Step::Archive] {
        run(async {
            let world = World::new(1);
            let files: Vec<TestFile> = (0..600).map(|file| TestFile::rows(file, 1)).collect();
            put_all(&world, &files);
            let hold = Hold::default();
            world.fail(step, u64::MAX, Fault::Hold(hold.clone()));
            let _life = Life::start(&world, Setting::default());
            tokio::time::sleep(Duration::from_secs(60)).await;
            let opened = world.state().called(Step::SourceOpen);
            assert!((100..=300).contains(&opened), "{opened} files are open");
            hold.release();
            check_all_loaded(&world, &files).await;
        });
    }
}

#[test]
fn records_that_are_held_back_for_a_judgement_are_bounded_in_bytes() {
    use ingestd_actors::flow::{Judgement, Opening};
    use ingestd_actors::model::{Chunk, DeadLetter, Epoch, FileId, Filtered, Position, Reason};
    let letter = DeadLetter {
        record: 1,
        line: 1,
        offset: 0,
        length: 1 << 20,
        raw: vec![b'x'; 1 << 20].into(),
        column: None,
        reason: Reason::RecordTooLarge,
        message: String::new(),
        sqlstate: None,
    };
    let mut opening = Opening::new();
    let large = (0..900).position(|record| {
        let chunk = Chunk {
            file: FileId(1),
            epoch: Epoch(1),
            from: Position {
                record,
                ..Position::START
            },
            to: Position {
                record: record + 1,
                ..Position::START
            },
            partitions: Vec::new(),
            rejects: vec![letter.clone()],
            filtered: Filtered::default(),
            hash_mark: None,
        };
        opening.judge(&chunk) == Judgement::Accept
    });
    assert!(large.is_some_and(|chunks| chunks < 32), "{large:?}");
}
