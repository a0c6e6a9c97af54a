//! Which keys there are, and the search for those that there are not.
//!
//! The names come from the raw structs themselves, so that no second list can go stale.

use config::{Map, Value, ValueKind};
use serde::Deserialize;
use serde::de::value::Error as PlainError;
use serde::de::{self, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::check_http::TOKEN_VARIABLE;
use super::problems::Problems;
use super::raw::{
    RawAlert, RawAlertSink, RawAlerting, RawColumn, RawDatabase, RawDeleteWhen, RawFilter,
    RawGenerated, RawHttp, RawHttpTls, RawLog, RawPipeline, RawRedropped, RawService, RawSettings,
};

/// The sections of the configuration and the names of their keys, to hold documents against.
#[cfg(test)]
pub fn all_sections() -> [(&'static str, &'static [&'static str]); 14] {
    [
        ("service", names_of::<RawService>()),
        ("database", names_of::<RawDatabase>()),
        ("log", names_of::<RawLog>()),
        ("http", names_of::<RawHttp>()),
        ("http.tls", names_of::<RawHttpTls>()),
        ("pipelines.NAME", names_of::<RawPipeline>()),
        ("pipelines.NAME.delete_when", names_of::<RawDeleteWhen>()),
        ("pipelines.NAME.columns", names_of::<RawColumn>()),
        ("pipelines.NAME.generated", names_of::<RawGenerated>()),
        ("pipelines.NAME.filters", names_of::<RawFilter>()),
        ("pipelines.NAME.redropped", names_of::<RawRedropped>()),
        ("alerting", names_of::<RawAlerting>()),
        ("alerts.NAME", names_of::<RawAlert>()),
        ("alert_sinks.NAME", names_of::<RawAlertSink>()),
    ]
}

/// Takes out of the tree what does not belong there, and reports it: unknown keys, and values where
/// a table has to be. What is left fits the raw structs.
pub fn prune(tree: &mut Map<String, Value>, problems: &mut Problems) {
    keep_known(tree, "", names_of::<RawSettings>(), problems);
    prune_section::<RawService>(tree, "service", problems);
    prune_section::<RawDatabase>(tree, "database", problems);
    prune_section::<RawLog>(tree, "log", problems);
    prune_http(tree, problems);
    prune_section::<RawAlerting>(tree, "alerting", problems);
    prune_named::<RawAlert>(tree, "alerts", problems);
    prune_named::<RawAlertSink>(tree, "alert_sinks", problems);

    let Some(pipelines) = table_at(tree, "pipelines", "", problems) else {
        return;
    };
    let mut names: Vec<String> = pipelines.keys().cloned().collect();
    names.sort();
    for name in names {
        let path = format!("pipelines.{name}");
        let Some(pipeline) = table_at(pipelines, &name, "pipelines", problems) else {
            continue;
        };
        keep_known(pipeline, &path, names_of::<RawPipeline>(), problems);
        if let Some(section) = table_at(pipeline, "delete_when", &path, problems) {
            let path = join(&path, "delete_when");
            keep_known(section, &path, names_of::<RawDeleteWhen>(), problems);
        }
        if let Some(section) = table_at(pipeline, "redropped", &path, problems) {
            let path = join(&path, "redropped");
            keep_known(section, &path, names_of::<RawRedropped>(), problems);
        }
        prune_list::<RawColumn>(pipeline, "columns", &path, problems);
        prune_list::<RawGenerated>(pipeline, "generated", &path, problems);
        prune_list::<RawFilter>(pipeline, "filters", &path, problems);
    }
}

/// The path of the `index`-th table of a list: by its name, or by its number from 1.
pub fn item_path(list: &str, name: Option<&str>, index: usize) -> String {
    match name {
        Some(name) if !name.is_empty() => format!("{list}.{name}"),
        _ => format!("{list}.{}", index + 1),
    }
}

/// The known name that `name` is most likely meant to be.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

fn prune_section<T: for<'de> Deserialize<'de>>(
    tree: &mut Map<String, Value>,
    key: &str,
    problems: &mut Problems,
) {
    if let Some(section) = table_at(tree, key, "", problems) {
        keep_known(section, key, names_of::<T>(), problems);
    }
}

fn prune_http(tree: &mut Map<String, Value>, problems: &mut Problems) {
    let Some(http) = table_at(tree, "http", "", problems) else {
        return;
    };
    // Nobody should wonder why this one is unknown.
    if http.remove("token").is_some() {
        let text = format!(
            "a token does not stand in the configuration; put it into a file that token_file names, \
             or into the variable {TOKEN_VARIABLE}"
        );
        problems.add("http.token", text);
    }
    keep_known(http, "http", names_of::<RawHttp>(), problems);
    if let Some(tls) = table_at(http, "tls", "http", problems) {
        keep_known(tls, "http.tls", names_of::<RawHttpTls>(), problems);
    }
}

/// A table of tables, each under a name of its own.
fn prune_named<T: for<'de> Deserialize<'de>>(
    tree: &mut Map<String, Value>,
    key: &str,
    problems: &mut Problems,
) {
    let Some(tables) = table_at(tree, key, "", problems) else {
        return;
    };
    let mut names: Vec<String> = tables.keys().cloned().collect();
    names.sort();
    for name in names {
        if let Some(table) = table_at(tables, &name, key, problems) {
            keep_known(table, &join(key, &name), names_of::<T>(), problems);
        }
    }
}

fn prune_list<T: for<'de> Deserialize<'de>>(
    pipeline: &mut Map<String, Value>,
    key: &str,
    parent: &str,
    problems: &mut Problems,
) {
    let path = join(parent, key);
    let Some(value) = pipeline.get_mut(key) else {
        return;
    };
    let ValueKind::Array(items) = &mut value.kind else {
        problems.add(
            &path,
            format!("expected a list of tables; begin each with [[{path}]]"),
        );
        pipeline.remove(key);
        return;
    };
    let mut index = 0;
    items.retain_mut(|item| {
        index += 1;
        let ValueKind::Table(table) = &mut item.kind else {
            problems.add(
                &item_path(&path, None, index - 1),
                format!(
                    "expected a table such as {{ {} = \"…\" }}, or one that begins with [[{path}]]",
                    names_of::<T>()[0]
                ),
            );
            return false;
        };
        let name = table.get("name").and_then(|name| match &name.kind {
            ValueKind::String(name) => Some(name.clone()),
            _ => None,
        });
        let path = item_path(&path, name.as_deref(), index - 1);
        keep_known(table, &path, names_of::<T>(), problems);
        true
    });
}

fn table_at<'a>(
    tree: &'a mut Map<String, Value>,
    key: &str,
    parent: &str,
    problems: &mut Problems,
) -> Option<&'a mut Map<String, Value>> {
    let is_table = matches!(tree.get(key)?.kind, ValueKind::Table(_));
    if !is_table {
        let path = join(parent, key);
        problems.add(
            &path,
            format!("expected a table; begin it with [{path}], and give its keys below"),
        );
        tree.remove(key);
    }
    match &mut tree.get_mut(key)?.kind {
        ValueKind::Table(table) => Some(table),
        _ => None,
    }
}

fn keep_known(
    table: &mut Map<String, Value>,
    path: &str,
    known: &'static [&'static str],
    problems: &mut Problems,
) {
    let mut unknown: Vec<String> = table
        .keys()
        .filter(|key| !known.contains(&key.as_str()))
        .cloned()
        .collect();
    unknown.sort();
    for key in unknown {
        let advice = match nearest(&key.to_lowercase(), known.iter().copied()) {
            Some(meant) => format!("unknown key; did you mean {meant:?}?"),
            None => format!("unknown key; known here are {}", known.join(", ")),
        };
        problems.add(&join(path, &key), advice);
        table.remove(&key);
    }
}

/// The path of a key in a section; the root's is empty.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The names of a struct's fields, as serde knows them.
fn names_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // The listener takes the names and ends with an error: nothing is there to be read.
    let _ = T::deserialize(Listener(&mut names));
    names
}

/// A deserializer that only listens which fields a struct asks for.
struct Listener<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = PlainError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, PlainError> {
        *self.0 = fields;
        Err(de::Error::custom("only the names were wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, PlainError> {
        Err(de::Error::custom("no struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_people_write() {
        let columns = names_of::<RawColumn>();
        assert!(columns.contains(&"type") && columns.contains(&"default"));
        assert!(!columns.contains(&"sql_type"));
        assert_eq!(
            names_of::<RawSettings>(),
            [
                "service",
                "database",
                "log",
                "http",
                "pipelines",
                "alerting",
                "alerts",
                "alert_sinks"
            ]
        );
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["pattern", "partitions", "quote"];
        assert_eq!(nearest("patern", known), Some("pattern"));
        assert_eq!(nearest("partition", known), Some("partitions"));
        assert_eq!(nearest("colour", known), None);
    }
}
