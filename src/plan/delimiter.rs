//! A delimiter as it is stored: its bytes, or, in plans of older versions, one of them as a number.

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Byte(u8),
    Bytes(Vec<u8>),
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    Ok(match Stored::deserialize(deserializer)? {
        Stored::Byte(byte) => vec![byte],
        Stored::Bytes(bytes) => bytes,
    })
}

#[cfg(test)]
mod tests {
    use crate::plan::{Column, Dialect};

    #[test]
    fn a_plan_of_before_there_were_dialects_means_what_it_meant() {
        let stored = r#"{"delimiter": 59, "quote": 34, "header": true, "max_record": 1048576}"#;
        let dialect: Dialect = serde_json::from_str(stored).expect("a stored dialect");
        let expected = Dialect {
            delimiter: b";".to_vec(),
            encoding: None,
            compression: crate::plan::Compression::None,
            ..Dialect::default()
        };
        assert_eq!(dialect, expected);

        let stored = r#"{"name": "a", "field": "a", "value_type": "int4", "type_name": "integer",
            "required": true, "trim": false, "case": null, "allowed": [], "minimum": null,
            "maximum": null, "finite": false}"#;
        let column: Column = serde_json::from_str(stored).expect("a stored column");
        assert_eq!((column.null, column.quoted_null), (None, None));
    }

    #[test]
    fn a_dialect_is_stored_whole() {
        let dialect = Dialect {
            delimiter: "→|".into(),
            quote: None,
            escape: Some(b'\\'),
            comment: Some(b'#'),
            trim: true,
            skip_lines: 3,
            null: vec!["NA".into()],
            quoted_null: vec![String::new()],
            header: false,
            max_record: 17,
            encoding: Some("windows-1252".into()),
            compression: crate::plan::Compression::None,
            max_ratio: 7,
        };
        let stored = serde_json::to_string(&dialect).expect("JSON");
        let read: Dialect = serde_json::from_str(&stored).expect("what was written");
        assert_eq!(read, dialect);
    }
}
