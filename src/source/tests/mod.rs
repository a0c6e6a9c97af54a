//! What comes out of whole files: a plan, a server and a reader for the tests.

mod against_copy;
mod cases;
mod dialects;
mod kinds;
mod mapping;
mod properties;
mod rules;

use ingestd_actors::model::{DeadLetter, Position, Reason};

use super::*;
use crate::plan::{
    Case, Column, ColumnSource, Dialect, Fields, LoadPlan, Routing, TableName, ValueType,
    WriteMode, WriteRules,
};
use crate::row::{Answers, Question, Refusal};

fn column(name: &str, value_type: ValueType, type_name: &str) -> Column {
    Column::new(name, value_type, type_name)
}

/// id int (key), kind text (lower case, two values), price numeric (at least 0), at timestamptz.
fn plan() -> LoadPlan {
    let mut id = column("id", ValueType::Int4, "integer");
    id.required = true;
    let mut kind = column("kind", ValueType::Text, "text");
    kind.trim = true;
    kind.case = Some(Case::Lower);
    kind.allowed = vec!["view".into(), "buy".into()];
    let mut price = column("price", ValueType::Numeric, "numeric");
    price.minimum = Some("0".into());
    let mut at = column("at", ValueType::Timestamptz, "timestamp with time zone");
    at.finite = true;
    LoadPlan {
        version: 1,
        partitions: 3,
        routing: Routing::Key,
        dialect: Dialect {
            max_record: 40,
            ..Dialect::default()
        },
        table: TableName {
            schema: None,
            name: "t".into(),
        },
        columns: vec![id, kind, price, at],
        fields: Fields::default(),
        filters: Vec::new(),
        key: vec!["id".into()],
        mode: WriteMode::Upsert,
        rules: WriteRules::default(),
        all_or_nothing: false,
    }
}

fn one_column_plan(value_type: ValueType, type_name: &str) -> LoadPlan {
    LoadPlan {
        columns: vec![column("c", value_type, type_name)],
        key: Vec::new(),
        routing: Routing::Blocks,
        ..plan()
    }
}

/// Text columns `a`, `b`, …, without a key, in one partition.
fn text_plan(columns: usize, dialect: Dialect) -> LoadPlan {
    let names = (b'a'..)
        .take(columns)
        .map(|name| char::from(name).to_string());
    LoadPlan {
        columns: names
            .map(|name| column(&name, ValueType::Text, "text"))
            .collect(),
        key: Vec::new(),
        routing: Routing::Single,
        partitions: 1,
        dialect,
        ..plan()
    }
}

/// The values of a row of text columns.
fn texts(row: &Row) -> Vec<Option<String>> {
    let mut texts = Vec::new();
    let mut rest = &row.tuple[2..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        let (text, after) = after.split_at(length.max(0) as usize);
        let text = String::from_utf8(text.to_vec()).expect("a text is UTF-8");
        texts.push((length >= 0).then_some(text));
        rest = after;
    }
    texts
}

fn header(plan: &LoadPlan) -> Vec<String> {
    plan.columns.iter().map(|c| c.field.clone()).collect()
}

fn decoder(plan: &LoadPlan) -> Decoder {
    Decoder::new(plan, &header(plan)).expect("the plan fits its own header")
}

/// A row as it is seen from outside, with its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    partition: u16,
    record: u64,
    line: u64,
    offset: u64,
    raw: Vec<u8>,
    tuple: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Debug, Default)]
struct Outcome {
    rows: Vec<Row>,
    rejects: Vec<DeadLetter>,
    filtered: Vec<u64>,
    positions: Vec<Position>,
}

/// A server that knows `0x…` as an integer, `epoch` as a time, and refuses the rest.
fn ask(question: &Question) -> Answers {
    let mut answers = Answers::default();
    for index in 0..question.len() {
        match (question.type_name.as_str(), question.text(index)) {
            ("integer", text) if text.starts_with("0x") => {
                let value = u32::from_str_radix(&text[2..], 16).expect("tests write hexadecimal");
                answers.push(&value.to_be_bytes());
            }
            ("timestamp with time zone", "epoch") => {
                answers.push(&(-946_684_800_000_000i64).to_be_bytes());
            }
            (type_name, _) => answers.refuse(Refusal {
                sqlstate: "22P02".into(),
                message: format!("invalid input syntax for type {type_name}"),
            }),
        }
    }
    answers
}

/// The texts of a question.
fn asked(question: &Question) -> Vec<String> {
    let texts = (0..question.len()).map(|index| question.text(index));
    texts.map(str::to_owned).collect()
}

/// Feeds a file from a position on, as a reader does: `step` bytes more whenever it must.
fn feed(plan: &LoadPlan, file: &[u8], start: Position, step: usize) -> Outcome {
    let mut decoder = decoder(plan);
    let mut outcome = Outcome::default();
    let (mut at, mut from) = (start, start.offset as usize);
    let mut filled = from;
    loop {
        filled = (filled + step).min(file.len());
        let eof = filled == file.len();
        let bytes = &file[from..filled];
        let mut decoded = decoder.decode(bytes, at, eof);
        let answers: Vec<_> = decoded.pending.questions().iter().map(ask).collect();
        decoder
            .complete(&mut decoded, &answers)
            .expect("every question is answered");
        assert_eq!(decoded.from, at);
        let mut rows = rows_of(&decoded);
        rows.sort_by_key(|row| row.record);
        outcome.rows.extend(rows);
        outcome.rejects.extend(decoded.rejects);
        outcome.filtered.extend(decoded.filtered.records());
        at = decoded.to;
        outcome.positions.push(at);
        from = decoded.next_offset as usize;
        if eof {
            assert_eq!(from, file.len(), "the file is read to its end");
            assert_eq!(at.offset as usize, file.len());
            return outcome;
        }
    }
}

fn rows_of(decoded: &Decoded) -> Vec<Row> {
    let mut seen = Vec::new();
    for (partition, rows) in &decoded.partitions {
        assert!(!rows.is_empty());
        assert!(rows.index.is_sorted_by(|a, b| a.record < b.record));
        for row in &rows.index {
            seen.push(Row {
                partition: *partition,
                record: row.record,
                line: row.line,
                offset: row.offset,
                raw: rows.raw_of(row).to_vec(),
                tuple: rows.data_of(row).to_vec(),
                key: rows.key_of(row).to_vec(),
            });
        }
    }
    seen
}

fn whole(plan: &LoadPlan, file: &[u8]) -> Outcome {
    feed(plan, file, Position::START, file.len() + 1)
}

fn reasons(outcome: &Outcome) -> Vec<(u64, u64, Reason, Option<&str>)> {
    let letters = outcome.rejects.iter();
    letters
        .map(|l| (l.record, l.line, l.reason, l.column.as_deref()))
        .collect()
}
