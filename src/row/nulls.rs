//! Which texts of a field mean NULL.

use crate::plan::{Column, Dialect};

/// The spellings of NULL of one column.
#[derive(Clone, Debug)]
pub struct Nulls {
    /// Whether an empty field is one.
    empty: bool,
    /// Whether an empty field in quotes is one.
    quoted_empty: bool,
    /// The others; none in most columns.
    spelled: Box<[Box<[u8]>]>,
    quoted: Box<[Box<[u8]>]>,
}

impl Nulls {
    /// Those of a column, which are the dialect's where it has none of its own.
    pub fn new(column: &Column, dialect: &Dialect) -> Nulls {
        let null = column.null.as_ref().unwrap_or(&dialect.null);
        let quoted = column.quoted_null.as_ref().unwrap_or(&dialect.quoted_null);
        let has_empty = |texts: &[String]| texts.iter().any(String::is_empty);
        let others = |texts: &[String]| {
            let others = texts.iter().filter(|text| !text.is_empty());
            others.map(|text| Box::from(text.as_bytes())).collect()
        };
        Nulls {
            empty: has_empty(null),
            quoted_empty: has_empty(quoted),
            spelled: others(null),
            quoted: others(quoted),
        }
    }

    /// Whether NULL is the empty field without quotes, and nothing else.
    pub fn are_plain(&self) -> bool {
        self.empty && !self.quoted_empty && self.spelled.is_empty() && self.quoted.is_empty()
    }

    /// Whether a field, after the trimming, means NULL.
    #[inline]
    pub fn contain(&self, text: &[u8], quoted: bool) -> bool {
        if text.is_empty() {
            return if quoted {
                self.quoted_empty
            } else {
                self.empty
            };
        }
        let spellings = if quoted { &self.quoted } else { &self.spelled };
        spellings.iter().any(|spelling| **spelling == *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ValueType;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    fn column(null: Option<&[&str]>, quoted_null: Option<&[&str]>) -> Column {
        Column {
            null: null.map(texts),
            quoted_null: quoted_null.map(texts),
            ..Column::new("c", ValueType::Text, "text")
        }
    }

    #[test]
    fn an_empty_field_is_null_and_one_in_quotes_is_not() {
        let nulls = Nulls::new(&column(None, None), &Dialect::default());
        assert!(nulls.are_plain());
        assert!(nulls.contain(b"", false));
        assert!(!nulls.contain(b"", true));
        assert!(!nulls.contain(b"NULL", false));
    }

    #[test]
    fn quoted_and_unquoted_spellings_are_told_apart() {
        let dialect = Dialect {
            null: texts(&["NA", "-"]),
            quoted_null: texts(&["", "n/a"]),
            ..Dialect::default()
        };
        let nulls = Nulls::new(&column(None, None), &dialect);
        assert!(!nulls.are_plain());
        let contained = |quoted| {
            let all = ["", "NA", "-", "n/a", "na", "NA "];
            all.map(|text| nulls.contain(text.as_bytes(), quoted))
        };
        assert_eq!(contained(false), [false, true, true, false, false, false]);
        assert_eq!(contained(true), [true, false, false, true, false, false]);
    }

    #[test]
    fn a_column_has_spellings_of_its_own_instead_of_the_dialects() {
        let dialect = Dialect {
            null: texts(&["NA"]),
            quoted_null: texts(&["NA"]),
            ..Dialect::default()
        };
        let nulls = Nulls::new(&column(Some(&["-"]), None), &dialect);
        assert!(nulls.contain(b"-", false) && !nulls.contain(b"NA", false));
        assert!(nulls.contain(b"NA", true) && !nulls.contain(b"-", true));
        let nulls = Nulls::new(&column(None, Some(&[])), &dialect);
        assert!(nulls.contain(b"NA", false) && !nulls.contain(b"NA", true));
    }
}
