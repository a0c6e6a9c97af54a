//! Files that change, or fail, while they are read.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use ingestd_actors::model::Plan;
use tempfile::TempDir;

use super::*;
use crate::csv::read_header;
use crate::plan::{Column, Dialect, LoadPlan, Routing, TableName, ValueType, WriteMode};

fn plan() -> LoadPlan {
    LoadPlan {
        version: 1,
        partitions: 1,
        routing: Routing::Single,
        dialect: Dialect::default(),
        table: TableName {
            schema: None,
            name: "t".into(),
        },
        columns: vec![Column {
            name: "id".into(),
            field: "id".into(),
            value_type: ValueType::Int8,
            type_name: "bigint".into(),
            required: true,
            trim: false,
            case: None,
            allowed: Vec::new(),
            minimum: None,
            maximum: None,
            finite: false,
            labels: Vec::new(),
            characters: None,
        }],
        key: Vec::new(),
        mode: WriteMode::Append,
    }
}

/// A file of so many records, 8 bytes each, as it is opened.
fn file_of(records: u64) -> (TempDir, PathBuf, Reading) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.csv");
    fs::write(&path, content(1, records)).expect("written");
    let file = File::open(&path).expect("opened");
    let plan = plan();
    let header = read_header(b"id\n", true, &plan.dialect).expect("one");
    let header = header.expect("a whole one");
    let claim = Claim {
        file: FileId(1),
        candidate: candidate_of(path.clone(), &file.metadata().expect("metadata")),
        epoch: Epoch(1),
        plan: Arc::new(Plan {
            id: 1,
            partitions: 1,
            definition: String::new(),
        }),
        base: Position::START,
        checkpoints: Vec::new(),
        watermark: Position::START,
        hash_mark: None,
    };
    let hasher = hash_prefix(&file, header.end.offset).expect("the header");
    let decoder = Decoder::new(&plan, &header.names).expect("a decoder");
    let reading = Reading::new(&claim, decoder, hasher, header.end, Arc::new(file));
    (directory, path, reading)
}

fn content(first: u64, records: u64) -> String {
    let lines = (first..first + records).map(|id| format!("{id:07}\n"));
    std::iter::once("id\n".to_owned()).chain(lines).collect()
}

/// Reads on to the end: how many rows there were, and the end.
fn read_all(reading: &mut Reading) -> Result<(usize, FileEnd)> {
    let mut rows = 0;
    loop {
        match reading.step()? {
            Step::Decoded(decoded) => {
                rows += decoded
                    .partitions
                    .iter()
                    .map(|(_, rows)| rows.len())
                    .sum::<usize>();
            }
            Step::End(end) => return Ok((rows, end)),
        }
    }
}

#[test]
fn a_read_that_fails_half_way_loses_no_record() {
    let (_directory, path, mut reading) = file_of(10_000);
    let file = File::open(&path).expect("opened");
    let reads = Cell::new(0);
    let failing = |buffer: &mut [u8], offset| {
        reads.set(reads.get() + 1);
        match reads.get() {
            1 => file.read_at(&mut buffer[..1001], offset),
            _ => Err(io::ErrorKind::TimedOut.into()),
        }
    };
    let Err(error) = reading.step_by(failing) else {
        panic!("the second read fails")
    };
    assert_eq!(error.kind(), ErrorKind::Transient);
    let (rows, end) = read_all(&mut reading).expect("read on");
    assert_eq!((rows, end.end.record), (10_000, 10_000));
}

#[test]
fn a_file_that_is_written_anew_while_it_is_read_is_no_mixture() {
    for rewritten in [content(500_000, 100_000), content(500_000, 40_000)] {
        let (_directory, path, mut reading) = file_of(100_000);
        assert!(matches!(reading.step(), Ok(Step::Decoded(_))));
        fs::write(&path, rewritten).expect("written");
        let error = read_all(&mut reading).expect_err("a mixture");
        assert_eq!(error.kind(), ErrorKind::File);
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_whole() {
    let (_directory, path, mut reading) = file_of(100_000);
    assert!(matches!(reading.step(), Ok(Step::Decoded(_))));
    fs::write(&path, content(1, 200_000)).expect("written");
    let (_, end) = read_all(&mut reading).expect("read");
    assert_eq!(end.end.record, 200_000);
}

#[test]
fn no_chunk_is_larger_than_a_batch() {
    let (_directory, _path, mut reading) = file_of(100_000);
    reading.decoder = reading.decoder.with_most_records(7_000);
    let mut rows = 0;
    loop {
        match reading.step().expect("read") {
            Step::Decoded(decoded) => {
                assert_eq!(decoded.from.record, rows, "chunks follow each other");
                assert!(decoded.to.record - rows <= 7_000);
                rows = decoded.to.record;
            }
            Step::End(end) => {
                assert_eq!((rows, end.end.record), (100_000, 100_000));
                return;
            }
        }
    }
}
