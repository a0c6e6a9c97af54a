//! One pipeline: from what is written to what is run.

use std::path::Path;
use std::time::Duration;

use globset::Glob;

use super::ad_hoc::{self, BATCH_BYTES, BATCH_ROWS, MEMORY, SCAN_INTERVAL, SETTLE};
use super::check_archive::{self, RawArchive};
use super::check_columns::{self, Columns};
use super::check_dialect::{self, Written};
use super::check_input::{self, Input};
use super::check_letters::{self, RawLetters};
use super::check_mapping::{self, RawMapping};
use super::check_mode::{self, RawMode};
use super::check_redropped::{self, RawCompanions};
use super::check_tolerance::{self, RawTolerance};
use super::entry::Size;
use super::inboxes::{self, Nesting};
use super::problems::{Problems, Section};
use super::raw::RawPipeline;
use super::service::{at_least, check_path, one_of};
use super::units::show_size;
use super::{FileOrder, Pipeline};
use crate::plan::{Dialect, TableName};

/// The most partitions: each one is a connection to the server.
const MOST_PARTITIONS: u64 = 256;
/// The least memory in flight: four of the smallest useful batches.
const LEAST_MEMORY: u64 = 4 << 20;
/// The most of any size: the server takes no larger value either.
const LARGEST: u64 = 1 << 30;
/// The longest name, which is part of paths and of messages.
const LONGEST_NAME: usize = 63;

/// Validates one pipeline; `None` where something is wrong that it can't do without.
pub(super) fn check(
    name: &str,
    raw: RawPipeline,
    data_dir: &Path,
    problems: &mut Problems<'_>,
) -> Option<Pipeline> {
    let path = format!("pipelines.{name}");
    if let Err(text) = check_name(name) {
        problems.add(&path, text);
        return None;
    }
    let mut section = problems.at(path);
    let section = &mut section;

    let directory = section
        .required(
            "directory",
            raw.directory,
            "name the directory that files arrive in",
        )
        .and_then(|text| keep(section, "directory", check_path(text)))
        .map(|directory| data_dir.join(directory));
    let pattern = section
        .converted("pattern", raw.pattern, check_pattern)
        .unwrap_or_else(|| "*.csv".to_owned());
    let recursive = section.optional("recursive", raw.recursive);
    let order = section.converted("order", raw.order, |text| match text.as_str() {
        "name" => Ok(FileOrder::Name),
        "modified" => Ok(FileOrder::Modified),
        _ => Err(one_of(&text, &["name", "modified"])),
    });
    let settle = section.optional("settle", raw.settle);
    let scan_interval = section.converted("scan_interval", raw.scan_interval, |interval| {
        at_least(interval, Duration::from_millis(10))
    });

    let leaving = RawArchive {
        archive: raw.archive,
        quarantine: raw.quarantine,
        finished: raw.finished,
        delete_after: raw.delete_after,
        archive_collision: raw.archive_collision,
        archive_dates: raw.archive_dates,
        archive_compression: raw.archive_compression,
        archive_retention: raw.archive_retention,
        quarantine_retention: raw.quarantine_retention,
    };
    let leaving = check_archive::check(leaving, name, data_dir, section);

    let letters = RawLetters {
        retention: raw.dead_letter_retention,
        most: raw.dead_letter_most,
        new_retention: raw.new_dead_letter_retention,
    };
    let letters = check_letters::check(letters, section);

    let header = section.optional("header", raw.header).unwrap_or(true);
    let dialect = check_dialect::check(
        Written {
            delimiter: raw.delimiter,
            quote: raw.quote,
            escape: raw.escape,
            comment: raw.comment,
            trim: raw.trim,
            skip_lines: raw.skip_lines,
            null: raw.null,
            quoted_null: raw.quoted_null,
        },
        section,
    );

    let table = section
        .required(
            "table",
            raw.table,
            "name the table, as \"name\" or \"schema.name\"",
        )
        .and_then(|text| keep(section, "table", TableName::parse(&text)));
    let create = section.optional("create", raw.create).unwrap_or(false);
    let mapping = check_mapping::check(
        RawMapping {
            header_case: raw.header_case,
            extra_columns: raw.extra_columns,
            missing_columns: raw.missing_columns,
            other_columns: raw.other_columns,
            filters: raw.filters,
            header,
        },
        section,
    );
    let columns = check_columns::check(
        Columns {
            columns: raw.columns,
            generated: raw.generated,
            key: raw.key,
            indexes: raw.indexes,
            create,
            header,
            load_others: mapping.load_others,
        },
        section,
    );

    check_dialect::check_spellings(&dialect, &columns.columns, section);
    let writing = RawMode {
        mode: raw.mode,
        update: raw.update,
        version: raw.version,
        delete_when: raw.delete_when,
    };
    let (mode, rules) = check_mode::check(writing, &columns, header, section);

    let partitions = section.converted("partitions", raw.partitions, |partitions| {
        within(partitions, 1, MOST_PARTITIONS)
            .map(|partitions| u16::try_from(partitions).unwrap_or(1))
    });
    let batch_rows = section.converted("batch_rows", raw.batch_rows, |rows| {
        within(rows, 1, 10_000_000)
    });
    let memory = section
        .converted("memory", raw.memory, |Size(memory)| {
            size_within(memory, LEAST_MEMORY, 64 * LARGEST)
        })
        .unwrap_or(MEMORY as u64);
    // Four of them are in flight at least: one is read, one waits, one is written, one is kept
    // until its commit is known.
    let share = |key: &str, entry, least, default: u64, section: &mut Section<'_, '_>| {
        let given = section.converted(key, entry, |Size(bytes)| {
            let bytes = size_within(bytes, least, LARGEST)?;
            if bytes > memory / 4 {
                return Err(format!(
                    "{} is more than a quarter of memory ({}); lower it, or raise memory to {} or more",
                    show_size(bytes),
                    show_size(memory),
                    show_size(bytes * 4)
                ));
            }
            Ok(bytes)
        });
        given.unwrap_or(default.min(memory / 4))
    };
    let defaults = Dialect::default();
    let batch_bytes = share(
        "batch_bytes",
        raw.batch_bytes,
        1 << 10,
        BATCH_BYTES as u64,
        section,
    );
    let max_record = share(
        "max_record",
        raw.max_record,
        1,
        defaults.max_record,
        section,
    );
    let mut dialect = Dialect {
        header,
        max_record,
        ..dialect
    };
    let input = Input {
        encoding: raw.encoding,
        compression: raw.compression,
        max_ratio: raw.max_ratio,
    };
    check_input::check(input, &mut dialect, section);

    let redropped = check_redropped::check(raw.redropped, section);
    let companions = check_redropped::check_companions(
        RawCompanions {
            done_marker: raw.done_marker,
            manifest: raw.manifest,
        },
        section,
    );
    let tolerance = RawTolerance {
        all_or_nothing: raw.all_or_nothing,
        max_errors: raw.max_errors,
        max_error_ratio: raw.max_error_ratio,
        min_records: raw.min_records,
    };
    let tolerance = check_tolerance::check(tolerance, section);

    let pipeline = Pipeline {
        name: name.to_owned(),
        directory: directory?,
        pattern,
        recursive: recursive.unwrap_or(false),
        order: order.unwrap_or(FileOrder::Name),
        settle: settle.unwrap_or(SETTLE),
        scan_interval: scan_interval.unwrap_or(SCAN_INTERVAL),
        table: table?,
        key: columns.key,
        mode,
        rules,
        create,
        columns: columns.columns,
        generated: columns.generated,
        indexes: columns.indexes,
        dialect,
        mapping,
        partitions: partitions.unwrap_or_else(ad_hoc::default_partitions),
        batch_rows: batch_rows.map_or(BATCH_ROWS, |rows| rows as usize),
        batch_bytes: batch_bytes as usize,
        memory: memory as usize,
        archive: leaving.archive,
        quarantine: leaving.quarantine,
        archive_rules: leaving.rules,
        redropped,
        companions,
        tolerance,
        letters,
    };
    check_targets(&pipeline, section);
    Some(pipeline)
}

