//! The rules of columns: what they become, and what is said of those that can't be.

use super::*;
use crate::plan::EpochUnit;

fn rules(lines: &str) -> ValueRules {
    let settings = load(&with(&format!("columns = [{{ name = 'a', {lines} }}]")));
    settings.pipelines[0].columns[0].rules.clone()
}

#[test]
fn every_rule_has_its_effect() {
    let none = ValueRules::default();
    let expected = ValueRules {
        pattern: Some("[A-Z]+".into()),
        max_length: Some(50),
        ..none.clone()
    };
    assert_eq!(rules("pattern = '[A-Z]+', max_length = 50"), expected);
    let expected = ValueRules {
        format: Some("%d.%m.%Y".into()),
        time_zone: Some("Europe/Berlin".into()),
        ..none.clone()
    };
    assert_eq!(
        rules("format = '%d.%m.%Y', time_zone = 'europe/berlin'"),
        expected
    );
    for (text, unit) in [
        ("seconds", EpochUnit::Seconds),
        ("milliseconds", EpochUnit::Milliseconds),
        ("microseconds", EpochUnit::Microseconds),
    ] {
        assert_eq!(rules(&format!("epoch = '{text}'")).epoch, Some(unit));
    }
    let expected = ValueRules {
        thousands: Some('\u{202f}'),
        decimal: Some(','),
        ..none
    };
    assert_eq!(rules("thousands = \"\\u202f\", decimal = ','"), expected);
}

/// What is written of a column, the key that is named, and a part of what is said.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    ("pattern = ''", "pattern", "leave it out"),
    ("pattern = '[a'", "pattern", "unclosed character class"),
    ("max_length = 0", "max_length", "write 1 or more"),
    ("max_length = -1", "max_length", "not a whole number"),
    ("format = '%Y'", "format", "which day it is"),
    ("format = '%F %Q'", "format", "a zone's name can't be read"),
    ("time_zone = 'Europe/Berlim'", "time_zone", "did you mean \"Europe/Berlin\"?"),
    ("time_zone = '+02:00'", "time_zone", "write a name such as"),
    ("epoch = 'nanoseconds'", "epoch", "\"seconds\", \"milliseconds\", \"microseconds\""),
    ("thousands = '..'", "thousands", "write one character"),
    ("thousands = '1'", "thousands", "write one character"),
    ("decimal = '-'", "decimal", "write one character"),
    ("decimal = ''", "decimal", "write one character"),
    ("thousands = '.'", "thousands", "write the other one as decimal"),
    ("thousands = ',', decimal = ','", "thousands", "write the other one as decimal"),
    ("format = '%F', epoch = 'seconds'", "epoch", "leave one of them out"),
    ("time_zone = 'UTC', epoch = 'seconds'", "time_zone", "has no meaning beside epoch"),
    ("time_zone = 'UTC', format = '%F %z'", "time_zone", "%z in format"),
    ("decimal = ',', format = '%F'", "decimal", "leave one of them out"),
    ("thousands = ',', epoch = 'seconds'", "thousands", "leave one of them out"),
    ("allowed = ['a', 'b1'], pattern = '[a-z]'", "allowed", "\"b1\" can never be met: pattern refuses it"),
    ("allowed = ['a', 'ab'], max_length = 1", "allowed", "\"ab\" can never be met: max_length refuses it"),
    ("type = 'text', decimal = ','", "decimal", "this one's type is text"),
    ("type = 'numeric(10,2)', format = '%F'", "format", "date, timestamp or timestamptz"),
    ("type = 'timestamp', time_zone = 'UTC'", "time_zone", "of type timestamptz, and this one's type is timestamp"),
    ("type = 'date', epoch = 'seconds'", "epoch", "timestamp or timestamptz"),
];

#[test]
fn each_mistake_of_a_rule_has_its_message() {
    for (lines, key, said) in MISTAKES {
        let error = refusal(&with(&format!("columns = [{{ name = 'a', {lines} }}]")));
        assert_eq!(error.lines().count(), 1, "{lines}\n{error}");
        let place = format!("test.toml: pipelines.events.columns.a.{key}: ");
        assert!(error.contains(&place), "{lines}\n{error}");
        assert!(error.contains(said), "{lines}\n{error}");
    }
}

#[test]
fn a_type_that_only_the_server_knows_is_left_to_the_plan() {
    assert_eq!(
        rules("type = 'sales.price', decimal = ','").decimal,
        Some(',')
    );
    assert!(rules("format = '%F'").format.is_some());
}
