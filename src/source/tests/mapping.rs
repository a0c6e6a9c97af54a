//! Filters, constants, what is derived from the file, and fields by their place.

use ingestd_actors::model::{Position, Reason};
use proptest::prelude::*;

use super::*;
use crate::plan::{FieldRef, Filter, FilterRule};

fn filter(field: &str, rule: FilterRule) -> Filter {
    Filter {
        field: FieldRef::Name(field.into()),
        rule,
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| value.to_string()).collect()
}

/// A plan of text columns.
fn text_plan(names: &[&str]) -> LoadPlan {
    let columns = names
        .iter()
        .map(|name| column(name, ValueType::Text, "text"));
    LoadPlan {
        columns: columns.collect(),
        ..one_column_plan(ValueType::Text, "text")
    }
}

/// The records that a filter on `b` lets through, of six.
fn passed(rule: FilterRule) -> Vec<u64> {
    let mut plan = text_plan(&["a", "b"]);
    plan.filters = vec![filter("b", rule)];
    let outcome = whole(&plan, b"1,x\n2,\n3,\"\"\n4,y\n5,\"x\"\n6,\"x\"\"x\"\n");
    assert!(outcome.rejects.is_empty());
    let rows: Vec<u64> = outcome.rows.iter().map(|row| row.record).collect();
    let mut all = [&rows[..], &outcome.filtered[..]].concat();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    rows
}

#[test]
fn each_rule_looks_at_the_text_without_quotes() {
    assert_eq!(passed(FilterRule::In(texts(&["y", "x"]))), [1, 4, 5]);
    assert_eq!(passed(FilterRule::In(texts(&["x\"x", ""]))), [2, 3, 6]);
    assert_eq!(passed(FilterRule::NotIn(texts(&["x"]))), [2, 3, 4, 6]);
    assert_eq!(passed(FilterRule::Empty(true)), [2, 3]);
    assert_eq!(passed(FilterRule::Empty(false)), [1, 4, 5, 6]);
    // The whole of it, and nothing but that.
    assert_eq!(passed(FilterRule::Matches("x|y".into())), [1, 4, 5]);
    assert_eq!(passed(FilterRule::Matches("x.*".into())), [1, 5, 6]);
}

