//! Fields and columns: where values come from, what happens to the rest, and the filters.

use super::*;
use crate::plan::{FieldRef, Filter, FilterRule};

fn events(lines: &str) -> Pipeline {
    let settings = load(&with(lines));
    settings.pipeline("events").expect("it is there").clone()
}

#[test]
fn columns_have_one_of_many_sources() {
    let pipeline = events(
        "columns = [
            { name = 'a' }, { name = 'b', field = 'B' }, { name = 'c', field = 7 },
            { name = 'd', constant = 1.50 }, { name = 'e', constant = '' },
            { name = 'f', from = 'file_name' }, { name = 'g', from = 'file_path' },
            { name = 'h', from = 'load_time' }, { name = 'i', from = 'record' },
            { name = 'j', from = 'line' }, { name = 'k', from = 'file_id' },
        ]",
    );
    let sources: Vec<(&str, &ColumnSource)> = pipeline
        .columns
        .iter()
        .map(|column| (column.field.as_str(), &column.source))
        .collect();
    let expected = [
        ("a", &ColumnSource::Field),
        ("B", &ColumnSource::Field),
        ("c", &ColumnSource::Number(7)),
        ("d", &ColumnSource::Constant("1.5".into())),
        ("e", &ColumnSource::Constant(String::new())),
        ("f", &ColumnSource::FileName),
        ("g", &ColumnSource::FilePath),
        ("h", &ColumnSource::LoadTime),
        ("i", &ColumnSource::Record),
        ("j", &ColumnSource::Line),
        ("k", &ColumnSource::FileId),
    ];
    assert_eq!(sources, expected);
}

#[test]
fn filters_have_a_field_and_a_rule() {
    let pipeline = events(
        "filters = [
            { field = 'country', in = ['DE', 'FR', 1] }, { field = 2, not_in = ['test'] },
            { field = 'id', matches = '[0-9]+' }, { field = 'gone', empty = true },
        ]",
    );
    let filter = |field, rule| Filter { field, rule };
    let name = |name: &str| FieldRef::Name(name.into());
    let values = |values: &[&str]| values.iter().map(|value| value.to_string()).collect();
    let expected = [
        filter(name("country"), FilterRule::In(values(&["DE", "FR", "1"]))),
        filter(FieldRef::Number(2), FilterRule::NotIn(values(&["test"]))),
        filter(name("id"), FilterRule::Matches("[0-9]+".into())),
        filter(name("gone"), FilterRule::Empty(true)),
    ];
    assert_eq!(pipeline.mapping.filters, expected);
}

#[test]
fn extra_fields_are_refused_where_every_field_is_to_be_loaded() {
    const COLUMNS: &str = "columns = [{ name = 'a' }]";
    let refused = |lines: &str| events(lines).refuses_extra();
    assert!(refused(""));
    assert!(!refused(COLUMNS));
    assert!(refused(&format!("{COLUMNS}\nother_columns = 'load'")));
    assert!(!refused(&format!("{COLUMNS}\nother_columns = 'ignore'")));
    assert!(refused(&format!("{COLUMNS}\nheader = false")));
    for (said, expected) in [("ignore", false), ("refuse", true)] {
        for lines in ["", COLUMNS, "header = false\ncolumns = [{ name = 'a' }]"] {
            assert_eq!(
                refused(&format!("extra_columns = '{said}'\n{lines}")),
                expected
            );
        }
    }
}

#[test]
fn the_other_keys_have_their_effect() {
    let mapping = events("header_case = 'ignore'\nmissing_columns = 'refuse'").mapping;
    assert!(mapping.ignore_case && mapping.refuse_missing && !mapping.load_others);
    let mapping = events("header_case = 'exact'\nmissing_columns = 'default'").mapping;
    assert_eq!(mapping, Mapping::default());
    // The key may be a column that is not listed.
    let pipeline = events("key = ['id']\nother_columns = 'load'\ncolumns = [{ name = 'a' }]");
    assert!(pipeline.loads_others());
    assert_eq!(pipeline.key, ["id"]);
}

/// What is written, the key that is named, and a part of what is said.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    ("header_case = 'any'", "header_case", "write one of \"ignore\", \"exact\""),
    ("extra_columns = true", "extra_columns", "expected text in quotes"),
    ("missing_columns = 'null'", "missing_columns", "\"refuse\", \"default\""),
    ("other_columns = 'all'", "other_columns", "\"load\", \"ignore\""),
    ("header = false\nother_columns = 'load'\ncolumns = [{ name = 'a' }]", "other_columns", "no names"),
    ("columns = [{ name = 'a', field = 0 }]", "columns.a.field", "the first field is 1"),
    ("columns = [{ name = 'a', field = true }]", "columns.a.field", "name in quotes, or its number"),
    ("columns = [{ name = 'a', field = 2 }, { name = 'b', field = 2 }]", "columns.b.field", "the field 2 goes to column \"a\" already"),
    ("columns = [{ name = 'a', from = 'mtime' }]", "columns.a.from", "\"file_id\", \"file_name\""),
    ("columns = [{ name = 'a', from = 'line', field = 'x' }]", "columns.a.from", "one source"),
    ("columns = [{ name = 'a', constant = 1, field = 'x' }]", "columns.a.constant", "one source"),
    ("header = false\ncolumns = [{ name = 'a', field = 2 }, { name = 'b' }]", "columns", "number the fields of all columns"),
    ("filters = 5", "filters", "begin each with [[pipelines.events.filters]]"),
    ("filters = ['a']", "filters.1", "such as { field = "),
    ("filters = [{ in = ['a'] }]", "filters.1.field", "is missing"),
    ("filters = [{ field = 'a' }]", "filters.1.in", "in, not_in, matches and empty"),
    ("filters = [{ field = 'a', empty = false }, { field = 'a', in = ['a'], empty = true }]", "filters.2.field", "has several rules"),
    ("filters = [{ field = 'a', in = [] }]", "filters.1.in", "is empty"),
    ("filters = [{ field = 'a', like = 'x' }]", "filters.1.like", "unknown key"),
    ("filters = [{ field = 'a', matches = '(a' }]", "filters.1.matches", "unclosed group"),
    ("filters = [{ field = 'a', matches = 'a)(b' }]", "filters.1.matches", "unopened group"),
    ("header = false\ncolumns = [{ name = 'a' }]\nfilters = [{ field = 'a', empty = true }]", "filters.1.field", "write the field's number"),
];

#[test]
fn each_mistake_of_the_mapping_has_its_message() {
    for (text, key, said) in MISTAKES {
        let error = refusal(&with(text));
        let place = format!("test.toml: pipelines.events.{key}: ");
        let line = error.lines().find(|line| line.contains(&place));
        assert!(
            line.is_some_and(|line| line.contains(said)),
            "{text}\n{error}"
        );
    }
}
