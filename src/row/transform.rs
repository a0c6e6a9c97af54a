//! From a field's text to its column's value, where the column has rules: trimming, change of case,
//! the checks of the text, and its notation.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use super::broken::Broken;
use super::notation::{Notation, encode_plain};
use super::pattern::Pattern;
use super::space::trim;
use super::zone::Zone;
use crate::plan::{Case, Column, ValueRules, ValueType};

/// Up to here, looking at one value after the other is faster than hashing.
const FEW: usize = 12;

/// The changes and the checks of one column.
#[derive(Clone, Debug)]
pub struct Transform {
    trim: bool,
    case: Option<Case>,
    max_length: Option<usize>,
    pattern: Option<Pattern>,
    allowed: Allowed,
    notation: Notation,
}

#[derive(Clone, Debug)]
enum Allowed {
    Any,
    Few(Vec<Box<[u8]>>),
    Many(HashSet<Box<[u8]>>),
}

impl Transform {
    /// The transform of a column; `None` where nothing is to be changed or checked.
    ///
    /// # Errors
    /// What is wrong with its rules.
    pub fn new(column: &Column) -> Result<Option<Transform>, String> {
        let plain = !column.trim && column.case.is_none() && column.allowed.is_empty();
        if plain && column.rules == ValueRules::default() {
            return Ok(None);
        }
        let allowed = column.allowed.iter().map(|text| Box::from(text.as_bytes()));
        let pattern = column.rules.pattern.as_deref().map(Pattern::new);
        let most = column.rules.max_length;
        Ok(Some(Transform {
            trim: column.trim,
            case: column.case,
            max_length: most.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            pattern: pattern.transpose()?,
            allowed: match column.allowed.len() {
                0 => Allowed::Any,
                1..=FEW => Allowed::Few(allowed.collect()),
                _ => Allowed::Many(allowed.collect()),
            },
            notation: Notation::new(&column.rules)?,
        }))
    }

    /// The text after the trimming.
    #[inline]
    pub fn trim<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        if self.trim { trim(text) } else { text }
    }

    /// The text after the change of case: as it is, or a copy in `scratch`.
    #[inline]
    pub fn change_case<'a>(&self, text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self.case {
            None => text,
            Some(case) => change_case(case, text, scratch),
        }
    }

    /// Checks a text that stands for a value, and appends the field to `out`; or what the server is
    /// to be asked instead, which may be a copy in `scratch`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn encode<'a>(
        &self,
        value_type: ValueType,
        text: &'a [u8],
        scratch: &'a mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Option<&'a [u8]>, Broken> {
        self.check_text(text)?;
        if let Notation::Number(format) = &self.notation {
            let text = format.plain(text, scratch).ok_or(Broken::Number)?;
            self.check_allowed(text)?;
            return Ok(encode_plain(value_type, text, out));
        }
        self.check_allowed(text)?;
        self.notation.encode(value_type, text, scratch, out)
    }

    /// The zone in which the column's times are read, where it is one of its own.
    pub fn zone(&self) -> Option<&Arc<Zone>> {
        self.notation.session().map(|session| &session.zone)
    }

    /// Leaves the local times of a zone that are not `agreed` on to the server.
    pub fn agree(&mut self, zone: &str, agreed: &Range<i64>) {
        if let Some(session) = self.notation.session_mut()
            && session.zone.name() == zone
        {
            session.agreed = agreed.clone();
        }
    }

    fn check_text(&self, text: &[u8]) -> Result<(), Broken> {
        // There are never more characters than bytes.
        if let Some(most) = self.max_length
            && text.len() > most
            && characters(text) > most
        {
            return Err(Broken::TooLong);
        }
        match &self.pattern {
            Some(pattern) if !pattern.matches(text) => Err(Broken::Pattern),
            _ => Ok(()),
        }
    }

    fn check_allowed(&self, text: &[u8]) -> Result<(), Broken> {
        let allows = match &self.allowed {
            Allowed::Any => true,
            Allowed::Few(values) => values.iter().any(|value| **value == *text),
            Allowed::Many(values) => values.contains(text),
        };
        allows.then_some(()).ok_or(Broken::NotAllowed)
    }
}

/// The characters of a text, which is valid UTF-8: every byte but those that go on with one.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| (**byte as i8) >= -0x40).count()
}

fn change_case<'a>(case: Case, text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let changes = |byte: &u8| match case {
        Case::Lower => byte.is_ascii_uppercase(),
        Case::Upper => byte.is_ascii_lowercase(),
    };
    if text.is_ascii() {
        if !text.iter().any(changes) {
            return text;
        }
        scratch.clear();
        scratch.extend_from_slice(text);
        match case {
            Case::Lower => scratch.make_ascii_lowercase(),
            Case::Upper => scratch.make_ascii_uppercase(),
        }
        return scratch;
    }
    let Ok(text) = std::str::from_utf8(text) else {
        return text;
    };
    *scratch = match case {
        Case::Lower => text.to_lowercase(),
        Case::Upper => text.to_uppercase(),
    }
    .into_bytes();
    scratch
}

#[cfg(test)]
mod tests {
    use super::super::encoded;
    use super::*;
    use crate::plan::ValueType::{Int4, Numeric, Text};

    fn column(trim: bool, case: Option<Case>, allowed: &[&str]) -> Column {
        Column {
            trim,
            case,
            allowed: allowed.iter().map(|text| text.to_string()).collect(),
            ..Column::new("c", Text, "text")
        }
    }

