//! What ingestd itself does with each row, without a server: finding records, encoding them, and
//! building batches of them. Run `cargo bench --bench micro`, with a name's part to choose.
//!
//! The rows are those of the other benchmarks: 9 columns, a uuid for a key, 4 partitions.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ingestd::csv::{Scan, Scanner};
use ingestd::generate::{Generator, HEADER, Spec};
use ingestd::plan::{
    Column, Dialect, Fields, LoadPlan, Routing, TableName, ValueType, WriteMode, WriteRules,
};
use ingestd::postgres::claims::Claims;
use ingestd::postgres::fence::Move;
use ingestd::postgres::sink::choice::{Picks, Rules};
use ingestd::postgres::sink::copy_data::CopyData;
use ingestd::postgres::sink::selection::Selection;
use ingestd::row;
use ingestd::source::{Decoded, Decoder};
use ingestd_actors::flow::{LaneQueue, Limits};
use ingestd_actors::model::{Batch, Epoch, FileId, Plan, Position, Rows, Share};

const ROWS: u64 = 20_000;
/// As much as a reader gives to the decoder at once.
const BLOCK: usize = 256 << 10;
const PARTITIONS: u16 = 4;
const FILE: FileId = FileId(1);
const RULES: Rules = Rules {
    picks: Picks::Last,
    single: false,
};

/// The records of a file, without its header.
fn records() -> Vec<u8> {
    let spec = Spec {
        rows: ROWS,
        rows_per_file: ROWS,
        ..Spec::new(1)
    };
    let file = Generator::new(spec).expect("a spec that can be").file(1);
    file[HEADER.len() + 1..].to_vec()
}

fn plan() -> LoadPlan {
    let column = |name: &str| {
        let (value_type, type_name) = match name {
            "event_id" => (ValueType::Uuid, "uuid"),
            "event_time" => (ValueType::Timestamptz, "timestamp with time zone"),
            "price" => (ValueType::Numeric, "numeric"),
            "quantity" => (ValueType::Int4, "integer"),
            _ => (ValueType::Text, "text"),
        };
        Column::new(name, value_type, type_name)
    };
    LoadPlan {
        version: 1,
        partitions: PARTITIONS,
        routing: Routing::Key,
        dialect: Dialect::default(),
        table: TableName {
            schema: None,
            name: "raw_events".into(),
        },
        columns: HEADER.split(',').map(column).collect(),
        fields: Fields::default(),
        filters: Vec::new(),
        key: vec!["event_id".into()],
        mode: WriteMode::Upsert,
        rules: WriteRules::default(),
        all_or_nothing: false,
    }
}

fn decoder() -> Decoder {
    let header: Vec<String> = HEADER.split(',').map(str::to_owned).collect();
    Decoder::new(&plan(), &header).expect("the plan fits the header")
}

/// All chunks of the file.
fn decode(records: &[u8], decoder: &mut Decoder, mut each: impl FnMut(Decoded)) {
    // Offsets count from the file's start.
    let mut at = Position {
        offset: HEADER.len() as u64 + 1,
        ..Position::START
    };
    let first = at.offset;
    while at.offset - first < records.len() as u64 {
        let rest = &records[(at.offset - first) as usize..];
        let block = &rest[..rest.len().min(BLOCK)];
        let decoded = decoder.decode(block, at, block.len() == rest.len());
        assert!(decoded.to > at && decoded.rejects.is_empty() && decoded.pending.is_empty());
        at = decoded.to;
        each(decoded);
    }
    assert_eq!(at.record, ROWS);
}

