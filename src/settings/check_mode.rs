//! What a pipeline does with rows whose key is in the table.

use super::check_columns::{Checked, check_names};
use super::entry::{Entry, Names};
use super::problems::Section;
use super::raw::RawDeleteWhen;
use super::service::one_of;
use crate::plan::{DeleteWhen, WriteMode, WriteRules};

/// What is written of it.
pub(super) struct RawMode {
    pub mode: Option<Entry<String>>,
    pub update: Option<Entry<Names>>,
    pub version: Option<Entry<String>>,
    pub delete_when: Option<RawDeleteWhen>,
}

/// Without a key rows can only be added; with one, they replace.
pub(super) fn default_mode(key: &[String]) -> WriteMode {
    if key.is_empty() {
        WriteMode::Append
    } else {
        WriteMode::Upsert
    }
}

pub(super) fn check(
    raw: RawMode,
    columns: &Checked,
    header: bool,
    section: &mut Section<'_, '_>,
) -> (WriteMode, WriteRules) {
    let chosen = section.converted("mode", raw.mode, |text| match text.as_str() {
        "append" => Ok(WriteMode::Append),
        "upsert" => Ok(WriteMode::Upsert),
        "ignore" => Ok(WriteMode::Ignore),
        "newest" => Ok(WriteMode::Newest),
        _ => Err(one_of(&text, &["append", "upsert", "ignore", "newest"])),
    });
    let mode = chosen.unwrap_or_else(|| default_mode(&columns.key));
    // What is wrong with the mode or the key itself is said already; nothing follows from it.
    let unclear = section.concern("mode") || section.concern("key");
    if mode != WriteMode::Append && columns.key.is_empty() && !unclear {
        section.problem(
            "mode",
            "needs a key, by which a row finds the one that is there; name its columns in key",
        );
    }
    let rules = WriteRules {
        update: check_update(raw.update, mode, unclear, columns, section),
        version: check_version(raw.version, mode, unclear, columns, section),
        delete_when: check_delete_when(raw.delete_when, columns, header, section),
    };
    if rules.delete_when.is_some() && mode == WriteMode::Append && !unclear {
        section.problem(
            "delete_when",
            "needs a key and a mode that looks for it; name the key's columns in key",
        );
    }
    (mode, rules)
}

fn check_update(
    raw: Option<Entry<Names>>,
    mode: WriteMode,
    unclear: bool,
    columns: &Checked,
    section: &mut Section<'_, '_>,
) -> Option<Vec<String>> {
    let Names(names) = section.optional("update", raw)?;
    if mode != WriteMode::Upsert && !unclear {
        section.problem("update", "is for mode = \"upsert\" alone; leave it out");
    }
    if names.is_empty() {
        section.problem(
            "update",
            "is empty; leave it out to replace all columns, or write mode = \"ignore\" for none",
        );
    }
    check_names("update", &names, known(columns).as_ref(), section);
    if let Some(name) = names.iter().find(|name| columns.key.contains(name)) {
        section.problem(
            "update",
            format!("{name:?} is part of the key, which is what a row is found by; take it out"),
        );
    }
    Some(names)
}

fn check_version(
    raw: Option<Entry<String>>,
    mode: WriteMode,
    unclear: bool,
    columns: &Checked,
    section: &mut Section<'_, '_>,
) -> Option<String> {
    if mode != WriteMode::Newest {
        if raw.is_some() && !unclear {
            section.problem("version", "is for mode = \"newest\" alone; leave it out");
        }
        return None;
    }
    let name = section.required(
        "version",
        raw,
        "name the column whose greater value is the newer row",
    )?;
    check_names(
        "version",
        std::slice::from_ref(&name),
        known(columns).as_ref(),
        section,
    );
    if columns.key.contains(&name) {
        section.problem(
            "version",
            format!("{name:?} is part of the key, so that rows of one key all have the same"),
        );
    }
    Some(name)
}

fn check_delete_when(
    raw: Option<RawDeleteWhen>,
    columns: &Checked,
    header: bool,
    section: &mut Section<'_, '_>,
) -> Option<DeleteWhen> {
    let raw = raw?;
    let path = section.path_of("delete_when");
    let section = &mut section.below(path);
    let field = section.required(
        "field",
        raw.field,
        "name the field that tells the records that delete",
    );
    let values = section.required(
        "values",
        raw.values,
        "list the texts that mean a deletion, such as [\"D\"]",
    );
    let (field, values) = (field?, values?.0);
    if field.is_empty() {
        section.problem("field", "is empty; write the field's name");
    }
    if values.is_empty() {
        section.problem("values", "is empty, so that nothing would be deleted");
    }
    let mut named = columns.columns.iter().filter(|it| it.field == field);
    if !header && !named.any(|column| column.source.is_field()) {
        section.problem(
            "field",
            "is not among the columns that take a field; without a header fields have their columns' names",
        );
    }
    Some(DeleteWhen { field, values })
}

/// The columns that are loaded, where they are listed.
fn known(columns: &Checked) -> Option<Vec<&str>> {
    let names: Vec<&str> = columns.columns.iter().map(|it| it.name.as_str()).collect();
    (!names.is_empty()).then_some(names)
}
