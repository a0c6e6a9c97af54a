//! Any file under a plan with columns of many types: every tuple is one of PostgreSQL's binary COPY
//! format with the plan's columns, each value can be one of its type, each record is a row or a dead
//! letter, and reading can go on at any position. The first byte is the dialect, the second the steps.

#![no_main]

use ingestd::plan::{
    Column, Fields, LoadPlan, Routing, TableName, ValueType, WriteMode, WriteRules,
};
use ingestd::row::{Answers, Question, Refusal, is_well_formed};
use ingestd::source::Decoder;
use ingestd_actors::model::Position;
use ingestd_fuzz::dialects::dialect;
use libfuzzer_sys::fuzz_target;

const COLUMNS: [(&str, ValueType, &str); 8] = [
    ("id", ValueType::Int4, "integer"),
    ("price", ValueType::Numeric, "numeric"),
    ("at", ValueType::Timestamptz, "timestamp with time zone"),
    ("on", ValueType::Date, "date"),
    ("ok", ValueType::Bool, "boolean"),
    ("ratio", ValueType::Float8, "double precision"),
    ("body", ValueType::Jsonb, "jsonb"),
    ("note", ValueType::Text, "text"),
];

/// A row or a dead letter, by the number of its record.
type Seen = (u64, Result<(u16, Vec<u8>), String>);

fuzz_target!(|data: &[u8]| {
    let &[form, step, ref file @ ..] = data else {
        return;
    };
    let plan = plan(form);
    let (whole, positions) = read(&plan, file, Position::START, file.len() + 1);
    let records: Vec<u64> = whole.iter().map(|(record, _)| *record).collect();
    let numbered: Vec<u64> = (1..=whole.len() as u64).collect();
    assert_eq!(records, numbered, "each record once");
    let end = positions.last().expect("the file was read");
    assert_eq!(
        (end.offset, end.record),
        (file.len() as u64, whole.len() as u64)
    );

    let (fed, positions) = read(&plan, file, Position::START, usize::from(step) + 1);
    assert_eq!(fed, whole, "the size of the steps");
    for position in positions.iter().take(16) {
        let (rest, _) = read(&plan, file, *position, file.len() + 1);
        assert_eq!(
            rest[..],
            whole[position.record as usize..],
            "going on at {position:?}"
        );
    }
});

fn plan(form: u8) -> LoadPlan {
    let column = |(name, value_type, type_name): &(&str, ValueType, &str)| {
        Column::new(*name, *value_type, *type_name)
    };
    LoadPlan {
        version: 1,
        partitions: 3,
        routing: Routing::Key,
        dialect: dialect(form),
        table: TableName {
            schema: None,
            name: "t".into(),
        },
        columns: COLUMNS.iter().map(column).collect(),
        fields: Fields::default(),
        filters: Vec::new(),
        key: vec!["id".into()],
        mode: WriteMode::Upsert,
        rules: WriteRules::default(),
        all_or_nothing: false,
    }
}

/// Reads a file from a position on, against a server that refuses whatever it is asked.
fn read(plan: &LoadPlan, file: &[u8], start: Position, step: usize) -> (Vec<Seen>, Vec<Position>) {
    let header: Vec<String> = COLUMNS
        .iter()
        .map(|(name, ..)| (*name).to_owned())
        .collect();
    let mut decoder = Decoder::new(plan, &header).expect("the plan fits its own header");
    let (mut seen, mut positions) = (Vec::new(), Vec::new());
    let (mut at, mut from) = (start, start.offset as usize);
    let mut filled = from;
    loop {
        filled = (filled + step).min(file.len());
        let eof = filled == file.len();
        let mut decoded = decoder.decode(&file[from..filled], at, eof);
        let answers: Vec<Answers> = decoded.pending.questions().iter().map(refuse).collect();
        decoder
            .complete(&mut decoded, &answers)
            .expect("every question is answered");
        for (partition, rows) in &decoded.partitions {
            for row in &rows.index {
                let tuple = rows.data_of(row);
                check(tuple);
                seen.push((row.record, Ok((*partition, tuple.to_vec()))));
            }
        }
        let letters = decoded.rejects.iter();
        seen.extend(letters.map(|letter| (letter.record, Err(format!("{letter:?}")))));
        (at, from) = (decoded.to, decoded.next_offset as usize);
        positions.push(at);
        if eof {
            seen.sort_by_key(|(record, _)| *record);
            return (seen, positions);
        }
    }
}

fn refuse(question: &Question) -> Answers {
    let mut answers = Answers::default();
    for _ in 0..question.len() {
        answers.refuse(Refusal {
            sqlstate: "22P02".into(),
            message: "no".into(),
        });
    }
    answers
}

/// A tuple: the number of fields, and each with its length.
/// <https://www.postgresql.org/docs/current/sql-copy.html>, "Tuples".
fn check(tuple: &[u8]) {
    let (count, mut rest) = tuple.split_first_chunk::<2>().expect("a number of fields");
    assert_eq!(usize::from(u16::from_be_bytes(*count)), COLUMNS.len());
    for (name, value_type, _) in COLUMNS {
        let (length, after) = rest.split_first_chunk::<4>().expect("a length");
        let length = i32::from_be_bytes(*length);
        assert!(length >= -1, "{name}: a length of {length}");
        let (value, after) = after.split_at(length.max(0) as usize);
        assert!(
            length < 0 || is_well_formed(value_type, value),
            "{name}: {value:?}"
        );
        rest = after;
    }
    assert!(rest.is_empty(), "bytes after the last field");
}