fn scanning(criterion: &mut Criterion) {
    let records = records();
    let scanner = Scanner::new(&Dialect::default());
    let mut fields = Vec::new();
    let mut group = criterion.benchmark_group("scan");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("records", |bencher| {
        bencher.iter(|| {
            let (mut at, mut found) = (0, 0);
            while let Scan::Record(record) = scanner.scan(&records, at, true, &mut fields) {
                at = record.next;
                found += black_box(&fields).len();
            }
            assert_eq!((at, found), (records.len(), 9 * ROWS as usize));
        });
    });
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let mut out = Vec::with_capacity(1 << 10);
    for (name, value_type, text) in [
        (
            "uuid",
            ValueType::Uuid,
            "d4993d56-a5f4-4fb6-ae50-248da2b40473",
        ),
        (
            "timestamptz",
            ValueType::Timestamptz,
            "2025-01-01T00:00:01.926723+00:00",
        ),
        ("numeric", ValueType::Numeric, "422.27"),
        ("integer", ValueType::Int4, "1234567"),
        ("double", ValueType::Float8, "1234.5678"),
        ("text", ValueType::Text, "Electronics"),
    ] {
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                row::encode(value_type, black_box(text).as_bytes(), &mut out)
            });
        });
    }
}

fn decoding(criterion: &mut Criterion) {
    let records = records();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("chunks", |bencher| {
        let mut decoder = decoder();
        bencher.iter(|| decode(&records, &mut decoder, |decoded| drop(black_box(decoded))));
    });
}

/// The pieces of each lane, with the position that each one ends at.
fn pieces() -> Vec<(u16, Position, Arc<Rows>)> {
    let mut pieces = Vec::new();
    decode(&records(), &mut decoder(), |decoded| {
        let to = decoded.to;
        let lanes = decoded.partitions.into_iter();
        pieces.extend(lanes.map(|(lane, rows)| (lane, to, Arc::new(rows))));
    });
    pieces
}

/// Queues all pieces, and takes them out as batches.
fn batches(pieces: Vec<(u16, Position, Arc<Rows>)>) -> Vec<Batch> {
    let mut lanes: Vec<LaneQueue<Arc<Rows>>> = Vec::new();
    lanes.resize_with(PARTITIONS.into(), LaneQueue::default);
    for lane in &mut lanes {
        lane.open(FILE, Epoch(1), Position::START);
    }
    for (lane, to, rows) in pieces {
        lanes[usize::from(lane)].push(FILE, to, rows.len(), rows.bytes(), rows);
    }
    let plan = Arc::new(Plan {
        id: 1,
        partitions: PARTITIONS,
        definition: String::new(),
        all_or_nothing: false,
    });
    let limits = Limits {
        rows: 50_000,
        bytes: 8 << 20,
    };
    let mut batches = Vec::new();
    for (partition, lane) in (0..).zip(&mut lanes) {
        while let Some(taken) = lane.take(limits) {
            let shares = taken.shares.into_iter().map(|share| Share {
                file: share.file,
                epoch: share.epoch,
                from: share.from,
                to: share.to,
                rows: share.payloads,
                room: None,
            });
            batches.push(Batch {
                partition,
                plan: Arc::clone(&plan),
                shares: shares.collect(),
            });
        }
    }
    batches
}

/// A batch to the messages of its COPY: duplicates are looked for, and rows side by side joined.
fn copy_messages(batch: &Batch) -> usize {
    let moves = batch.shares.iter().map(|share| Move {
        file: share.file,
        epoch: share.epoch,
        from: share.from,
        to: share.to,
    });
    let claims = Claims::new(moves).expect("one file");
    let selection = Selection::new(batch, &claims, RULES);
    CopyData::new(selection.spans(selection.kept()))
        .map(|message| message.len())
        .sum()
}

fn batching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(ROWS));
    let pieces = pieces();
    group.bench_function("queue", |bencher| {
        bencher.iter_batched(|| pieces.clone(), batches, BatchSize::SmallInput);
    });
    let batches = batches(pieces);
    group.bench_function("copy messages", |bencher| {
        bencher.iter(|| batches.iter().map(copy_messages).sum::<usize>());
    });
}

criterion_group!(benches, scanning, encoding, decoding, batching);
criterion_main!(benches);
