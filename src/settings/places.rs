//! PURE: on which line of a TOML text each key stands.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The lines, by the keys' full paths.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<String, usize>);

impl Places {
    /// Those of a text; none where it is no TOML.
    pub fn of(text: &str) -> Places {
        let mut places = Places::default();
        if let Ok(table) = DeTable::parse(text) {
            places.note("", table.get_ref(), text);
        }
        places
    }

    /// The line of a key, counted from 1.
    pub fn line(&self, path: &str) -> Option<usize> {
        self.0.get(path).copied()
    }

    fn note(&mut self, parent: &str, table: &DeTable<'_>, text: &str) {
        for (key, value) in table {
            let path = match parent {
                "" => key.get_ref().to_string(),
                parent => format!("{parent}.{}", key.get_ref()),
            };
            self.0.insert(path.clone(), line_at(key, text));
            if let DeValue::Table(table) = value.get_ref() {
                self.note(&path, table, text);
            }
        }
    }
}

fn line_at<T>(key: &Spanned<T>, text: &str) -> usize {
    let before = text.get(..key.span().start).unwrap_or(text);
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_are_written() {
        let text = "# no key\n[log]\nlevel = \"info\"\n\n[pipelines.a]\nkey = [\n  \"x\",\n]\nformat.b = 1\n[[pipelines.a.columns]]\nname = \"n\"\n";
        let places = Places::of(text);
        let line = |path: &str| places.line(path);
        assert_eq!(line("log.level"), Some(3));
        assert_eq!(line("pipelines.a.key"), Some(6));
        assert_eq!(line("pipelines.a.format.b"), Some(9));
        assert_eq!(line("pipelines.a.columns"), Some(10));
        assert_eq!(line("log.nope"), None);
        assert_eq!(Places::of("[").line("a"), None);
    }
}
