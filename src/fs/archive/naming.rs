//! PURE: the names that a file goes through.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use ingestd_actors::model::FileId;

/// So many names are tried where the archive has files of the same name.
pub const ATTEMPTS: u32 = 100;
/// What the name of a compressed file ends in.
pub const COMPRESSED: &str = ".zst";
/// The longest name that file systems take.
const LONGEST: usize = 255;
/// The longest ending that counts as one, and is kept where a name is cut.
const LONGEST_ENDING: usize = 32;

/// The name under which a file leaves its place, in the same directory: no scan takes it. `tag` is
/// the ledger's own, so that two ledgers on one directory don't meet.
pub fn private_path(source: &Path, tag: &str, file: FileId) -> PathBuf {
    source.with_file_name(format!(".ingestd-{tag}-{}.moving", file.0))
}

/// The name that versions without tags used.
pub fn untagged_path(source: &Path, file: FileId) -> PathBuf {
    source.with_file_name(format!(".ingestd-{}.moving", file.0))
}

/// The name under which a copy is written, in the directory that it is meant for.
pub fn copy_path(target: &Path, tag: &str, file: FileId) -> PathBuf {
    target.with_file_name(format!(".ingestd-{tag}-{}.copying", file.0))
}

/// The name under which a file of the archive waits for its end.
pub fn removal_path(target: &Path, tag: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    let hash = blake3::hash(name.as_bytes()).to_hex();
    target.with_file_name(format!(".ingestd-{tag}-{}.removing", &hash[..16]))
}

/// Where a file goes.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The directory.
    pub into: &'a Path,
    /// The directories of its date below that.
    pub dates: Option<&'a str>,
    /// The directory that it comes from: what stands below another stands below again.
    pub inbox: &'a Path,
    /// Whether it is compressed on its way.
    pub compressed: bool,
}

/// The path of a file where it goes. After a collision (`attempt` 1 and more) the file's number in
/// the ledger makes the name another one.
pub fn target(to: Destination<'_>, source: &Path, file: FileId, attempt: u32) -> PathBuf {
    let below = source
        .parent()
        .and_then(|parent| parent.strip_prefix(to.inbox).ok())
        .unwrap_or(Path::new(""));
    let directory = to.into.join(to.dates.unwrap_or("")).join(below);
    directory.join(name_of(source, file, attempt, to.compressed))
}

/// Whether a target is the name of a compressed file, as [`target`] gives it.
pub fn is_compressed(source: &Path, file: FileId, target: &Path) -> bool {
    let name = target.file_name().unwrap_or_default();
    let is = |attempt| name_of(source, file, attempt, true) == name;
    name.as_bytes().ends_with(COMPRESSED.as_bytes()) && (0..ATTEMPTS).any(is)
}

/// The name of the note that stands beside a quarantined file.
pub fn reason_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or(OsStr::new("file"));
    target.with_file_name(append(name, ".reason"))
}

/// The name under which that note is written: the same in every life, so that what one leaves that is
/// killed meanwhile is not there for ever.
pub fn reason_draft_path(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    let hash = blake3::hash(name.as_bytes()).to_hex();
    target.with_file_name(format!(".ingestd-{}.reason", &hash[..16]))
}

fn name_of(source: &Path, file: FileId, attempt: u32, compressed: bool) -> OsString {
    let name = source.file_name().unwrap_or(OsStr::new("file"));
    let addition = match attempt {
        0 => String::new(),
        1 => format!("-{}", file.0),
        _ => format!("-{}-{attempt}", file.0),
    };
    insert(name, &addition, if compressed { COMPRESSED } else { "" })
}

/// Puts an addition before a name's ending, and something behind it; a name that gets too long loses
/// the end of its stem.
fn insert(name: &OsStr, addition: &str, behind: &str) -> OsString {
    let path = Path::new(name);
    let ending = path.extension().map(OsStrExt::as_bytes);
    let ending = ending.filter(|ending| ending.len() <= LONGEST_ENDING);
    let (stem, ending) = match ending {
        Some(ending) => {
            let stem = path.file_stem().unwrap_or(name).as_bytes();
            (stem, [b".", ending].concat())
        }
        None => (name.as_bytes(), Vec::new()),
    };
    let room = LONGEST.saturating_sub(addition.len() + ending.len() + behind.len());
    let stem = &stem[..stem.len().min(room)];
    OsString::from_vec([stem, addition.as_bytes(), &ending, behind.as_bytes()].concat())
}

fn append(name: &OsStr, addition: &str) -> OsString {
    let name = name.as_bytes();
    let room = LONGEST - addition.len();
    OsString::from_vec([&name[..name.len().min(room)], addition.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(compressed: bool) -> Destination<'static> {
        Destination {
            into: Path::new("/out"),
            dates: None,
            inbox: Path::new("/in"),
            compressed,
        }
    }

    fn name(source: &str, attempt: u32) -> PathBuf {
        target(to(false), Path::new(source), FileId(7), attempt)
    }

    fn compressed(source: &str, attempt: u32) -> PathBuf {
        target(to(true), Path::new(source), FileId(7), attempt)
    }

    #[test]
    fn a_file_keeps_its_name_and_its_place_below() {
        assert_eq!(name("/in/a.csv", 0), Path::new("/out/a.csv"));
        assert_eq!(name("/in/x/a.csv", 0), Path::new("/out/x/a.csv"));
        assert_eq!(name("/elsewhere/a.csv", 0), Path::new("/out/a.csv"));
        let dated = Destination {
            dates: Some("2026/11"),
            ..to(false)
        };
        let dated = target(dated, Path::new("/in/x/a.csv"), FileId(7), 0);
        assert_eq!(dated, Path::new("/out/2026/11/x/a.csv"));
    }

    #[test]
    fn a_collision_gives_another_name() {
        assert_eq!(name("/in/a.csv", 1), Path::new("/out/a-7.csv"));
        assert_eq!(name("/in/a.csv", 2), Path::new("/out/a-7-2.csv"));
        assert_eq!(name("/in/a", 1), Path::new("/out/a-7"));
        assert_eq!(compressed("/in/a.csv", 1), Path::new("/out/a-7.csv.zst"));
    }

    #[test]
    fn long_names_stay_possible() {
        let long_stem = format!("/in/{}.csv", "x".repeat(251));
        let long_ending = format!("/in/a.{}", "x".repeat(253));
        for source in [long_stem, long_ending] {
            for path in [
                name(&source, 1),
                compressed(&source, 0),
                compressed(&source, 99),
                reason_path(&name(&source, 0)),
            ] {
                assert!(path.file_name().is_some_and(|name| name.len() <= LONGEST));
            }
            let names = [name(&source, 0), name(&source, 1), name(&source, 2)];
            assert!(names[0] != names[1] && names[1] != names[2]);
        }
    }

    #[test]
    fn a_name_says_whether_the_file_is_compressed() {
        for source in [
            "/in/a.csv",
            "/in/a",
            "/in/a.zst",
            "/in/a.csv.zst",
            "/in/a.zst.zst",
        ] {
            for attempt in [0, 1, 2, 99] {
                let is = |path: PathBuf| is_compressed(Path::new(source), FileId(7), &path);
                assert!(is(compressed(source, attempt)), "{source}");
                assert!(!is(name(source, attempt)), "{source}");
            }
        }
    }
}
