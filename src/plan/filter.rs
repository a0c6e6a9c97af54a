//! Which records of a file are loaded.

use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::FieldRef;

/// A filter: a record is loaded only if the field is as the rule wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The field, which may be one that no column takes.
    pub field: FieldRef,
    /// What it has to be.
    pub rule: FilterRule,
}

/// What a field has to be, as it is written: without its quotes, before any rule of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterRule {
    /// One of these.
    In(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
    /// All of it as this regular expression has it.
    Matches(String),
    /// Empty, quoted or not (`true`), or not empty (`false`).
    Empty(bool),
}

/// The regular expression that matches whole texts alone.
///
/// # Errors
/// In one line, why it is none.
pub fn whole_match(pattern: &str) -> Result<Regex, String> {
    // Alone first: with a group around it, `a)(b` would be one.
    let alone = Regex::new(pattern);
    let whole = alone.and_then(|_| Regex::new(&format!(r"\A(?:{pattern})\z")));
    whole.map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        let why = last.strip_prefix("error: ").unwrap_or(last);
        format!("{pattern:?} is no regular expression: {why}")
    })
}
