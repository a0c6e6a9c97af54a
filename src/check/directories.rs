//! The directories of a pipeline: what it reads, and where finished files go.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Finding;
use super::space::{may_change, may_list, nearest, room};
use crate::fs::{count_files, path_text};
use crate::settings::{Finished, Pipeline};

/// Looks at the directories of one pipeline.
pub fn check(pipeline: &Pipeline, data_dir: &Path) -> Vec<Finding> {
    let mut findings = inbox(pipeline, data_dir);
    for (name, target) in [
        ("archive", &pipeline.archive),
        ("quarantine", &pipeline.quarantine),
    ] {
        let key = format!("pipelines.{}.{name}", pipeline.name);
        match target {
            Some(target) => findings.extend(target_directory(&key, target, &pipeline.directory)),
            None => findings.push(Finding::ok(key, stays(pipeline, name))),
        }
    }
    findings
}

fn stays(pipeline: &Pipeline, which: &str) -> &'static str {
    match pipeline.archive_rules.finished {
        Finished::Delete { .. } if which == "archive" => {
            "loaded files are deleted after delete_after"
        }
        _ => "files stay where they are",
    }
}

fn inbox(pipeline: &Pipeline, data_dir: &Path) -> Vec<Finding> {
    let key = format!("pipelines.{}.directory", pipeline.name);
    let path = &pipeline.directory;
    let text = path_text(path);
    if !path.exists() {
        let parent_there = path.parent().is_some_and(Path::is_dir);
        let there = nearest(path);
        if (path.starts_with(data_dir) || parent_there) && may_change(&there) {
            return vec![Finding::ok(key, format!("{text} would be made"))];
        }
        let what = match may_change(&there) {
            true => format!("{text} is not there, and neither is the directory above it"),
            false => format!("{text} is not there, and this user can't make it"),
        };
        return vec![Finding::error(key, what, "create it, or change the key")];
    }
    if !path.is_dir() {
        let what = format!("{text} is no directory");
        return vec![Finding::error(key, what, "name a directory, not a file")];
    }
    if !may_list(path) {
        let what = format!("{text} can't be read by this user");
        let advice = "give the service's user the right to read and enter it";
        return vec![Finding::error(key, what, advice)];
    }
    let mut findings = Vec::new();
    let moves = pipeline.archive.is_some() || pipeline.quarantine.is_some();
    if moves && !may_change(path) {
        let what = format!("{text} can't be written by this user: no file can leave it");
        let advice = "give the service's user the right to write there, or set archive = false and quarantine = false";
        findings.push(Finding::error(&key, what, advice));
    }
    findings.extend(waiting(pipeline, &key, &text));
    findings
}

fn waiting(pipeline: &Pipeline, key: &str, text: &str) -> Vec<Finding> {
    let (files, passed_over) = match count_files(pipeline) {
        Ok(found) => found,
        Err(error) => return vec![Finding::of(key, &error)],
    };
    let mut findings = Vec::new();
    for (path, reason) in passed_over {
        let advice = "move it away, or put a file there";
        let what = format!("{} is passed over: {reason}", path_text(&path));
        findings.push(Finding::warning(key, what, advice));
    }
    let others = std::fs::read_dir(&pipeline.directory).map_or(0, |entries| {
        let is_file = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|it| it.is_file());
        entries.flatten().filter(is_file).count()
    });
    let pattern = format!("pipelines.{}.pattern", pipeline.name);
    if files == 0 && others > 0 {
        let what = format!(
            "{:?} matches nothing in {text}, which has other files: {others}",
            pipeline.pattern
        );
        let advice = "change the pattern, or leave it where they are not to be loaded";
        findings.push(Finding::warning(pattern, what, advice));
    } else {
        let what = format!("{text}; files that match {:?}: {files}", pipeline.pattern);
        findings.push(Finding::ok(key, what));
    }
    findings
}

fn target_directory(key: &str, target: &Path, inbox: &Path) -> Vec<Finding> {
    let text = path_text(target);
    let there = nearest(target);
    if !there.is_dir() {
        let what = format!("{} is no directory", path_text(&there));
        return vec![Finding::error(key, what, "name a directory")];
    }
    if !may_change(&there) {
        let what = format!("{} can't be written by this user", path_text(&there));
        let advice = "give the service's user the right to write there";
        return vec![Finding::error(key, what, advice)];
    }
    let device = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let same = device(&there) == device(&nearest(inbox));
    let made = if there == target {
        ""
    } else {
        " would be made"
    };
    let mut findings = match same {
        true => vec![Finding::ok(key, format!("{text}{made}"))],
        false => vec![Finding::warning(
            key,
            format!("{text} is on another file system than the inbox: files are copied there"),
            "it works, and takes the time and the room of a copy; a directory beside the inbox takes neither",
        )],
    };
    findings.extend(room(key, &there));
    findings
}

/// Directories that several pipelines share: their patterns keep the files apart.
pub fn shared(pipelines: &[&Pipeline]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, pipeline) in pipelines.iter().enumerate() {
        for earlier in &pipelines[..index] {
            if pipeline.directory == earlier.directory {
                findings.push(Finding::ok(
                    format!("pipelines.{}.directory", pipeline.name),
                    format!(
                        "shared with pipeline {}; their patterns {:?} and {:?} keep the files apart",
                        earlier.name, pipeline.pattern, earlier.pattern
                    ),
                ));
            }
        }
    }
    findings
}
