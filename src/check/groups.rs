//! PURE: dead letters by what is wrong with them, with where the first of each kind stands.

use std::collections::BTreeMap;

use ingestd_actors::model::{DeadLetter, Reason};
use serde_json::{Value, json};

/// Records that are refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The reason's code.
    pub reason: &'static str,
    /// The column at fault, where it is one.
    pub column: Option<String>,
    /// What the server calls it, where it was the server.
    pub sqlstate: Option<String>,
    /// How many there are.
    pub count: u64,
    /// The line on which the first of them starts.
    pub line: u64,
    /// The number of that record.
    pub record: u64,
    /// What would be right, where that can be said without the value.
    pub message: Option<String>,
}

/// Groups as they come to be.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<(Reason, Option<String>, Option<String>), Group>);

impl Groups {
    /// Takes a dead letter in.
    pub fn add(&mut self, letter: &DeadLetter) {
        let key = (
            letter.reason,
            letter.column.clone(),
            letter.sqlstate.clone(),
        );
        let group = self.0.entry(key).or_insert_with(|| Group {
            reason: letter.reason.code(),
            column: letter.column.clone(),
            sqlstate: letter.sqlstate.clone(),
            count: 0,
            line: letter.line,
            record: letter.record,
            message: message_of(letter),
        });
        group.count += 1;
        if letter.record < group.record {
            (group.line, group.record) = (letter.line, letter.record);
        }
    }

    /// All of them, the most frequent first.
    pub fn into_groups(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.0.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.record));
        groups
    }
}

/// What the server says may hold the value; of that, a constraint's name is enough.
fn message_of(letter: &DeadLetter) -> Option<String> {
    let Some(code) = &letter.sqlstate else {
        return Some(letter.message.clone());
    };
    let after = letter.message.split_once("constraint \"");
    let constraint = after.and_then(|(_, rest)| rest.split('"').next());
    Some(match (constraint, letter.reason) {
        (Some(name), Reason::Refused) => format!("constraint {name:?} refuses it ({code})"),
        (_, Reason::InvalidValue) => format!("no value of the column's type ({code})"),
        _ => format!("the server refuses it ({code})"),
    })
}

impl Group {
    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "reason": self.reason, "column": self.column, "sqlstate": self.sqlstate,
            "count": self.count, "message": self.message,
            "first": { "line": self.line, "record": self.record },
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn letter(record: u64, column: &str, sqlstate: Option<&str>) -> DeadLetter {
        DeadLetter {
            record,
            line: record + 1,
            offset: 0,
            length: 1,
            raw: Bytes::new(),
            column: Some(column.to_owned()),
            reason: Reason::InvalidValue,
            message: "\"secret\" is none".to_owned(),
            sqlstate: sqlstate.map(str::to_owned),
        }
    }

    #[test]
    fn each_kind_is_counted_with_its_first_place_and_without_a_value() {
        let mut groups = Groups::default();
        for letter in [
            letter(7, "b", Some("22P02")),
            letter(3, "a", Some("22P02")),
            letter(5, "b", Some("22P02")),
        ] {
            groups.add(&letter);
        }
        let groups = groups.into_groups();
        let seen: Vec<_> = groups
            .iter()
            .map(|it| (it.column.as_deref(), it.count, it.line, it.record))
            .collect();
        assert_eq!(seen, [(Some("b"), 2, 6, 5), (Some("a"), 1, 4, 3)]);
        assert!(!format!("{groups:?}").contains("secret"));
    }
}
