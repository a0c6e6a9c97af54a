//! What a row does in the table.

use serde::{Deserialize, Serialize};

/// What happens to a row whose key is in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Every row is inserted. Where there is a key, it only routes the rows, so that those of one key
    /// come in order: the server refuses a row whose key is there.
    #[default]
    Append,
    /// The row replaces what is there; the last one wins.
    Upsert,
    /// What is there stays; the first one wins.
    Ignore,
    /// The row replaces what is there, unless that has a greater version; of equal versions the last
    /// one wins, and NULL is the lowest.
    Newest,
}

/// What the mode leaves open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WriteRules {
    /// `upsert`: the columns that are replaced where the key is there; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Vec<String>>,
    /// `newest`: the column that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which records delete the row of their key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_when: Option<DeleteWhen>,
}

/// A mark on the records that delete the row of their key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteWhen {
    /// The field's name in the header; it needs no column.
    pub field: String,
    /// Its texts, as the file has them, that mean a deletion.
    pub values: Vec<String>,
}

impl WriteRules {
    /// Whether the mode leaves nothing open.
    pub fn are_none(&self) -> bool {
        *self == WriteRules::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_stored_as_far_as_there_are_any() {
        let none = WriteRules::default();
        assert_eq!(serde_json::to_string(&none).expect("JSON"), "{}");
        let some = WriteRules {
            version: Some("seen".into()),
            delete_when: Some(DeleteWhen {
                field: "op".into(),
                values: vec!["D".into()],
            }),
            ..none
        };
        let stored = serde_json::to_string(&some).expect("JSON");
        let expected = r#"{"version":"seen","delete_when":{"field":"op","values":["D"]}}"#;
        assert_eq!(stored, expected);
        assert_eq!(serde_json::from_str::<WriteRules>(&stored).ok(), Some(some));
    }
}