    fn ruled(value_type: ValueType, rules: ValueRules) -> Column {
        Column {
            rules,
            ..Column::new("c", value_type, "any")
        }
    }

    fn transform(column: &Column) -> Transform {
        Transform::new(column)
            .unwrap()
            .expect("there is something to do")
    }

    fn apply(trim: bool, case: Option<Case>, text: &str) -> String {
        let mut scratch = Vec::new();
        let transform = transform(&column(trim, case, &[]));
        let text = transform.change_case(transform.trim(text.as_bytes()), &mut scratch);
        String::from_utf8(text.to_vec()).unwrap()
    }

    /// The value's bytes, or the text that the server is to be asked.
    fn read(column: &Column, text: &str) -> Result<Result<Vec<u8>, String>, Broken> {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let transform = transform(column);
        let asked = transform.encode(column.value_type, text.as_bytes(), &mut scratch, &mut out)?;
        Ok(match asked {
            None => Ok(out.split_off(4)),
            Some(text) => {
                assert!(out.is_empty());
                Err(String::from_utf8(text.to_vec()).unwrap())
            }
        })
    }

    /// What the type's own notation stands for.
    fn value(value_type: ValueType, text: &str) -> Result<Result<Vec<u8>, String>, Broken> {
        Ok(Ok(encoded(value_type, text).unwrap()))
    }

    #[test]
    fn trimming_comes_before_the_change_of_case() {
        assert_eq!(apply(true, Some(Case::Lower), " View\t"), "view");
        assert_eq!(apply(false, Some(Case::Lower), " View"), " view");
        assert_eq!(apply(true, None, " View "), "View");
        assert_eq!(apply(false, Some(Case::Lower), "view"), "view");
        assert!(Transform::new(&column(false, None, &[])).unwrap().is_none());
    }

    #[test]
    fn case_is_unicodes() {
        assert_eq!(apply(false, Some(Case::Lower), "ÄÉΣ"), "äéς");
        assert_eq!(apply(false, Some(Case::Upper), "straße"), "STRASSE");
    }

    #[test]
    fn allowed_values_are_few_or_many() {
        let many: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for allowed in [&many[..3], &many[..]] {
            let column = column(false, None, allowed);
            assert!(read(&column, "2").is_ok());
            assert_eq!(read(&column, "100"), Err(Broken::NotAllowed));
            assert_eq!(read(&column, ""), Err(Broken::NotAllowed));
        }
        assert!(read(&column(true, None, &[]), "anything").is_ok());
    }

    #[test]
    fn length_is_counted_in_characters() {
        let rules = ValueRules {
            max_length: Some(3),
            ..ValueRules::default()
        };
        let column = ruled(Text, rules);
        for text in ["", "abc", "äöü", "😀😀😀", "e\u{301}x"] {
            assert!(read(&column, text).is_ok(), "{text}");
        }
        for text in ["abcd", "äöüx", "e\u{301}xy"] {
            assert_eq!(read(&column, text), Err(Broken::TooLong), "{text}");
        }
    }

    #[test]
    fn length_and_pattern_are_checked_before_what_is_allowed() {
        let mut column = ruled(
            Text,
            ValueRules {
                pattern: Some("[a-z]+".into()),
                max_length: Some(2),
                ..ValueRules::default()
            },
        );
        column.allowed = vec!["ab".into(), "1".into()];
        assert!(read(&column, "ab").is_ok());
        assert_eq!(read(&column, "123"), Err(Broken::TooLong));
        assert_eq!(read(&column, "1"), Err(Broken::Pattern));
        assert_eq!(read(&column, "xy"), Err(Broken::NotAllowed));
    }

    #[test]
    fn numbers_are_compared_and_asked_in_plain_notation() {
        let rules = ValueRules {
            thousands: Some('.'),
            decimal: Some(','),
            pattern: Some("[0-9.,e]+".into()),
            ..ValueRules::default()
        };
        let mut column = ruled(Numeric, rules);
        assert_eq!(read(&column, "1.234,50"), value(Numeric, "1234.50"));
        assert_eq!(read(&column, "1,5e3"), Ok(Err("1.5e3".into())));
        assert_eq!(read(&column, "1234.5"), Err(Broken::Number));
        column.allowed = vec!["1.5".into()];
        assert_eq!(read(&column, "1,5"), value(Numeric, "1.5"));
        assert_eq!(read(&column, "1,6"), Err(Broken::NotAllowed));
        let column = ruled(Int4, column.rules);
        assert_eq!(read(&column, "1.234"), value(Int4, "1234"));
        assert_eq!(read(&column, "1,0"), Ok(Err("1.0".into())));
    }

    #[test]
    fn rules_that_can_not_be_carried_out_are_errors() {
        let error = |rules| Transform::new(&ruled(Text, rules)).unwrap_err();
        let none = ValueRules::default();
        let format = Some("%Y".into());
        assert!(
            error(ValueRules {
                format,
                ..none.clone()
            })
            .contains("which day")
        );
        let time_zone = Some("Nowhere".into());
        assert!(
            error(ValueRules {
                time_zone,
                ..none.clone()
            })
            .contains("Nowhere")
        );
        let pattern = Some("[".into());
        assert!(error(ValueRules { pattern, ..none }).contains("unclosed"));
    }
}
