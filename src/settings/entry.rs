//! One value of the configuration, read without giving up on the others.
//!
//! serde stops at the first error. An [`Entry`] never fails: it keeps what is wrong for the
//! validation, which knows the full path of the key and reports all problems at once. Values arrive
//! as TOML has them or, from the environment and from flags, as text.

use std::time::Duration;

use config::{Value, ValueKind};
use serde::{Deserialize, Deserializer};

use super::units;
use crate::plan::FieldRef;

/// A value, or what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T>(pub Result<T, String>);

/// What an entry can hold.
pub trait FromValue: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    fn from_value(value: &ValueKind) -> Result<Self, String>;
}

impl<'de, T: FromValue> Deserialize<'de> for Entry<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Entry(T::from_value(&value.kind)))
    }
}

/// Text.
impl FromValue for String {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => Ok(text.clone()),
            other => Err(expected("text in quotes", other)),
        }
    }
}

/// A whole number that is not negative.
impl FromValue for u64 {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        const WHAT: &str = "a whole number, 0 or more";
        match value {
            ValueKind::I64(number) => {
                u64::try_from(*number).map_err(|_| format!("{number} is not {WHAT}"))
            }
            ValueKind::U64(number) => Ok(*number),
            ValueKind::Float(number) => Err(format!("{number} is not {WHAT}")),
            ValueKind::String(text) => text
                .replace('_', "")
                .parse()
                .map_err(|_| format!("{text:?} is not {WHAT}")),
            other => Err(expected(WHAT, other)),
        }
    }
}

/// A number, with a fraction or without.
impl FromValue for f64 {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        const WHAT: &str = "a number such as 0.05";
        match value {
            ValueKind::Float(number) => Ok(*number),
            ValueKind::I64(number) => Ok(*number as f64),
            ValueKind::String(text) => {
                let number = text.replace('_', "").parse();
                number.map_err(|_| format!("{text:?} is not {WHAT}"))
            }
            other => Err(expected(WHAT, other)),
        }
    }
}

/// Yes or no.
impl FromValue for bool {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) => match text.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                other => Err(format!("{other:?} is neither true nor false")),
            },
            other => Err(expected("true or false", other)),
        }
    }
}

/// A duration with its unit.
impl FromValue for Duration {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => units::duration(text),
            ValueKind::I64(number) => units::duration(&number.to_string()),
            other => Err(expected("a duration such as \"200ms\" or \"8s\"", other)),
        }
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromValue for Size {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => units::size(text).map(Size),
            ValueKind::I64(number) => units::size(&number.to_string()).map(Size),
            other => Err(expected("a size such as \"64KiB\" or \"8MiB\"", other)),
        }
    }
}

/// A list of names: an array, or one text with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

impl FromValue for Names {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) if text.trim().is_empty() => Ok(Names(Vec::new())),
            ValueKind::String(text) => Ok(Names(
                text.split(',').map(|name| name.trim().to_owned()).collect(),
            )),
            ValueKind::Array(values) => values
                .iter()
                .map(|value| String::from_value(&value.kind))
                .collect::<Result<_, _>>()
                .map(Names),
            other => Err(expected("a list of names such as [\"event_id\"]", other)),
        }
    }
}

/// Several lists of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameLists(pub Vec<Vec<String>>);

impl FromValue for NameLists {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Array(values) => values
                .iter()
                .map(|value| Names::from_value(&value.kind).map(|names| names.0))
                .collect::<Result<_, _>>()
                .map(NameLists),
            other => Err(expected(
                "a list of lists of names such as [[\"event_time\"], [\"user_id\", \"event_time\"]]",
                other,
            )),
        }
    }
}

/// A value of a column, as the column's type would read it: TOML text, number or truth value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

impl FromValue for Scalar {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => Ok(Scalar(text.clone())),
            ValueKind::I64(number) => Ok(Scalar(number.to_string())),
            ValueKind::Float(number) => Ok(Scalar(number.to_string())),
            ValueKind::Boolean(flag) => Ok(Scalar(flag.to_string())),
            other => Err(expected("a number or text in quotes", other)),
        }
    }
}

