//! One thing each: good rows, every fault, questions, positions.

use ingestd_actors::model::{Position, Reason};

use crate::plan::DeleteWhen;

use super::super::*;
use super::*;

#[test]
fn a_row_is_a_tuple_with_its_key_and_its_place() {
    let outcome = whole(&plan(), b"7, View ,1.5,2000-01-01\r\n8,,,\"2000-01-01\"");
    let mut tuple = vec![0, 4, 0, 0, 0, 4, 0, 0, 0, 7];
    tuple.extend_from_slice(b"\0\0\0\x04view");
    tuple.extend_from_slice(&[0, 0, 0, 12, 0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0x13, 0x88]);
    tuple.extend_from_slice(&[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    let key = vec![0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7];
    let first = Row {
        partition: (xxhash_rust::xxh3::xxh3_64(&key) % 3) as u16,
        record: 1,
        line: 1,
        offset: 0,
        raw: b"7, View ,1.5,2000-01-01".to_vec(),
        tuple,
        key,
    };
    assert_eq!(outcome.rows[0], first);
    let second = &outcome.rows[1];
    assert_eq!((second.record, second.line, second.offset), (2, 2, 25));
    let null = [0xFF; 4];
    assert_eq!(second.tuple[10..14], null);
    assert_eq!(second.tuple[14..18], null);
    let end = Position {
        record: 2,
        offset: 41,
        line: 3,
    };
    assert_eq!(outcome.positions, [end]);
}

#[test]
fn every_fault_has_its_reason() {
    let lines: [&[u8]; 14] = [
        b"1,view,1,2000-01-01",
        b"2,view,1",
        b"3,view,1,2000-01-01,x",
        b"4,vi\xFFew,1,2000-01-01",
        b"5,vi\0ew,1,2000-01-01",
        b"\"6\"x,view,1,2000-01-01",
        b",view,1,2000-01-01",
        b"8,sell,1,2000-01-01",
        b"9,view,-0.01,2000-01-01",
        b"10,view,1,infinity",
        b"11,view,one,2000-01-01",
        b"12,view,1,2000-01-01 and so on and so forth",
        b"99999999999,view,1,2000-01-01",
        b"14,\"\",1,2000-01-01",
    ];
    let outcome = whole(&plan(), &lines.join(&b"\n"[..]));
    assert_eq!(
        reasons(&outcome),
        [
            (2, 2, Reason::FieldCount, None),
            (3, 3, Reason::FieldCount, None),
            (4, 4, Reason::InvalidEncoding, None),
            (5, 5, Reason::NulByte, None),
            (6, 6, Reason::BadQuoting, None),
            (7, 7, Reason::MissingValue, Some("id")),
            (8, 8, Reason::NotAllowed, Some("kind")),
            (9, 9, Reason::OutOfRange, Some("price")),
            (10, 10, Reason::OutOfRange, Some("at")),
            (11, 11, Reason::InvalidValue, Some("price")),
            (12, 12, Reason::RecordTooLarge, None),
            (13, 13, Reason::InvalidValue, Some("id")),
            (14, 14, Reason::NotAllowed, Some("kind")),
        ]
    );
    assert_eq!(outcome.rows.len(), 1);
    let refused = &outcome.rejects[9];
    assert_eq!(refused.sqlstate.as_deref(), Some("22P02"));
    assert_eq!(&refused.raw[..], lines[10]);
    let too_large = &outcome.rejects[10];
    assert_eq!(too_large.length, lines[11].len() as u64);
    assert_eq!(&too_large.raw[..], &lines[11][..40]);
    assert_eq!(outcome.rejects[0].message, "got 3 fields, the header has 4");
    for letter in &outcome.rejects {
        let line = letter.line as usize - 1;
        let before: usize = lines[..line].iter().map(|line| line.len() + 1).sum();
        assert_eq!(letter.offset as usize, before);
        assert!(!letter.message.contains("sell"), "no value in a message");
    }
}

#[test]
fn an_unclosed_quote_costs_one_line() {
    let file = b"1,\"view,1,2000-01-01\n2,view,1,2000-01-01\n3,buy,1,2000-01-01\n";
    let outcome = whole(&plan(), file);
    assert_eq!(reasons(&outcome), [(1, 1, Reason::BadQuoting, None)]);
    let records: Vec<_> = outcome
        .rows
        .iter()
        .map(|row| (row.record, row.line))
        .collect();
    assert_eq!(records, [(2, 2), (3, 3)]);
}

#[test]
fn what_the_encoders_do_not_know_is_asked_once_each() {
    let file = b"0x10,view,1,epoch\n1,buy,1,epoch\n0x10,view,-1,epoch\n0xFF,view,x,epoch\n";
    let (plan, mut decoder) = (plan(), decoder(&plan()));
    let mut decoded = decoder.decode(file, Position::START, true);
    let questions = decoded.pending.questions().to_vec();
    let expected = [
        ("integer", vec!["0x10", "0xFF"]),
        ("timestamp with time zone", vec!["epoch"]),
        ("numeric", vec!["x"]),
    ];
    // Record 3 is refused without the server: its price is known to be out of range.
    assert_eq!(decoded.pending.len(), 3);
    assert_eq!(questions.len(), expected.len());
    for (question, (type_name, texts)) in questions.iter().zip(expected) {
        assert_eq!(question.type_name, type_name);
        assert_eq!(asked(question), texts);
    }
    assert!(decoder.complete(&mut decoded, &[]).is_err(), "no answers");
    assert_eq!(decoded.pending.len(), 3, "nothing is lost by that");
    let malformed = [2, 1, 1].map(|count| {
        let mut answers = Answers::default();
        (0..count).for_each(|_| answers.push(b"x"));
        answers
    });
    assert!(decoder.complete(&mut decoded, &malformed).is_err());

    let answers: Vec<_> = questions.iter().map(ask).collect();
    decoder.complete(&mut decoded, &answers).unwrap();
    let same_key = &whole(&plan, b"16,view,1,1970-01-01\n").rows[0];
    let mut rows = rows_of(&decoded);
    rows.sort_by_key(|row| row.record);
    assert_eq!(rows[0].key, same_key.key);
    assert_eq!(rows[0].partition, same_key.partition);
    assert_eq!(rows[0].tuple, same_key.tuple);
    assert_eq!(rows[1].record, 2);
    let rejected: Vec<_> = decoded
        .rejects
        .iter()
        .map(|l| (l.record, l.reason))
        .collect();
    assert_eq!(
        rejected,
        [(3, Reason::OutOfRange), (4, Reason::InvalidValue)]
    );
    assert!(decoded.pending.is_empty());
}

#[test]
fn bounds_hold_for_what_the_server_encoded() {
    let mut plan = plan();
    plan.columns[0].maximum = Some("100".into());
    let outcome = whole(&plan, b"0xFF,view,1,epoch\n0x10,view,1,epoch\n");
    assert_eq!(reasons(&outcome), [(1, 1, Reason::OutOfRange, Some("id"))]);
    assert_eq!(outcome.rows.len(), 1);
}

#[test]
fn blank_lines_count_only_where_there_is_one_column() {
    let outcome = whole(&plan(), b"\n\r\n1,view,1,2000-01-01\n\n\n");
    assert_eq!((outcome.rows[0].record, outcome.rows[0].line), (1, 3));
    assert!(outcome.rejects.is_empty());
    let end = outcome.positions[0];
    assert_eq!((end.record, end.line, end.offset), (1, 6, 25));

    let outcome = whole(&one_column_plan(ValueType::Text, "text"), b"a\n\n\"\"\n");
    let tuples: Vec<_> = outcome.rows.iter().map(|row| &row.tuple[2..]).collect();
    assert_eq!(tuples, [&b"\0\0\0\x01a"[..], &[0xFF; 4], &[0; 4]]);
}

#[test]
fn a_quoted_empty_field_is_no_null() {
    let outcome = whole(&one_column_plan(ValueType::Int4, "integer"), b"\"\"\n5\n");
    assert_eq!(reasons(&outcome), [(1, 1, Reason::InvalidValue, Some("c"))]);
}

#[test]
fn a_byte_order_mark_is_no_data() {
    let plan = one_column_plan(ValueType::Text, "text");
    for step in 1..6 {
        let outcome = feed(&plan, b"\xEF\xBB\xBFa\n", Position::START, step);
        assert_eq!(outcome.rows[0].raw, b"a");
        assert_eq!(outcome.rows[0].offset, 3);
    }
    assert!(whole(&plan, b"\xEF\xBB\xBF").rows.is_empty());
}

#[test]
fn rows_without_a_key_go_by_blocks() {
    let plan = one_column_plan(ValueType::Text, "text");
    let outcome = whole(&plan, &b"a\n".repeat(3 * 4096 + 1));
    let partition = |record: usize| outcome.rows[record - 1].partition;
    assert_eq!([1, 4096, 4097, 8193, 12289].map(partition), [0, 0, 1, 2, 0]);
    assert!(outcome.rows.iter().all(|row| row.key.is_empty()));
}

#[test]
fn a_null_in_the_key_leaves_the_row_without_one() {
    let mut plan = plan();
    plan.key = vec!["id".into(), "kind".into()];
    let outcome = whole(&plan, b"1,,1,2000-01-01\n1,buy,1,2000-01-01\n");
    assert!(outcome.rows[0].key.is_empty());
    assert_eq!(outcome.rows[0].partition, 0);
    assert_eq!(outcome.rows[1].key.len(), 4 + 8 + 4 + 3);
}

#[test]
fn while_an_oversized_record_is_passed_over_the_position_stays() {
    let plan = plan();
    let mut decoder = decoder(&plan);
    let good = b"1,view,1,2000-01-01\n";
    let first = [&good[..], &[b'x'; 50]].concat();
    let decoded = decoder.decode(&first, Position::START, false);
    assert_eq!((decoded.to.record, decoded.to.offset), (1, 20));
    assert_eq!(decoded.next_offset, 70);
    let decoded = decoder.decode(&[b'y'; 30], decoded.to, false);
    assert_eq!((decoded.to.record, decoded.to.offset), (1, 20));
    assert_eq!(decoded.next_offset, 100);
    let last = [&b"zz\r\n"[..], &good[..]].concat();
    let decoded = decoder.decode(&last, decoded.to, true);
    let letter = &decoded.rejects[0];
    assert_eq!((letter.record, letter.line), (2, 2));
    assert_eq!((letter.offset, letter.length), (20, 82));
    assert_eq!(&letter.raw[..], &[b'x'; 40]);
    assert_eq!((decoded.to.record, decoded.to.offset), (3, 124));
    let row = &rows_of(&decoded)[0];
    assert_eq!((row.record, row.line, row.offset), (3, 3, 104));
}

#[test]
fn a_plan_that_does_not_fit_is_an_error() {
    let plan = plan();
    let error = Decoder::new(&plan, &["id".into()]).unwrap_err();
    assert_eq!(error.kind(), ingestd_actors::error::ErrorKind::File);
    let mut wrong = plan.clone();
    wrong.columns[0].minimum = Some("one".into());
    let error = Decoder::new(&wrong, &header(&wrong)).unwrap_err();
    assert_eq!(
        error.kind(),
        ingestd_actors::error::ErrorKind::Configuration
    );
    assert!(error.message().contains("\"id\""), "{error}");
}

#[test]
fn a_deletion_is_its_key_and_its_version_alone() {
    let mut plan = plan();
    plan.rules.version = Some("price".into());
    plan.rules.delete_when = Some(DeleteWhen {
        field: "op".into(),
        values: vec!["D".into(), "say \"bye\"".into()],
    });
    let header = ["id", "kind", "price", "op", "at"].map(str::to_owned);
    let mut decoder = Decoder::new(&plan, &header).expect("the header fits");
    let file = b"1,view,1,,2000-01-01\n\
                 2,nonsense,2,D,never\n\
                 0x10,view,,\"say \"\"bye\"\"\",\n\
                 ,view,1,D,2000-01-01\n\
                 4,view,1,d,2000-01-01\n";
    let mut decoded = decoder.decode(file, Position::START, true);
    let answers: Vec<_> = decoded.pending.questions().iter().map(ask).collect();
    decoder.complete(&mut decoded, &answers).expect("answered");
    assert_eq!(decoded.rejects[0].reason, Reason::MissingValue);
    assert_eq!((decoded.rejects.len(), decoded.rejects[0].record), (1, 4));
    let mut deletions = Vec::new();
    for (_, rows) in &decoded.partitions {
        assert!(rows.deletes.is_sorted());
        for row in rows.index.iter().filter(|row| rows.is_delete(row)) {
            deletions.push((
                row.record,
                rows.data_of(row).to_vec(),
                rows.key_of(row).to_vec(),
            ));
        }
    }
    deletions.sort();
    let [(2, second, _), (3, third, key)] = &deletions[..] else {
        panic!("{deletions:?}");
    };
    let null = [0xFF; 4];
    assert_eq!(second[10..14], null, "the kind");
    assert_eq!(second[14..18], [0, 0, 0, 10], "the version");
    assert_eq!(second[28..], null, "the time");
    assert_eq!(third[10..], [null, null, null].concat());
    assert_eq!(key[..], [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 16]);

    let error = Decoder::new(&plan, &header[..3]).expect_err("no such field");
    assert_eq!(error.kind(), ingestd_actors::error::ErrorKind::File);
}
