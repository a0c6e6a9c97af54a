//! The merged configuration with where each value comes from, for people and for programs.

use config::{Map, Value, ValueKind};
use ingestd_actors::error::Result;
use serde_json::json;

use super::keys::join;
use super::places::Places;
use super::secrets::hide;
use super::toml_text::{inline, key_text, lines_of};
use super::{Settings, Sources};

/// The example that is shipped: a line that begins with `#key` stands for a default.
const SHIPPED: &str = include_str!("../../config/ingestd.toml");

/// One value.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its section, such as `pipelines.events`.
    pub section: String,
    /// Its key there.
    pub key: String,
    /// What it is; passwords are not shown.
    pub value: Value,
    /// The line of the file, the variable, the flag, or `default`.
    pub source: String,
}

/// Every value that is set somewhere; with `all`, every default that has its place in a file too.
///
/// # Errors
/// `Configuration` where the configuration is not valid.
pub fn show(sources: &Sources, all: bool) -> Result<Vec<Shown>> {
    let settings = Settings::load(sources)?;
    let (tree, origins) = sources.merge()?;
    let places = Places::of(&sources.text()?);
    let file = sources.file_name();
    let source = |path: &str| {
        let origin = origins.of(path);
        match (origin == file, places.line(path)) {
            (true, Some(line)) => format!("{origin}:{line}"),
            _ => origin.to_owned(),
        }
    };
    let mut shown = Vec::new();
    for (section, table) in sections(&tree) {
        let mut keys: Vec<&String> = table.keys().collect();
        keys.sort_by_key(|key| (places.line(&join(&section, key)), key.to_owned()));
        for key in keys {
            let path = join(&section, key);
            shown.push(Shown {
                section: section.clone(),
                key: key.clone(),
                value: hide(key, &table[key]),
                source: source(&path),
            });
        }
        if all {
            shown.extend(defaults(&settings, &section, &table));
        }
    }
    Ok(shown)
}

/// The sections in their order, those without any key too.
fn sections(tree: &Map<String, Value>) -> Vec<(String, Map<String, Value>)> {
    let table = |value: Option<&Value>| match value.map(|value| &value.kind) {
        Some(ValueKind::Table(table)) => table.clone(),
        _ => Map::new(),
    };
    let mut sections: Vec<_> = ["service", "database", "log", "http"]
        .map(|name| (name.to_owned(), table(tree.get(name))))
        .into();
    let mut others: Vec<&String> = tree.keys().collect();
    others.sort();
    const NAMED: [&str; 3] = ["pipelines", "alerts", "alert_sinks"];
    for name in others {
        let known = ["service", "database", "log", "http"].contains(&name.as_str());
        if !known && !NAMED.contains(&name.as_str()) {
            sections.push((name.clone(), table(tree.get(name))));
        }
    }
    for above in NAMED {
        let tables = table(tree.get(above));
        let mut names: Vec<&String> = tables.keys().collect();
        names.sort();
        for name in names {
            sections.push((join(above, name), table(tables.get(name))));
        }
    }
    sections
}

/// The defaults of the keys that a section does not set.
fn defaults(settings: &Settings, section: &str, set: &Map<String, Value>) -> Vec<Shown> {
    let default = |key: &str, value: Value| Shown {
        section: section.to_owned(),
        key: key.to_owned(),
        value,
        source: "default".to_owned(),
    };
    let mut shown = Vec::new();
    if section == "service" && !set.contains_key("data_dir") {
        let path = settings.service.data_dir.display().to_string();
        shown.push(default("data_dir", Value::from(path)));
    }
    let name = section.strip_prefix("pipelines.");
    let pipeline = name.and_then(|name| settings.pipelines.iter().find(|it| it.name == name));
    for (key, value) in shipped(section) {
        if set.contains_key(&key) {
            continue;
        }
        let value = match (pipeline, key.as_str()) {
            (Some(pipeline), "archive" | "quarantine") => {
                Value::from(format!("{key}/{}", pipeline.name))
            }
            (Some(pipeline), "mode") if pipeline.key.is_empty() => Value::from("append"),
            _ => value,
        };
        shown.push(default(&key, value));
    }
    if let Some(pipeline) = pipeline.filter(|_| !set.contains_key("partitions")) {
        let count = i64::from(pipeline.partitions);
        shown.push(default("partitions", Value::from(count)));
    }
    shown
}

/// The defaults that the shipped example has for a section, in its order.
fn shipped(section: &str) -> Vec<(String, Value)> {
    let wanted = match section.strip_prefix("pipelines.") {
        Some(_) => "[pipelines.events]".to_owned(),
        None => format!("[{section}]"),
    };
    let of_section = SHIPPED
        .lines()
        .skip_while(|line| *line != wanted)
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let mut defaults = Vec::new();
    for line in of_section {
        let Some(text) = line.strip_prefix('#') else {
            continue;
        };
        let Some((key, _)) = text.split_once(" = ") else {
            continue;
        };
        if !key.starts_with(|c: char| c.is_ascii_lowercase()) {
            continue;
        }
        let parsed = config::Config::builder()
            .add_source(config::File::from_str(text, config::FileFormat::Toml))
            .build()
            .and_then(|parsed| parsed.get::<Value>(key));
        defaults.extend(parsed.ok().map(|value| (key.to_owned(), value)));
    }
    defaults
}

/// As TOML: what it says means the same, but for passwords.
pub fn as_toml(shown: &[Shown]) -> String {
    let mut text = String::new();
    for (number, values) in shown.chunk_by(|a, b| a.section == b.section).enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let section: Vec<String> = values[0].section.split('.').map(key_text).collect();
        text.push_str(&format!("[{}]\n", section.join(".")));
        for value in values {
            let key = key_text(&value.key);
            match lines_of(&value.value) {
                Some(lines) => {
                    text.push_str(&format!("{key} = [ # {}\n", value.source));
                    for line in lines {
                        text.push_str(&format!("    {line},\n"));
                    }
                    text.push_str("]\n");
                }
                None => {
                    let inline = inline(&value.value);
                    text.push_str(&format!("{key} = {inline} # {}\n", value.source));
                }
            }
        }
    }
    text
}

/// As JSON: a list of values.
pub fn as_json(shown: &[Shown]) -> serde_json::Value {
    let one = |shown: &Shown| {
        json!({
            "key": join(&shown.section, &shown.key), "value": json_of(&shown.value),
            "source": shown.source,
        })
    };
    shown.iter().map(one).collect()
}

fn json_of(value: &Value) -> serde_json::Value {
    match &value.kind {
        ValueKind::Nil => serde_json::Value::Null,
        ValueKind::Boolean(flag) => json!(flag),
        ValueKind::I64(number) => json!(number),
        ValueKind::U64(number) => json!(number),
        ValueKind::Float(number) => json!(number),
        ValueKind::String(text) => json!(text),
        ValueKind::Array(values) => values.iter().map(json_of).collect(),
        ValueKind::Table(table) => {
            let sorted: std::collections::BTreeMap<_, _> = table.iter().collect();
            let pairs = sorted
                .into_iter()
                .map(|(key, value)| (key.clone(), json_of(value)));
            serde_json::Value::Object(pairs.collect())
        }
        other => json!(other.to_string()),
    }
}
