//! Where a path lies: in which pipeline's directory, and whether it is a file that is ready there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ingestd_actors::error::Result;
use ingestd_actors::model::Candidate;

use super::facts::{PassedOver, Place, Unfinished};
use crate::fs::{
    Companion, LONGEST_PATH, candidate_of, companion_of, companion_path, excluded, inbox_root,
    is_ready_name, matcher, path_text,
};
use crate::settings::Pipeline;

/// A path as the inbox of a pipeline would name it: links in its directory followed, not its own.
pub fn as_found(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (whole.parent(), whole.file_name()) {
        (Some(directory), Some(name)) => directory
            .canonicalize()
            .map_or(whole.clone(), |directory| directory.join(name)),
        _ => whole,
    }
}

/// The regular file that stands at a path itself.
pub fn stands(path: &Path) -> Option<Candidate> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    let is_file = metadata.is_file();
    is_file.then(|| candidate_of(path.to_owned(), &metadata))
}

/// Where a path lies, and the pipeline in whose directory that is. Of several pipelines with one
/// directory the one that takes the file counts.
///
/// # Errors
/// Where a pattern is none.
pub fn place<'a>(pipelines: &'a [Pipeline], path: &Path) -> Result<(Place, Option<&'a Pipeline>)> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok((Place::Missing, None));
    };
    let mut passed_over = None;
    for pipeline in pipelines {
        let root = inbox_root(&pipeline.directory);
        let Some(directory) = path.parent().filter(|it| it.starts_with(&root)) else {
            continue;
        };
        match pass_over(pipeline, &root, directory, path, &metadata)? {
            None => {
                let candidate = candidate_of(path.to_owned(), &metadata);
                return Ok((readiness(pipeline, &candidate), Some(pipeline)));
            }
            Some(why) => {
                // The nearest reason: a name that no pattern has says less than a hidden one.
                passed_over.get_or_insert((why, pipeline));
            }
        }
    }
    if let Some((why, pipeline)) = passed_over {
        return Ok((why, Some(pipeline)));
    }
    if metadata.is_dir() {
        let elsewhere = Place::Elsewhere {
            why: "it is a directory".to_owned(),
            advice: "name a file in it".to_owned(),
        };
        return Ok((elsewhere, None));
    }
    if let Some(left) = left_over(pipelines, path) {
        return Ok((left, None));
    }
    let inboxes = pipelines.iter().map(|pipeline| {
        let directory = path_text(&inbox_root(&pipeline.directory));
        (pipeline.name.clone(), directory)
    });
    Ok((Place::Outside(inboxes.collect()), None))
}

/// What stands where finished files go, and no file of the ledger is known to stand there.
fn left_over(pipelines: &[Pipeline], path: &Path) -> Option<Place> {
    let is_in = |directory: &Option<PathBuf>| {
        let directory = directory.as_ref();
        directory.is_some_and(|it| path.starts_with(inbox_root(it)))
    };
    let mut kinds = pipelines.iter().filter_map(|pipeline| {
        let quarantined = is_in(&pipeline.quarantine).then_some("quarantine");
        let what = quarantined.or_else(|| is_in(&pipeline.archive).then_some("archive"));
        Some((pipeline, what?))
    });
    let (pipeline, what) = kinds.next()?;
    Some(Place::Elsewhere {
        why: format!(
            "it stands in the {what} of pipeline {}, and the ledger has no file there: it was forgotten, or somebody has put it there",
            pipeline.name
        ),
        advice: format!(
            "remove it, or move it to {} to have it loaded",
            path_text(&inbox_root(&pipeline.directory))
        ),
    })
}

