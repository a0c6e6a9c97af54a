//! PURE: values as TOML text.

use crate::logging::is_unsafe;
use config::{Value, ValueKind};

/// A key as it is written.
pub fn key_text(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

/// A value on one line.
pub fn inline(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => quoted(text),
        ValueKind::Float(number) => float(*number),
        ValueKind::Array(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        ValueKind::Table(table) => {
            let mut keys: Vec<&String> = table.keys().collect();
            // What a thing is called comes first.
            keys.sort_by_key(|key| (key.as_str() != "name", key.as_str() != "field", *key));
            let pairs = keys
                .iter()
                .map(|key| format!("{} = {}", key_text(key), inline(&table[*key])));
            let pairs: Vec<String> = pairs.collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A list of tables, one a line; `None` for anything else.
pub fn lines_of(value: &Value) -> Option<Vec<String>> {
    let ValueKind::Array(values) = &value.kind else {
        return None;
    };
    let tables = values
        .iter()
        .all(|it| matches!(it.kind, ValueKind::Table(_)));
    (tables && !values.is_empty()).then(|| values.iter().map(inline).collect())
}

/// TOML wants a fraction, and has its own words for what is none.
fn float(number: f64) -> String {
    match number {
        number if number.is_nan() => "nan".to_owned(),
        number if number.is_infinite() && number > 0.0 => "inf".to_owned(),
        number if number.is_infinite() => "-inf".to_owned(),
        number => format!("{number:?}"),
    }
}

/// A text in quotes.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_unsafe(c) => quoted.push_str(&format!("\\u{:04X}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
