//! The rules of columns, in a row with others.

use ingestd_actors::model::{Position, Reason};

use super::super::*;
use super::*;
use crate::plan::ValueRules;

/// A column, and a text in upper case that is a value of its type in lower case too.
const TYPES: [(ValueType, &str, &str); 14] = [
    (ValueType::Int2, "smallint", "5"),
    (ValueType::Int4, "integer", "5"),
    (ValueType::Int8, "bigint", "5"),
    (ValueType::Float4, "real", "1E3"),
    (ValueType::Float8, "double precision", "NAN"),
    (ValueType::Numeric, "numeric", "1.50"),
    (ValueType::Bool, "boolean", "YES"),
    (ValueType::Text, "text", "ÄB"),
    (ValueType::Bpchar, "character", "AB"),
    (
        ValueType::Uuid,
        "uuid",
        "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    ),
    (ValueType::Date, "date", "INFINITY"),
    (
        ValueType::Timestamp,
        "timestamp without time zone",
        "-INFINITY",
    ),
    (
        ValueType::Timestamptz,
        "timestamp with time zone",
        "2024-01-01 10:00 UTC",
    ),
    (ValueType::Other, "inet", "::AB"),
];

#[test]
fn checks_of_the_text_are_the_same_for_every_type() {
    for (value_type, type_name, text) in TYPES {
        let mut plan = one_column_plan(value_type, type_name);
        plan.dialect.max_record = 1_000;
        let lower = text.to_lowercase();
        plan.columns[0] = Column {
            required: true,
            trim: true,
            case: Some(Case::Lower),
            allowed: vec![lower.clone(), "x".into(), "yy".into()],
            rules: ValueRules {
                max_length: Some(lower.chars().count().max(2) as u64),
                pattern: Some(".*".into()),
                ..ValueRules::default()
            },
            ..plan.columns[0].clone()
        };
        let file = format!(" {text} \n\n \n{text}{text}{text}\nz\n");
        let mut decoder = decoder(&plan);
        let mut decoded = decoder.decode(file.as_bytes(), Position::START, true);
        let asked: Vec<String> = decoded.pending.questions().iter().flat_map(asked).collect();
        let known = value_type != ValueType::Other;
        assert_eq!(
            asked,
            if known { vec![] } else { vec![lower] },
            "{type_name}"
        );
        let any = |_: &String| {
            let mut answers = Answers::default();
            answers.push(b"any");
            answers
        };
        let answers: Vec<Answers> = asked.iter().map(any).collect();
        decoder.complete(&mut decoded, &answers).unwrap();
        assert_eq!(rows_of(&decoded).len(), 1, "{type_name}");
        let rejects = decoded.rejects.iter();
        let reasons: Vec<_> = rejects.map(|l| (l.record, l.reason)).collect();
        let expected = [
            (2, Reason::MissingValue),
            (3, Reason::MissingValue),
            (4, Reason::TooLong),
            (5, Reason::NotAllowed),
        ];
        assert_eq!(reasons, expected, "{type_name}");
    }
}

#[test]
fn null_breaks_no_rule() {
    let mut plan = one_column_plan(ValueType::Text, "text");
    plan.columns[0].trim = true;
    plan.columns[0].allowed = vec!["a".into()];
    plan.columns[0].rules = ValueRules {
        pattern: Some("a".into()),
        max_length: Some(1),
        ..ValueRules::default()
    };
    let outcome = whole(&plan, b"a\n\n  \n\"\"\nb\n");
    let records: Vec<u64> = outcome.rows.iter().map(|row| row.record).collect();
    assert_eq!(records, [1, 2, 3]);
    let expected = [
        (4, 4, Reason::PatternMismatch, Some("c")),
        (5, 5, Reason::PatternMismatch, Some("c")),
    ];
    assert_eq!(reasons(&outcome), expected);
}

#[test]
fn questions_name_the_zone_of_their_column() {
    let type_name = "timestamp with time zone";
    let mut plan = one_column_plan(ValueType::Timestamptz, type_name);
    let zoned = |name: &str, format: Option<&str>, zone: Option<&str>| Column {
        rules: ValueRules {
            format: format.map(str::to_owned),
            time_zone: zone.map(str::to_owned),
            ..ValueRules::default()
        },
        ..column(name, ValueType::Timestamptz, type_name)
    };
    plan.dialect.max_record = 1_000;
    plan.columns = vec![
        zoned("a", None, None),
        zoned("b", None, Some("Europe/Berlin")),
        zoned("c", Some("%d.%m.%Y"), Some("Europe/Berlin")),
        zoned("d", None, Some("Asia/Tokyo")),
    ];
    let file = b"noon,noon,01.07.2024,2024-07-01\n";
    let mut decoder = decoder(&plan);
    let names: Vec<String> = decoder
        .zones()
        .iter()
        .map(|z| z.name().to_owned())
        .collect();
    assert_eq!(names, ["Europe/Berlin", "Asia/Tokyo"]);
    let questions = |decoder: &mut Decoder| {
        let decoded = decoder.decode(file, Position::START, true);
        let questions = decoded.pending.questions().iter();
        questions
            .map(|question| {
                assert_eq!(question.type_name, type_name);
                let zone = question.time_zone.as_deref().unwrap_or("-");
                format!("{zone}: {}", asked(question).join(", "))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(questions(&mut decoder), ["-: noon", "Europe/Berlin: noon"]);
    decoder.agree("Europe/Berlin", &(0..0));
    let expected = ["-: noon", "Europe/Berlin: noon, 2024-07-01 00:00:00.000000"];
    assert_eq!(questions(&mut decoder), expected);
    decoder.agree("Asia/Tokyo", &(0..0));
    assert_eq!(questions(&mut decoder)[2], "Asia/Tokyo: 2024-07-01");
}