/// What keeps it from being a file of the pipeline.
fn pass_over(
    pipeline: &Pipeline,
    root: &Path,
    directory: &Path,
    path: &Path,
    metadata: &std::fs::Metadata,
) -> Result<Option<Place>> {
    let because = |by, why: String, advice: &str| {
        Ok(Some(Place::PassedOver {
            by,
            why,
            advice: advice.to_owned(),
        }))
    };
    let name = path.file_name().unwrap_or_default();
    if directory != root {
        let below = directory.strip_prefix(root).unwrap_or(directory);
        let hidden = |part: &OsStr| part.as_bytes().starts_with(b".");
        let leaves = excluded(pipeline);
        if leaves.iter().any(|it| directory.starts_with(it)) {
            let why = "it stands where finished files go".to_owned();
            return because(
                PassedOver::Below,
                why,
                "`ingestd files` says what became of the files there",
            );
        }
        if !pipeline.recursive || below.iter().any(hidden) {
            let why = match pipeline.recursive {
                true => "it stands below a hidden directory, which is not looked into".to_owned(),
                false => format!(
                    "it stands below the directory of pipeline {}, which is not recursive",
                    pipeline.name
                ),
            };
            return because(
                PassedOver::Below,
                why,
                "move it up, or say recursive = true",
            );
        }
    }
    let comes_with = |ending: &String| name.as_bytes().ends_with(ending.as_bytes());
    if pipeline.companions.endings().iter().any(comes_with) {
        let why = "it is a marker or a manifest, which comes with a file".to_owned();
        return because(PassedOver::NotMatched, why, "ask about the file itself");
    }
    if !is_ready_name(name) {
        let why = "its name is one of an unfinished file: it begins with a dot, or ends in .tmp, .part or .partial"
            .to_owned();
        return because(
            PassedOver::UnfinishedName,
            why,
            "whoever writes it renames it once it is whole",
        );
    }
    if !matcher(pipeline)?.is_match(Path::new(name)) {
        let why = format!(
            "its name does not match the pattern {:?} of pipeline {}",
            pipeline.pattern, pipeline.name
        );
        return because(
            PassedOver::NotMatched,
            why,
            "give it another name, or the pipeline another pattern",
        );
    }
    if !metadata.is_file() {
        let what = match metadata.is_symlink() {
            true => "a symbolic link",
            false => "no regular file",
        };
        let why = format!("it is {what}, and only files that stand here themselves are loaded");
        return because(PassedOver::NoFile, why, "put the file itself there");
    }
    if path_text(path).len() > LONGEST_PATH {
        let why = "its path is too long for the ledger: more than 2,000 bytes".to_owned();
        return because(PassedOver::NoFile, why, "move it up, or shorten the names");
    }
    Ok(None)
}

/// Whether it is finished by whoever writes it, as far as can be seen from outside: the service may
/// have seen it closed, and not wait for it to settle.
fn readiness(pipeline: &Pipeline, candidate: &Candidate) -> Place {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let clock = clock.map_or(0, |it| i64::try_from(it.as_nanos()).unwrap_or(i64::MAX));
    let missing = |by, ending: &str| {
        let name = companion_path(&candidate.path, ending);
        let name = path_text(name.file_name().unwrap_or_default().as_ref());
        let why = match companion_of(candidate, ending, clock) {
            Ok(Companion::There(_)) => return None,
            Ok(Companion::Missing) => format!("{name} is not there yet"),
            Ok(Companion::Older) => {
                format!("it was written after {name}, which counts once it is written again")
            }
            Err(error) => format!("{name} can't be looked at: {error}"),
        };
        Some(Place::Unfinished {
            by,
            why,
            left: None,
        })
    };
    let companions = &pipeline.companions;
    let manifest = companions.manifest.as_deref();
    let marker = companions.done_marker.as_deref();
    let waits = manifest.and_then(|ending| missing(Unfinished::Manifest, ending));
    let waits = waits.or_else(|| marker.and_then(|it| missing(Unfinished::Marker, it)));
    if let Some(waits) = waits {
        return waits;
    }
    let age = clock.saturating_sub(candidate.modified);
    let age = Duration::from_nanos(u64::try_from(age).unwrap_or(0));
    let left = pipeline.settle.saturating_sub(age);
    if left.is_zero() || marker.is_some() {
        return Place::Ready {
            scan_interval: pipeline.scan_interval,
        };
    }
    Place::Unfinished {
        by: Unfinished::Settling,
        why: format!(
            "it may still be written: it is ready in {:.1} s, once it has not changed for {} s",
            left.as_secs_f64(),
            pipeline.settle.as_secs_f64()
        ),
        left: Some(left),
    }
}

#[cfg(test)]
#[path = "place_tests.rs"]
mod tests;
