//! What the text of one column's fields must be, and how it is read.

use serde::{Deserialize, Serialize};

use super::ValueType;

/// The rules of one column. They hold for fields that are not NULL, after trimming and change of case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueRules {
    /// A regular expression (syntax of the crate `regex`) that the whole text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The most characters (Unicode code points, as `char_length` counts them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// How dates and times are written, in the notation of `strptime`; `None`: as the type's input
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The zone of times that are written without one (a name of the IANA database); `None`: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Times are numbers: so many of these since 1970-01-01 00:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochUnit>,
    /// What stands between groups of three digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// What stands before the fraction of a number; `None`: a point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
}

/// What a time that is a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochUnit {
    /// Seconds, with a fraction or without.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

/// A type, as far as the rules tell types apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `smallint` to `numeric`.
    Number,
    /// `date`
    Date,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    Timestamptz,
    /// A type that is known to be none of these.
    Plain,
    /// A type of which only the server knows what it is.
    Unknown,
}

impl Kind {
    /// The kind of a type that has an encoder, or has none.
    pub fn of(value_type: ValueType) -> Kind {
        match value_type {
            ValueType::Int2
            | ValueType::Int4
            | ValueType::Int8
            | ValueType::Float4
            | ValueType::Float8
            | ValueType::Numeric => Kind::Number,
            ValueType::Date => Kind::Date,
            ValueType::Timestamp => Kind::Timestamp,
            ValueType::Timestamptz => Kind::Timestamptz,
            ValueType::Bool
            | ValueType::Text
            | ValueType::Bpchar
            | ValueType::Uuid
            | ValueType::Time
            | ValueType::Json
            | ValueType::Jsonb
            | ValueType::Bytea
            | ValueType::Enum => Kind::Plain,
            ValueType::Other => Kind::Unknown,
        }
    }

    /// The kind of a type as it is written in SQL, such as `numeric(10,2)`; `None` where the name is
    /// none that every server has.
    pub fn of_sql(sql_type: &str) -> Option<Kind> {
        let mut plain = String::new();
        let mut depth = 0;
        for c in sql_type.chars() {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth -= 1;
                    plain.push(' ');
                }
                _ if depth == 0 => plain.push(c.to_ascii_lowercase()),
                _ => {}
            }
        }
        let words: Vec<&str> = plain.split_whitespace().collect();
        Some(match words.join(" ").as_str() {
            "smallint" | "int2" | "integer" | "int" | "int4" | "bigint" | "int8"
            | "smallserial" | "serial" | "bigserial" | "real" | "float" | "float4"
            | "double precision" | "float8" | "numeric" | "decimal" => Kind::Number,
            "date" => Kind::Date,
            "timestamp" | "timestamp without time zone" => Kind::Timestamp,
            "timestamptz" | "timestamp with time zone" => Kind::Timestamptz,
            "text"
            | "varchar"
            | "character varying"
            | "char"
            | "character"
            | "bpchar"
            | "uuid"
            | "boolean"
            | "bool"
            | "time"
            | "time without time zone"
            | "json"
            | "jsonb"
            | "bytea" => Kind::Plain,
            _ => return None,
        })
    }
}

impl ValueRules {
    /// The keys that can't be used with a type, each with what it is for.
    pub fn misfits(&self, kind: Kind) -> Vec<(&'static str, &'static str)> {
        const NUMBERS: &str = "is for columns of numbers";
        let is_number = matches!(kind, Kind::Number | Kind::Unknown);
        let is_time = matches!(kind, Kind::Timestamp | Kind::Timestamptz);
        let keys = [
            (
                "format",
                self.format.is_some(),
                is_time || kind == Kind::Date,
                "is for columns of type date, timestamp or timestamptz",
            ),
            (
                "time_zone",
                self.time_zone.is_some(),
                kind == Kind::Timestamptz,
                "is for columns of type timestamptz",
            ),
            (
                "epoch",
                self.epoch.is_some(),
                is_time,
                "is for columns of type timestamp or timestamptz",
            ),
            ("thousands", self.thousands.is_some(), is_number, NUMBERS),
            ("decimal", self.decimal.is_some(), is_number, NUMBERS),
        ];
        let misfits = keys
            .into_iter()
            .filter(|(_, given, fits, _)| *given && !fits);
        misfits.map(|(key, _, _, advice)| (key, advice)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Column;

    #[test]
    fn types_are_known_by_the_names_of_sql() {
        for (name, kind) in [
            ("numeric(10, 2)", Some(Kind::Number)),
            ("DOUBLE  PRECISION", Some(Kind::Number)),
            ("int", Some(Kind::Number)),
            ("date", Some(Kind::Date)),
            ("timestamp(3)", Some(Kind::Timestamp)),
            ("timestamp(3) with time zone", Some(Kind::Timestamptz)),
            ("timestamptz", Some(Kind::Timestamptz)),
            ("varchar(50)", Some(Kind::Plain)),
            ("int[]", None),
            ("sales.money", None),
            ("interval", None),
        ] {
            assert_eq!(Kind::of_sql(name), kind, "{name}");
        }
    }

    #[test]
    fn rules_are_for_some_types_only() {
        let rules = ValueRules {
            pattern: Some("a".into()),
            max_length: Some(1),
            format: Some("%F".into()),
            time_zone: Some("UTC".into()),
            epoch: Some(EpochUnit::Seconds),
            thousands: Some('.'),
            decimal: Some(','),
        };
        let keys = |kind| {
            let misfits = rules.misfits(kind).into_iter();
            misfits.map(|(key, _)| key).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(Kind::Number), "format time_zone epoch");
        assert_eq!(keys(Kind::Date), "time_zone epoch thousands decimal");
        assert_eq!(keys(Kind::Timestamp), "time_zone thousands decimal");
        assert_eq!(keys(Kind::Timestamptz), "thousands decimal");
        assert_eq!(
            keys(Kind::Plain),
            "format time_zone epoch thousands decimal"
        );
        assert_eq!(keys(Kind::Unknown), "format time_zone epoch");
        assert!(ValueRules::default().misfits(Kind::Plain).is_empty());
    }

    #[test]
    fn a_stored_plan_says_nothing_of_rules_that_are_not_there() {
        let plain = Column::new("a", ValueType::Text, "text");
        let stored = serde_json::to_value(&plain).unwrap();
        let keys: Vec<&String> = stored.as_object().unwrap().keys().collect();
        assert!(
            !keys.iter().any(|key| *key == "rules" || *key == "pattern"),
            "{keys:?}"
        );
        assert_eq!(serde_json::from_value::<Column>(stored).unwrap(), plain);
        let ruled = Column {
            rules: ValueRules {
                pattern: Some("a".into()),
                max_length: Some(5),
                format: Some("%F".into()),
                time_zone: Some("UTC".into()),
                epoch: Some(EpochUnit::Milliseconds),
                thousands: Some('\u{202f}'),
                decimal: Some(','),
            },
            ..plain
        };
        let stored = serde_json::to_string(&ruled).unwrap();
        assert!(stored.contains("\"epoch\":\"milliseconds\""), "{stored}");
        assert_eq!(serde_json::from_str::<Column>(&stored).unwrap(), ruled);
    }
}