#[test]
fn all_filters_have_to_let_a_record_through() {
    let mut plan = text_plan(&["a"]);
    plan.filters = vec![
        filter("kind", FilterRule::In(texts(&["buy"]))),
        filter("a", FilterRule::Empty(false)),
    ];
    let names = header_of("kind,a,rest");
    let mut decoder = Decoder::new(&plan, &names).expect("it fits");
    let bytes = b"buy,1,\nview,2,\nbuy,,\nbuy,4,\n";
    let decoded = decoder.decode(bytes, Position::START, true);
    let rows = rows_of(&decoded);
    assert_eq!(
        rows.iter().map(|row| row.record).collect::<Vec<_>>(),
        [1, 4]
    );
    assert_eq!(decoded.filtered.records().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn what_is_no_record_is_a_dead_letter_whatever_the_filters_say() {
    let mut plan = plan();
    plan.filters = vec![filter("kind", FilterRule::In(Vec::new()))];
    let outcome = whole(&plan, b"1,view\n\"2\"x,view,1,2000-01-01\nx,view,x,x\n");
    assert_eq!(
        reasons(&outcome),
        [
            (1, 1, Reason::FieldCount, None),
            (2, 2, Reason::BadQuoting, None)
        ]
    );
    // Its values are nobody's concern.
    assert_eq!(outcome.filtered, [3]);
}

#[test]
fn a_record_that_is_filtered_asks_the_server_nothing() {
    let mut plan = plan();
    plan.filters = vec![filter("kind", FilterRule::NotIn(texts(&["view"])))];
    let decoded = decoder(&plan).decode(b"0x1,view,1,epoch\n", Position::START, true);
    assert!(decoded.pending.is_empty());
    assert_eq!(decoded.filtered.count_after(0), 1);
}

#[test]
fn columns_that_are_no_field_have_their_values_in_every_row() {
    let source = |name: &str, source, value_type, type_name: &str| Column {
        source,
        ..column(name, value_type, type_name)
    };
    let time = "timestamp with time zone";
    let plan = LoadPlan {
        columns: vec![
            source("number", ColumnSource::Record, ValueType::Int8, "bigint"),
            column("a", ValueType::Text, "text"),
            source("line", ColumnSource::Line, ValueType::Int4, "integer"),
            source("file", ColumnSource::FileId, ValueType::Int8, "bigint"),
            source("name", ColumnSource::FileName, ValueType::Text, "text"),
            source("path", ColumnSource::FilePath, ValueType::Text, "text"),
            source("time", ColumnSource::LoadTime, ValueType::Timestamptz, time),
            source(
                "empty",
                ColumnSource::Constant(String::new()),
                ValueType::Text,
                "text",
            ),
            // The server's to encode.
            source(
                "hex",
                ColumnSource::Constant("0x10".into()),
                ValueType::Int4,
                "integer",
            ),
        ],
        key: vec!["number".into()],
        routing: Routing::Key,
        ..plan()
    };
    let origin = Origin {
        file: "41".into(),
        name: "in.csv".into(),
        path: "/a/in.csv".into(),
        load_time: "2000-01-01 00:00:00.000001+00".into(),
    };
    let decoder = Decoder::new(&plan, &header_of("a")).expect("it fits");
    let mut decoder = decoder.with_origin(&origin);
    let mut at = Position::START;
    for (bytes, record, line) in [(&b"\"x\ny\"\n"[..], 1, 1), (b"z\n", 2, 3)] {
        let mut decoded = decoder.decode(bytes, at, true);
        at = decoded.to;
        let answers: Vec<_> = decoded.pending.questions().iter().map(ask).collect();
        // What is the same in every row is asked once.
        assert_eq!(answers.len(), usize::from(record == 1));
        decoder.complete(&mut decoded, &answers).expect("answered");
        let row = &rows_of(&decoded)[0];
        let text = &bytes[usize::from(record == 1)..];
        let text = &text[..text.len() - if record == 1 { 2 } else { 1 }];
        let expected = [
            &i64::from(record).to_be_bytes()[..],
            text,
            &i32::to_be_bytes(line),
            &41i64.to_be_bytes(),
            b"in.csv",
            b"/a/in.csv",
            &1i64.to_be_bytes(),
            b"",
            &16i32.to_be_bytes(),
        ];
        let mut tuple = 9i16.to_be_bytes().to_vec();
        for field in expected {
            tuple.extend((field.len() as i32).to_be_bytes());
            tuple.extend(field);
        }
        assert_eq!(row.tuple, tuple);
        assert!(!row.key.is_empty());
    }
}

#[test]
fn a_constant_of_the_servers_leaves_other_columns_their_answers() {
    let mut plan = text_plan(&["hex", "at", "a"]);
    plan.columns[0] = Column {
        source: ColumnSource::Constant("0x10".into()),
        ..column("hex", ValueType::Int4, "integer")
    };
    plan.columns[1] = column("at", ValueType::Int4, "integer");
    let outcome = whole(&plan, b",0x1,\n,0x2,\n,3,\n,0x4,\n");
    let values: Vec<_> = outcome.rows.iter().map(|row| &row.tuple[2..18]).collect();
    let tuple = |value: u8| [0, 0, 0, 4, 0, 0, 0, 16, 0, 0, 0, 4, 0, 0, 0, value];
    assert_eq!(values, [1, 2, 3, 4].map(tuple));
}

#[test]
fn a_constant_that_is_no_value_of_its_column_refuses_every_record() {
    let mut plan = text_plan(&["a", "b"]);
    plan.columns[1] = Column {
        source: ColumnSource::Constant("one".into()),
        ..column("b", ValueType::Int4, "integer")
    };
    let outcome = whole(&plan, b"1,\n2,\n");
    let refused = (Reason::InvalidValue, Some("b"));
    assert_eq!(
        reasons(&outcome),
        [(1, 1, refused.0, refused.1), (2, 2, refused.0, refused.1)]
    );
}

#[test]
fn fields_are_found_by_their_place() {
    let mut plan = text_plan(&["a", "b"]);
    plan.columns[0].source = ColumnSource::Number(3);
    plan.columns[1].source = ColumnSource::Number(1);
    let by_place = |plan: &LoadPlan, names: &str, bytes: &[u8]| {
        let mut decoder = Decoder::new(plan, &header_of(names)).expect("it fits");
        let decoded = decoder.decode(bytes, Position::START, true);
        let rows = rows_of(&decoded);
        let tuples: Vec<_> = rows.iter().map(|row| row.tuple[2..].to_vec()).collect();
        let letters = decoded.rejects;
        (tuples, letters.into_iter().map(|it| it.message).collect())
    };
    let row = b"\0\0\0\x01z\0\0\0\x01x".to_vec();
    let none: Vec<String> = Vec::new();
    // Whatever the header says of them.
    assert_eq!(
        by_place(&plan, ",,", b"x,y,z\n"),
        (vec![row.clone()], none.clone())
    );
    plan.dialect.header = false;
    plan.fields.count = Some(3);
    assert_eq!(
        by_place(&plan, "", b"x,y,z\nx,y\nx,y,z,more\n"),
        (
            vec![row.clone()],
            texts(&["got 2 fields, expected 3", "got 4 fields, expected 3"])
        )
    );
    plan.fields.more = true;
    assert_eq!(
        by_place(&plan, "", b"x,y,z,more\nx,y\n"),
        (vec![row], texts(&["got 2 fields, expected 3 or more"]))
    );
}

/// Names with commas between them; none of an empty text.
fn header_of(names: &str) -> Vec<String> {
    match names {
        "" => Vec::new(),
        names => names.split(',').map(str::to_owned).collect(),
    }
}

/// Lines of few kinds, so that filtered records stand together, apart, and beside all others.
fn some_lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        3 => Just("1,view,1,2024-01-01\n"),
        3 => Just("2,buy,1,2024-01-01\n"),
        1 => Just("0x3,\"View\",1,epoch\n"),
        1 => Just("x,buy,1,2024-01-01\n"),
        1 => Just("1,\"view\nbuy\",1,2024-01-01\r\n"),
        1 => Just("1,\"view,1,2024-01-01\n"),
        1 => Just("1,view\n"),
        1 => Just("\n"),
    ];
    prop::collection::vec(line, 0..30).prop_map(|lines| lines.concat().into_bytes())
}

proptest! {
    #[test]
    fn filtered_records_are_the_same_wherever_reading_begins(file in some_lines(), step in 1usize..60) {
        let mut plan = plan();
        plan.filters = vec![filter("kind", FilterRule::Matches("(?i)view".into()))];
        let all = whole(&plan, &file);
        let end = all.positions.last().map_or(0, |end| end.record);
        let accounted = all.rows.len() + all.rejects.len() + all.filtered.len();
        prop_assert_eq!(accounted as u64, end);
        let fed = feed(&plan, &file, Position::START, step);
        prop_assert_eq!(&fed.filtered, &all.filtered);
        for position in &fed.positions {
            let rest = feed(&plan, &file, *position, file.len() + 1);
            let behind = all.filtered.iter().copied().filter(|&it| it > position.record);
            prop_assert_eq!(rest.filtered, behind.collect::<Vec<_>>());
        }
    }
}
