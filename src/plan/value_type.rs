//! The types that have an encoder of ours; everything else goes to the server as text.

use serde::{Deserialize, Serialize};

/// A type of PostgreSQL, as far as the fast encoder tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`
    Numeric,
    /// `boolean`
    Bool,
    /// `text` and `character varying`
    Text,
    /// `character(n)`
    Bpchar,
    /// `uuid`
    Uuid,
    /// `date`
    Date,
    /// `timestamp without time zone`
    Timestamp,
    /// `timestamp with time zone`
    Timestamptz,
    /// `time without time zone`
    Time,
    /// `json`
    Json,
    /// `jsonb`
    Jsonb,
    /// `bytea`
    Bytea,
    /// An enumeration, whose labels the plan knows.
    Enum,
    /// Any other type: its values are encoded by the server.
    Other,
}

impl ValueType {
    /// The type by its OID in `pg_type.dat`, which is the same in every server.
    pub fn from_oid(oid: u32) -> ValueType {
        match oid {
            16 => ValueType::Bool,
            17 => ValueType::Bytea,
            20 => ValueType::Int8,
            21 => ValueType::Int2,
            23 => ValueType::Int4,
            25 | 1043 => ValueType::Text,
            114 => ValueType::Json,
            700 => ValueType::Float4,
            701 => ValueType::Float8,
            1042 => ValueType::Bpchar,
            1082 => ValueType::Date,
            1083 => ValueType::Time,
            1114 => ValueType::Timestamp,
            1184 => ValueType::Timestamptz,
            1700 => ValueType::Numeric,
            2950 => ValueType::Uuid,
            3802 => ValueType::Jsonb,
            _ => ValueType::Other,
        }
    }

    /// Whether equal values of the type have one canonical image, so that its keys can be routed and
    /// its values compared. `json` knows no equality at all, and that of `jsonb` and of what has no
    /// encoder is the server's alone.
    pub fn has_canonical_image(self) -> bool {
        !matches!(self, ValueType::Json | ValueType::Jsonb | ValueType::Other)
    }
}
