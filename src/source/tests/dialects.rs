//! What each option of a dialect makes of whole files.

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::{Position, Reason};

use super::super::*;
use super::*;

fn spellings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// The rows of a file of text columns, `NULL` for NULL, with `|` between them.
fn rows(plan: &LoadPlan, file: &str) -> Vec<String> {
    let outcome = whole(plan, file.as_bytes());
    assert_eq!(reasons(&outcome), [], "{file:?}");
    let row = |row: &Row| {
        let texts = texts(row).into_iter();
        let texts: Vec<_> = texts.map(|text| text.unwrap_or("NULL".into())).collect();
        texts.join("|")
    };
    outcome.rows.iter().map(row).collect()
}

#[test]
fn null_spellings_are_told_apart_by_quotes() {
    let plan = text_plan(
        2,
        Dialect {
            null: spellings(&["", "NA"]),
            quoted_null: spellings(&["-"]),
            ..Dialect::default()
        },
    );
    assert_eq!(
        rows(&plan, ",NA\n\"\",\"NA\"\n-,\"-\"\nna, NA\n"),
        ["NULL|NULL", "|NA", "-|NULL", "na| NA"]
    );
}

#[test]
fn without_a_null_spelling_an_empty_field_is_the_empty_string() {
    let plan = text_plan(
        2,
        Dialect {
            null: Vec::new(),
            ..Dialect::default()
        },
    );
    assert_eq!(rows(&plan, ",a\n"), ["|a"]);
    let numbers = LoadPlan {
        columns: vec![
            column("a", ValueType::Int4, "integer"),
            plan.columns[1].clone(),
        ],
        ..plan
    };
    let outcome = whole(&numbers, b",a\n");
    assert_eq!(reasons(&outcome), [(1, 1, Reason::InvalidValue, Some("a"))]);
}

#[test]
fn null_is_compared_after_the_trimming_and_before_the_change_of_case() {
    let mut plan = text_plan(
        2,
        Dialect {
            null: spellings(&["NA"]),
            quoted_null: spellings(&["NA"]),
            ..Dialect::default()
        },
    );
    plan.columns[0].trim = true;
    plan.columns[0].case = Some(Case::Upper);
    plan.columns[1].null = Some(spellings(&["."]));
    assert_eq!(
        rows(&plan, " NA\t,NA\n\" NA \",.\nna,\"NA\"\n"),
        ["NULL|NA", "NULL|NULL", "NA|NULL"]
    );
}

#[test]
fn a_required_column_refuses_every_null() {
    let mut plan = text_plan(
        1,
        Dialect {
            null: spellings(&["", "NA"]),
            ..Dialect::default()
        },
    );
    plan.columns[0].required = true;
    let outcome = whole(&plan, b"NA\n\n\"NA\"\n");
    let missing = |record| (record, record, Reason::MissingValue, Some("a"));
    assert_eq!(reasons(&outcome), [missing(1), missing(2)]);
    let message = |index: usize| outcome.rejects[index].message.as_str();
    assert_eq!(
        message(0),
        "column \"a\" is required, the field says that there is none"
    );
    assert_eq!(message(1), "column \"a\" is required, the field is empty");
    assert_eq!(outcome.rows.len(), 1);
}

#[test]
fn comments_are_no_records_wherever_a_record_could_begin() {
    let plan = text_plan(
        2,
        Dialect {
            comment: Some(b'#'),
            max_record: 12,
            ..Dialect::default()
        },
    );
    let file = b"# one, \"\n1,a\n#\xFF and longer than the largest record\r\n2,\"b\n# c\"\n3,\"d\n#\"e\n4,#\n#";
    for step in 1..file.len() {
        let outcome = feed(&plan, file, Position::START, step);
        let seen: Vec<_> = outcome
            .rows
            .iter()
            .map(|row| (row.record, row.line))
            .collect();
        assert_eq!(seen, [(1, 2), (2, 4), (4, 8)]);
        assert_eq!(texts(&outcome.rows[1])[1].as_deref(), Some("b\n# c"));
        // The quote that is not closed costs its line; what follows is a comment by itself.
        assert_eq!(reasons(&outcome), [(3, 6, Reason::BadQuoting, None)]);
        let end = outcome.positions.last().expect("an end");
        assert_eq!((end.record, end.line), (4, 10));
    }
}

#[test]
fn with_trim_a_line_of_blanks_is_blank() {
    let trimmed = Dialect {
        trim: true,
        ..Dialect::default()
    };
    let two = text_plan(2, trimmed.clone());
    assert_eq!(
        rows(&two, "1, \n \t\n\n 2 ,\" b \" \n"),
        ["1|NULL", "2| b "]
    );
    assert_eq!(rows(&text_plan(1, trimmed), "1\n \n"), ["1", "NULL"]);
    let plain = text_plan(2, Dialect::default());
    let outcome = whole(&plain, b" \n");
    assert_eq!(reasons(&outcome), [(1, 1, Reason::FieldCount, None)]);
}

#[test]
fn what_waits_for_the_server_is_read_the_same_again() {
    let mut plan = plan();
    plan.dialect = Dialect {
        delimiter: b"||".to_vec(),
        quote: Some(b'\''),
        escape: Some(b'\\'),
        comment: Some(b'#'),
        trim: true,
        null: spellings(&["NA"]),
        max_record: 60,
        ..Dialect::default()
    };
    plan.columns[3].type_name = "text".into();
    plan.columns[3].value_type = ValueType::Text;
    plan.columns[3].finite = false;
    let file = b"0x10 || 'View' ||NA|| 'it\\'s | so'\n";
    let outcome = whole(&plan, file);
    assert_eq!(reasons(&outcome), []);
    let same = whole(&plan, &[b"16", &file[4..]].concat());
    assert_eq!(outcome.rows[0].tuple, same.rows[0].tuple);
    assert!(outcome.rows[0].tuple.ends_with(b"it's | so"));
}

#[test]
fn a_dialect_that_cuts_characters_is_no_plan() {
    let cutting = [
        Dialect {
            delimiter: vec![0xA9],
            ..Dialect::default()
        },
        Dialect {
            delimiter: Vec::new(),
            ..Dialect::default()
        },
        Dialect {
            comment: Some(0xC3),
            ..Dialect::default()
        },
    ];
    for dialect in cutting {
        let plan = text_plan(1, dialect);
        let error = Decoder::new(&plan, &header(&plan)).expect_err("no plan");
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