/// A list of values of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalars(pub Vec<String>);

impl FromValue for Scalars {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Array(values) => values
                .iter()
                .map(|value| Scalar::from_value(&value.kind).map(|scalar| scalar.0))
                .collect::<Result<_, _>>()
                .map(Scalars),
            other => Err(expected("a list of values such as [\"a\", \"b\"]", other)),
        }
    }
}

/// A field: its name in the header, or its place in a record.
impl FromValue for FieldRef {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(name) => Ok(FieldRef::Name(name.clone())),
            ValueKind::I64(number) => match u32::try_from(*number) {
                Ok(number @ 1..) => Ok(FieldRef::Number(number)),
                _ => Err(format!(
                    "{number} is no field's number; the first field is 1"
                )),
            },
            other => Err(expected("a field's name in quotes, or its number", other)),
        }
    }
}

/// Texts, each as it is written: a list, or one alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl FromValue for Texts {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::String(text) => Ok(Texts(vec![text.clone()])),
            ValueKind::Array(values) => values
                .iter()
                .map(|value| String::from_value(&value.kind))
                .collect::<Result<_, _>>()
                .map(Texts),
            other => Err(expected("a list of texts such as [\"\", \"NA\"]", other)),
        }
    }
}

/// Text, or none (`false`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch(pub Option<String>);

impl FromValue for Switch {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Boolean(false) => Ok(Switch(None)),
            ValueKind::String(text) if text == "false" => Ok(Switch(None)),
            ValueKind::String(text) => Ok(Switch(Some(text.clone()))),
            other => Err(expected("text in quotes, or false", other)),
        }
    }
}

/// Where files go: a directory, the default one (`true`), or nowhere (`false`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Into this directory.
    Directory(String),
    /// Into the default directory.
    Default,
    /// They stay.
    Stay,
}

impl FromValue for Target {
    fn from_value(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Boolean(true) => Ok(Target::Default),
            ValueKind::Boolean(false) => Ok(Target::Stay),
            ValueKind::String(text) => Ok(match text.as_str() {
                "true" => Target::Default,
                "false" => Target::Stay,
                directory => Target::Directory(directory.to_owned()),
            }),
            other => Err(expected(
                "a directory, or false to leave the files where they are",
                other,
            )),
        }
    }
}

/// Never shows the value: it may be a password.
fn expected(what: &str, found: &ValueKind) -> String {
    let found = match found {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::I128(_) | ValueKind::U128(_) => {
            "a number"
        }
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    };
    format!("expected {what}, found {found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> ValueKind {
        ValueKind::String(value.to_owned())
    }

    #[test]
    fn text_from_the_environment_is_read_as_what_is_wanted() {
        assert_eq!(u64::from_value(&text("50_000")), Ok(50_000));
        assert_eq!(bool::from_value(&text("true")), Ok(true));
        assert_eq!(
            Names::from_value(&text("a, b")),
            Ok(Names(vec!["a".into(), "b".into()]))
        );
        assert_eq!(Names::from_value(&text("")), Ok(Names(vec![])));
        assert_eq!(Target::from_value(&text("false")), Ok(Target::Stay));
    }

    #[test]
    fn numbers_are_never_rounded() {
        let error = u64::from_value(&ValueKind::Float(2.7)).unwrap_err();
        assert_eq!(error, "2.7 is not a whole number, 0 or more");
        let error = u64::from_value(&ValueKind::I64(-1)).unwrap_err();
        assert_eq!(error, "-1 is not a whole number, 0 or more");
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        let error = Duration::from_value(&ValueKind::I64(5)).unwrap_err();
        assert!(error.contains("has no unit"), "{error}");
    }

    #[test]
    fn scalars_keep_what_was_written() {
        assert_eq!(
            Scalar::from_value(&ValueKind::Float(0.1)),
            Ok(Scalar("0.1".into()))
        );
        assert_eq!(
            Scalar::from_value(&ValueKind::I64(-3)),
            Ok(Scalar("-3".into()))
        );
    }
}