fn keep<T>(section: &mut Section<'_, '_>, key: &str, checked: Result<T, String>) -> Option<T> {
    checked.map_err(|text| section.problem(key, text)).ok()
}

/// Names that are parts of paths, of messages and of variables.
pub(super) fn plain_name(name: &str, what: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    match name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
        true => Err(format!(
            "{name:?} can't be {what}; use 1 to {LONGEST_NAME} lower-case letters, digits, _ and -"
        )),
        false => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    plain_name(name, "a pipeline's name")?;
    if name.starts_with(ad_hoc::PREFIX) {
        return Err(format!(
            "names that begin with {} are kept for `ingestd load --table`; choose another",
            ad_hoc::PREFIX
        ));
    }
    Ok(())
}

fn check_pattern(pattern: String) -> Result<String, String> {
    if pattern.is_empty() {
        return Err("is empty; write a pattern such as \"*.csv\"".to_owned());
    }
    if pattern.contains('/') {
        return Err(format!(
            "{pattern:?} has a /, but a pattern is for the file's name alone; put the directory into directory, and set recursive for those below"
        ));
    }
    match Glob::new(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(format!(
            "{pattern:?} is no pattern: {}; write one such as \"*.csv\" or \"events-*.{{csv,txt}}\"",
            error.kind()
        )),
    }
}

fn within(number: u64, least: u64, most: u64) -> Result<u64, String> {
    if number < least || number > most {
        return Err(format!("{number} can't be; write {least} to {most}"));
    }
    Ok(number)
}

fn size_within(bytes: u64, least: u64, most: u64) -> Result<u64, String> {
    if bytes < least || bytes > most {
        return Err(format!(
            "{} can't be; write {} to {}",
            show_size(bytes),
            show_size(least),
            show_size(most)
        ));
    }
    Ok(bytes)
}

/// What leaves the inbox must not come back by another door.
fn check_targets(pipeline: &Pipeline, section: &mut Section<'_, '_>) {
    for (key, target) in [
        ("archive", &pipeline.archive),
        ("quarantine", &pipeline.quarantine),
    ] {
        let Some(target) = target else { continue };
        match inboxes::nesting(&pipeline.directory, target) {
            Nesting::Same => section.problem(
                key,
                format!(
                    "is the directory that files arrive in; name another, or write {key} = false to leave them there"
                ),
            ),
            Nesting::Below if pipeline.recursive => section.problem(
                key,
                "is below the directory that files arrive in, which recursive = true watches; name one outside",
            ),
            _ => {}
        }
    }
}
