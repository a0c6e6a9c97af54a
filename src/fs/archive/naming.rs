//! PURE: the names that a file goes through.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use ingestd_actors::model::FileId;

/// The longest name that file systems take.
const LONGEST: usize = 255;

/// The name under which a file leaves its place, in the same directory: no scan takes it.
pub fn private_path(source: &Path, file: FileId) -> PathBuf {
    source.with_file_name(format!(".ingestd-{}.moving", file.0))
}

/// The name under which a copy is written, in the directory that it is meant for.
pub fn copy_path(target: &Path, file: FileId) -> PathBuf {
    target.with_file_name(format!(".ingestd-{}.copying", file.0))
}

/// Where a file goes: below `into` as it stood below `inbox`, under its own name. After a collision
/// (`attempt` 1 and more) the file's number in the ledger makes the name another one.
pub fn target(into: &Path, inbox: &Path, source: &Path, file: FileId, attempt: u32) -> PathBuf {
    let name = source.file_name().unwrap_or(OsStr::new("file"));
    let below = source
        .parent()
        .and_then(|parent| parent.strip_prefix(inbox).ok())
        .unwrap_or(Path::new(""));
    let name = match attempt {
        0 => name.to_owned(),
        1 => insert(name, &format!("-{}", file.0)),
        _ => insert(name, &format!("-{}-{attempt}", file.0)),
    };
    into.join(below).join(name)
}

/// The name of the note that stands beside a quarantined file.
pub fn reason_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or(OsStr::new("file"));
    target.with_file_name(append(name, ".reason"))
}

fn insert(name: &OsStr, addition: &str) -> OsString {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or(name).as_bytes();
    let ending = match path.extension() {
        Some(extension) => [b".", extension.as_bytes()].concat(),
        None => Vec::new(),
    };
    let room = LONGEST.saturating_sub(addition.len() + ending.len());
    let stem = &stem[..stem.len().min(room)];
    OsString::from_vec([stem, addition.as_bytes(), &ending].concat())
}

fn append(name: &OsStr, addition: &str) -> OsString {
    let name = name.as_bytes();
    let room = LONGEST - addition.len();
    OsString::from_vec([&name[..name.len().min(room)], addition.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(source: &str, attempt: u32) -> PathBuf {
        let (into, inbox) = (Path::new("/out"), Path::new("/in"));
        target(into, inbox, Path::new(source), FileId(7), attempt)
    }

    #[test]
    fn a_file_keeps_its_name_and_its_place_below() {
        assert_eq!(name("/in/a.csv", 0), Path::new("/out/a.csv"));
        assert_eq!(name("/in/x/a.csv", 0), Path::new("/out/x/a.csv"));
        assert_eq!(name("/elsewhere/a.csv", 0), Path::new("/out/a.csv"));
    }

    #[test]
    fn a_collision_gives_another_name() {
        assert_eq!(name("/in/a.csv", 1), Path::new("/out/a-7.csv"));
        assert_eq!(name("/in/a.csv", 2), Path::new("/out/a-7-2.csv"));
        assert_eq!(name("/in/a", 1), Path::new("/out/a-7"));
    }

    #[test]
    fn long_names_stay_possible() {
        let long = format!("/in/{}.csv", "x".repeat(251));
        for path in [name(&long, 1), reason_path(&name(&long, 0))] {
            assert!(path.file_name().is_some_and(|name| name.len() <= LONGEST));
        }
    }
}
