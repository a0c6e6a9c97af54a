//! Walking a directory: which regular files are there, and what is passed over.

use std::fs::DirEntry;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::GlobMatcher;
use ingestd_actors::model::Candidate;

use super::ready::is_ready_name;
use super::{candidate_of, directory_beneath, path_text};

/// The longest path of a file, as text: the ledger has an index on it.
pub const LONGEST_PATH: usize = 2_000;

/// What to look for, and where.
pub struct Search<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Whether directories below count too.
    pub recursive: bool,
    /// Which names are wanted.
    pub pattern: &'a GlobMatcher,
    /// The endings of files that come with others, and are none themselves.
    pub companions: &'a [String],
    /// Directories that are not entered: where finished files go.
    pub excluded: &'a [PathBuf],
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// Regular files of the right name.
    pub files: Vec<Candidate>,
    /// What has the right name but is not taken, each with the reason.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// Walks the directory. Nothing is opened but directories.
///
/// # Errors
/// Where the directory itself can't be read; one below is passed over.
pub fn walk(search: &Search) -> io::Result<Found> {
    let mut found = Found::default();
    let mut below = Vec::new();
    list(search, search.directory, &mut found, &mut below)?;
    while let Some(directory) = below.pop() {
        if let Err(error) = list(search, &directory, &mut found, &mut below)
            && error.kind() != io::ErrorKind::NotFound
        {
            let reason = format!("the directory can't be read: {error}");
            found.passed_over.push((directory, reason));
        }
    }
    Ok(found)
}

fn list(
    search: &Search,
    directory: &Path,
    found: &mut Found,
    below: &mut Vec<PathBuf>,
) -> io::Result<()> {
    // A link in the place of a directory that was seen a moment ago is not followed.
    let place = directory_beneath(search.directory, directory)?;
    for entry in std::fs::read_dir(place.path())? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        match look_at(search, &entry, &path) {
            Ok(Look::File(candidate)) => found.files.push(candidate),
            Ok(Look::Directory) => below.push(path),
            Ok(Look::PassOver(reason)) => found.passed_over.push((path, reason.into())),
            Ok(Look::Nothing) => {}
            // It vanished between the listing and the look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found
                .passed_over
                .push((path, format!("it can't be looked at: {error}"))),
        }
    }
    Ok(())
}

enum Look {
    File(Candidate),
    Directory,
    PassOver(&'static str),
    Nothing,
}

fn look_at(search: &Search, entry: &DirEntry, path: &Path) -> io::Result<Look> {
    let name = entry.file_name();
    let kind = entry.file_type()?;
    if kind.is_dir() {
        let entered = search.recursive
            && !name.as_bytes().starts_with(b".")
            && !search.excluded.iter().any(|excluded| excluded == path);
        return Ok(if entered {
            Look::Directory
        } else {
            Look::Nothing
        });
    }
    let comes_with = |ending: &String| name.as_bytes().ends_with(ending.as_bytes());
    if search.companions.iter().any(comes_with) {
        return Ok(Look::Nothing);
    }
    if !is_ready_name(&name) || !search.pattern.is_match(Path::new(&name)) {
        return Ok(Look::Nothing);
    }
    if kind.is_symlink() {
        // A link to a file of the inbox would be a second name for it; any other leads out.
        return Ok(Look::PassOver(
            "it is a symbolic link, and only files that stand here themselves are loaded",
        ));
    }
    let metadata = entry.metadata()?;
    if !metadata.is_file() {
        return Ok(Look::PassOver("it is no regular file"));
    }
    if path_text(path).len() > LONGEST_PATH {
        return Ok(Look::PassOver(
            "its path is too long for the ledger: more than 2,000 bytes, \\xNN for each that is not UTF-8; \
             move the file up, or shorten the names of its directories",
        ));
    }
    Ok(Look::File(candidate_of(path.to_owned(), &metadata)))
}
