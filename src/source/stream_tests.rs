//! Files that change, or fail, while they are read.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::model::Plan;
use tempfile::TempDir;

use super::*;
use crate::csv::HeaderSearch;
use crate::plan::{
    Column, Dialect, Fields, LoadPlan, Routing, TableName, ValueType, WriteMode, WriteRules,
};
use crate::source::input::input_at;

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
            required: true,
            ..Column::new("id", ValueType::Int8, "bigint")
        }],
        fields: Fields::default(),
        filters: Vec::new(),
        key: Vec::new(),
        mode: WriteMode::Append,
        rules: WriteRules::default(),
        all_or_nothing: false,
    }
}

/// A file of so many records, 8 bytes each, as it is opened.
fn file_of(records: u64) -> (TempDir, PathBuf, Reading) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.csv");
    fs::write(&path, content(1, records)).expect("written");
    let reading = opened_at(&path, None, None);
    (directory, path, reading)
}

/// A file as it is opened, or opened again where an earlier life has ended.
fn opened_at(path: &Path, at: Option<Position>, mark: Option<HashMark>) -> Reading {
    let file = File::open(path).expect("opened");
    let plan = plan();
    let header = HeaderSearch::new(&plan.dialect).look(&mut b"id\n".to_vec(), true);
    let header = header.expect("one");
    let header = header.expect("a whole one");
    let at = at.unwrap_or(header.end);
    let claim = Claim {
        file: FileId(1),
        candidate: candidate_of(path.to_owned(), &file.metadata().expect("metadata")),
        ends: None,
        epoch: Epoch(1),
        plan: Arc::new(Plan {
            id: 1,
            partitions: 1,
            definition: String::new(),
            all_or_nothing: false,
        }),
        base: Position::START,
        checkpoints: Vec::new(),
        watermark: Position::START,
        hash_mark: None,
        rejected: 0,
    };
    let input = input_at(&file, &plan.dialect, at, mark).expect("the part before");
    let decoder = Decoder::new(&plan, &header.names).expect("a decoder");
    Reading::new(&claim, decoder, input, at, Arc::new(file))
}

fn content(first: u64, records: u64) -> String {
    let lines = (first..first + records).map(|id| format!("{id:07}\n"));
    std::iter::once("id\n".to_owned()).chain(lines).collect()
}

/// Reads on to the end: how many rows there were, and the end.
fn read_all(reading: &mut Reading) -> Result<(usize, FileEnd)> {
    let mut rows = 0;
    loop {
        match reading.step(&Pulse::default())? {
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
        assert!(matches!(
            reading.step(&Pulse::default()),
            Ok(Step::Decoded(_))
        ));
        fs::write(&path, rewritten).expect("written");
        let error = read_all(&mut reading).expect_err("a mixture");
        assert_eq!(error.kind(), ErrorKind::File);
    }
}

#[test]
fn a_file_that_grows_while_it_is_read_is_whole() {
    let (_directory, path, mut reading) = file_of(100_000);
    assert!(matches!(
        reading.step(&Pulse::default()),
        Ok(Step::Decoded(_))
    ));
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
        match reading.step(&Pulse::default()).expect("read") {
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

/// A gzip file that is no shorter than its text, so that its hash has a block behind it.
fn gzipped(records: u64) -> Vec<u8> {
    let level = flate2::Compression::none();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    let content = content(1, records);
    encoder.write_all(content.as_bytes()).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn a_compressed_file_is_read_on_from_any_chunk_to_the_same_end() {
    const RECORDS: u64 = 1_200_000;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.csv.gz");
    fs::write(&path, gzipped(RECORDS)).expect("written");
    let mut reading = opened_at(&path, None, None);
    let mut chunks = Vec::new();
    let whole = loop {
        match reading.step(&Pulse::default()).expect("read") {
            Step::Decoded(decoded) => {
                let chunk = reading.chunk(decoded);
                chunks.push((chunk.to, chunk.hash_mark));
            }
            Step::End(end) => break end,
        }
    };
    let text = content(1, RECORDS).len() as u64;
    assert_eq!((whole.end.record, whole.end.offset), (RECORDS, text));
    assert_eq!(whole.text, text);
    assert_eq!(whole.size, fs::metadata(&path).expect("there").len());
    assert_ne!(whole.size, whole.text);
    let (last, mark) = chunks.last().expect("chunks");
    assert_eq!(*last, whole.end);
    assert_eq!(mark.map(|mark| mark.offset), Some(8 << 20));

    for (at, mark) in chunks.iter().step_by(13).chain(chunks.last()) {
        // What was read of the file up to a position includes what its mark stands for.
        assert!(mark.is_none_or(|mark| mark.offset < at.offset + (1 << 20)));
        let mut reading = opened_at(&path, Some(*at), *mark);
        let (rows, end) = read_all(&mut reading).expect("read on");
        assert_eq!(rows as u64, RECORDS - at.record);
        assert_eq!(end.end, whole.end);
        assert_eq!((end.text, end.size), (whole.text, whole.size));
        assert_eq!(end.content_hash, whole.content_hash);
    }
}

#[test]
fn an_archive_that_is_cut_short_ends_in_an_error_of_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.csv.gz");
    let whole = gzipped(100_000);
    fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    let mut reading = opened_at(&path, None, None);
    assert!(matches!(
        reading.step(&Pulse::default()),
        Ok(Step::Decoded(_))
    ));
    let error = read_all(&mut reading).expect_err("it is cut short");
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.message().contains("it was cut short"), "{error}");
}
