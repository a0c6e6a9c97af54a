//! PURE: which dead letters are meant.

use serde::{Deserialize, Serialize};
use tokio_postgres::types::{ToSql, Type};

/// Which dead letters are meant: those that fit all that is said. As JSON it stands in
/// `ingestd.replays.filter`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LetterFilter {
    /// Of this pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Of this file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<i64>,
    /// Of this record of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<i64>,
    /// With this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of this column; the empty text stands for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// That the server refused with this code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// Found since then, as PostgreSQL reads a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// In this state: NEW, RESOLVED or DISCARDED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// The condition on a letter `d`, with [`LetterFilter::parameters`] as `$1` to `$8`.
pub const CONDITION: &str = "($1::text is null or d.pipeline = $1)
    and ($2::bigint is null or d.file_id = $2) and ($3::bigint is null or d.record = $3)
    and ($4::text is null or d.reason = $4)
    and ($5::text is null or coalesce(d.column_name, '') = $5)
    and ($6::text is null or d.sqlstate = upper($6))
    and ($7::text is null or d.created_at >= $7::text::timestamptz)
    and ($8::text is null or d.status = upper($8))";

/// A parameter with its type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

impl LetterFilter {
    /// The parameters of `CONDITION`.
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        vec![
            (&self.pipeline, Type::TEXT),
            (&self.file, Type::INT8),
            (&self.record, Type::INT8),
            (&self.reason, Type::TEXT),
            (&self.column, Type::TEXT),
            (&self.sqlstate, Type::TEXT),
            (&self.since, Type::TEXT),
            (&self.status, Type::TEXT),
        ]
    }

    /// Whether it says nothing but a state: all are meant.
    pub fn is_open(&self) -> bool {
        let said = LetterFilter {
            status: None,
            ..self.clone()
        };
        said == LetterFilter::default()
    }

    /// The same of one pipeline, of those in one state.
    pub fn narrowed(&self, pipeline: &str, status: &str) -> LetterFilter {
        LetterFilter {
            pipeline: Some(pipeline.to_owned()),
            status: Some(status.to_owned()),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_stored_as_far_as_it_says_something() {
        let filter = LetterFilter {
            reason: Some("invalid_value".into()),
            file: Some(3),
            ..LetterFilter::default()
        };
        let stored = serde_json::to_string(&filter).expect("JSON");
        assert_eq!(stored, r#"{"file":3,"reason":"invalid_value"}"#);
        assert_eq!(
            serde_json::from_str::<LetterFilter>(&stored).ok(),
            Some(filter.clone())
        );
        assert!(!filter.is_open());
        let status = Some("NEW".to_owned());
        assert!(
            LetterFilter {
                status,
                ..LetterFilter::default()
            }
            .is_open()
        );
    }
}
