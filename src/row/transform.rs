//! What happens to a field's text before it is encoded: trimming, change of case, the allowed values.

use std::collections::HashSet;

use super::space::trim;
use crate::plan::{Case, Column};

/// Up to here, looking at one value after the other is faster than hashing.
const FEW: usize = 12;

/// The changes and the check of one column.
#[derive(Clone, Debug)]
pub struct Transform {
    trim: bool,
    case: Option<Case>,
    allowed: Allowed,
}

#[derive(Clone, Debug)]
enum Allowed {
    Any,
    Few(Vec<Box<[u8]>>),
    Many(HashSet<Box<[u8]>>),
}

impl Transform {
    /// The transform of a column; `None` where nothing is to be changed or checked.
    pub fn new(column: &Column) -> Option<Transform> {
        if !column.trim && column.case.is_none() && column.allowed.is_empty() {
            return None;
        }
        let allowed = column.allowed.iter().map(|text| Box::from(text.as_bytes()));
        Some(Transform {
            trim: column.trim,
            case: column.case,
            allowed: match column.allowed.len() {
                0 => Allowed::Any,
                1..=FEW => Allowed::Few(allowed.collect()),
                _ => Allowed::Many(allowed.collect()),
            },
        })
    }

    /// The text after the changes: a part of `text`, or a copy in `scratch`.
    pub fn apply<'a>(&self, text: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let text = if self.trim { trim(text) } else { text };
        match self.case {
            None => text,
            Some(case) => change_case(case, text, scratch),
        }
    }

    /// Whether the text, after the changes, is an allowed one.
    pub fn allows(&self, text: &[u8]) -> bool {
        match &self.allowed {
            Allowed::Any => true,
            Allowed::Few(values) => values.iter().any(|value| **value == *text),
            Allowed::Many(values) => values.contains(text),
        }
    }
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
    use super::*;
    use crate::plan::ValueType;

    fn column(trim: bool, case: Option<Case>, allowed: &[&str]) -> Column {
        Column {
            name: "c".into(),
            field: "c".into(),
            value_type: ValueType::Text,
            type_name: "text".into(),
            required: false,
            trim,
            case,
            allowed: allowed.iter().map(|text| text.to_string()).collect(),
            minimum: None,
            maximum: None,
            finite: false,
            labels: Vec::new(),
            characters: None,
        }
    }

    fn apply(trim: bool, case: Option<Case>, text: &str) -> String {
        let transform = Transform::new(&column(trim, case, &[])).unwrap();
        let mut scratch = Vec::new();
        let text = transform.apply(text.as_bytes(), &mut scratch).to_vec();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn trimming_comes_before_the_change_of_case() {
        assert_eq!(apply(true, Some(Case::Lower), " View\t"), "view");
        assert_eq!(apply(false, Some(Case::Lower), " View"), " view");
        assert_eq!(apply(true, None, " View "), "View");
        assert_eq!(apply(false, Some(Case::Lower), "view"), "view");
        assert!(Transform::new(&column(false, None, &[])).is_none());
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
            let transform = Transform::new(&column(false, None, allowed)).unwrap();
            assert!(transform.allows(b"2"));
            assert!(!transform.allows(b"100"));
            assert!(!transform.allows(b""));
        }
        let any = Transform::new(&column(true, None, &[])).unwrap();
        assert!(any.allows(b"anything"));
    }
}
