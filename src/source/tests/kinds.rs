//! The kinds of files that every reader of CSV has to get right, one small file each.

use ingestd_actors::model::Position;

use super::*;
use crate::csv::HeaderSearch;

/// Reads a file with its header, by pieces of so many bytes: the names, and the rows.
fn read(dialect: &Dialect, file: &[u8], step: usize) -> (Vec<String>, Vec<Vec<Option<String>>>) {
    let mut search = HeaderSearch::new(dialect);
    let found = search.look(&mut file.to_vec(), true);
    let header = found.expect("a header").expect("a whole one");
    let mut plan = text_plan(header.names.len(), dialect.clone());
    for (column, name) in plan.columns.iter_mut().zip(&header.names) {
        column.field.clone_from(name);
    }
    let outcome = feed(&plan, file, header.end, step);
    assert_eq!(reasons(&outcome), []);
    let records: Vec<_> = outcome.rows.iter().map(|row| row.record).collect();
    assert!(records.into_iter().eq(1..=outcome.rows.len() as u64));
    (header.names, outcome.rows.iter().map(texts).collect())
}

/// The file, as its dialect has it, holds these names and these rows; `NULL` is one.
fn holds(dialect: &Dialect, file: &str, expected: &[&[&str]]) {
    for step in [1, 3, file.len() + 1] {
        let (names, rows) = read(dialect, file.as_bytes(), step);
        assert_eq!(names, expected[0], "{file:?}");
        let value = |text: &&str| (*text != "NULL").then(|| text.to_string());
        let expected = expected[1..].iter();
        let expected: Vec<Vec<_>> = expected
            .map(|row| row.iter().map(value).collect())
            .collect();
        assert_eq!(rows, expected, "{file:?}");
    }
}

#[test]
fn every_kind_of_file_is_read_right() {
    let plain = Dialect::default();
    let town = ["Ada", "Quay 1, left", "9710"];
    holds(
        &plain,
        "name,street,zip\nAda,\"Quay 1, left\",9710",
        &[&["name", "street", "zip"], &town],
    );
    for end in ["\n", "\r\n", "\r"] {
        let file = ["x,y", "7,8", "", "9,\"\"", ",0", ""].join(end);
        let rows = [["x", "y"], ["7", "8"], ["9", ""], ["NULL", "0"]];
        holds(&plain, &file, &rows.each_ref().map(|row| &row[..]));
        holds(
            &plain,
            file.trim_end(),
            &rows.each_ref().map(|row| &row[..]),
        );
        let file = format!("x,y{end}\"two{end}lines\",8{end}");
        let lines = format!("two{end}lines");
        holds(&plain, &file, &[&["x", "y"], &[&lines, "8"]]);
    }
    holds(
        &plain,
        "x,y\r\n1,2\n3,4\r5,6",
        &[&["x", "y"], &["1", "2"], &["3", "4"], &["5", "6"]],
    );
    holds(
        &plain,
        "x\n\"she said \"\"no\"\"\"\n\"\"\"\"\n",
        &[&["x"], &["she said \"no\""], &["\""]],
    );
    let quoted = "\"{\"\"at\"\": [1, 2],\n\"\"to\"\": \"\"\"\"}\"";
    holds(
        &plain,
        &format!("id,doc\n5,{quoted}\n"),
        &[&["id", "doc"], &["5", "{\"at\": [1, 2],\n\"to\": \"\"}"]],
    );
    holds(
        &plain,
        "\u{FEFF}größe,ʤ\n→,\u{1F600}\n",
        &[&["größe", "ʤ"], &["→", "\u{1F600}"]],
    );
    holds(
        &plain,
        "x,y\n5\" pipe,it\"s\n",
        &[&["x", "y"], &["5\" pipe", "it\"s"]],
    );
    holds(&plain, "x\n\\.\n\\N\n", &[&["x"], &["\\."], &["\\N"]]);
}

#[test]
fn every_kind_of_dialect_is_read_right() {
    let with = |delimiter: &str| Dialect {
        delimiter: delimiter.into(),
        ..Dialect::default()
    };
    let decimal = Dialect {
        null: vec!["".into(), "NA".into()],
        ..with(";")
    };
    holds(
        &decimal,
        "a;b\n1,5;NA\n;\"NA\"\n",
        &[&["a", "b"], &["1,5", "NULL"], &["NULL", "NA"]],
    );
    let unquoted = Dialect {
        quote: None,
        ..with("\t")
    };
    holds(
        &unquoted,
        "a\tb\n\"x\t12\"\n",
        &[&["a", "b"], &["\"x", "12\""]],
    );
    let dump = Dialect {
        escape: Some(b'\\'),
        null: vec!["\\N".into()],
        ..with(",")
    };
    holds(
        &dump,
        "a,b\n\"say \\\"hi\\\"\",\\N\n,\"c:\\\\d\"\n",
        &[&["a", "b"], &["say \"hi\"", "NULL"], &["", "c:\\d"]],
    );
    let report = Dialect {
        trim: true,
        comment: Some(b'%'),
        skip_lines: 2,
        ..with("||")
    };
    holds(
        &report,
        "Sales, all \"regions\n\n% made by hand\n a  ||\"b \"\n\n 1 || \" x|y \"\n% the end\n",
        &[&["a", "b "], &["1", " x|y "]],
    );
}

#[test]
fn a_header_is_one_record_of_the_file_whatever_its_pieces() {
    // Several blocks of one file have one header between them, and a last line without an end counts.
    let body: String = (0..5_000).map(|id| format!("{id},name\n")).collect();
    let file = format!("a,b\n{}", body.trim_end());
    let (names, rows) = read(&Dialect::default(), file.as_bytes(), 100);
    assert_eq!(names, ["a", "b"]);
    assert_eq!(rows.len(), 5_000);
}

#[test]
fn a_line_of_more_than_64_kib_is_one_record() {
    let long = "x, ".repeat(100 << 10);
    let dialect = Dialect {
        max_record: 1 << 20,
        ..Dialect::default()
    };
    let plan = text_plan(2, dialect);
    let file = format!("1,\"{long}\"\n2,b\n");
    let outcome = feed(&plan, file.as_bytes(), Position::START, 256 << 10);
    assert_eq!(outcome.rows.len(), 2);
    assert_eq!(texts(&outcome.rows[0])[1].as_deref(), Some(&long[..]));
}
