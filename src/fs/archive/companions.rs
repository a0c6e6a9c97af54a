//! The small files that come with a file leave after it, never before.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use ingestd_actors::model::{Candidate, FileId};

use super::copy::copy_new;
use super::naming::{copy_path, private_path};
use super::rename::rename_new;
use crate::fs::{candidate_at, companion_path};

/// What came with a file, as it was before the file left.
#[derive(Debug)]
pub struct Following {
    file: FileId,
    source: PathBuf,
    found: Vec<(String, Candidate)>,
}

impl Following {
    /// Looks for the companions with these endings of a file that is about to leave, or that an
    /// earlier life has moved already.
    pub fn of(source: &Path, file: FileId, endings: &[String]) -> Following {
        let found = endings.iter().filter_map(|ending| {
            // What can't be looked at stays: best effort.
            let found = candidate_at(&companion_path(source, ending)).ok()??;
            Some((ending.clone(), found))
        });
        Following {
            file,
            source: source.to_owned(),
            found: found.collect(),
        }
    }

    /// Takes them to where the file went, beside it. One that stands there for another file by now, or
    /// is not what it was, stays: it belongs to what comes next.
    ///
    /// # Errors
    /// The first that could not be taken, with its path; the others are.
    pub fn follow(&self, target: &Path) -> Result<(), (PathBuf, io::Error)> {
        let mut failed = None;
        for (ending, found) in &self.found {
            let from = companion_path(&self.source, ending);
            if let Err(error) = self.take(&from, found, target, ending) {
                failed.get_or_insert((from, error));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn take(&self, from: &Path, found: &Candidate, target: &Path, ending: &str) -> io::Result<()> {
        if candidate_at(&self.source)?.is_some() {
            return Ok(());
        }
        // What has its name in the archive may be a file of its own: nothing is replaced.
        let number = companion_path(target, &format!(".{}{ending}", self.file.0));
        let plain = companion_path(target, ending);
        let placed = match place(from, &plain, self.file, ending) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                place(from, &number, self.file, ending).map(|()| number)
            }
            other => other.map(|()| plain),
        };
        let placed = match placed {
            Ok(placed) => placed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let moved = candidate_at(&placed)?;
        let same = |moved: &Candidate| (moved.size, moved.modified) == (found.size, found.modified);
        if moved.as_ref().is_none_or(same) {
            return Ok(());
        }
        // It was written anew in that moment, for a file that is about to come.
        place(&placed, from, self.file, ending)
    }
}

/// Renames without replacing; across file systems it copies.
fn place(from: &Path, to: &Path, file: FileId, ending: &str) -> io::Result<()> {
    match rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        other => return other,
    }
    let hidden = |path: PathBuf| {
        let mut name = OsString::from(path);
        name.push(ending);
        PathBuf::from(name)
    };
    // Taken first, so that what is written meanwhile is another file.
    let private = hidden(private_path(from, file));
    rename_new(from, &private)?;
    match copy_new(&private, &hidden(copy_path(to, file)), to) {
        Ok(()) => std::fs::remove_file(&private),
        Err(error) => {
            rename_new(&private, from)?;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId(7);

    struct Place {
        _directory: tempfile::TempDir,
        source: PathBuf,
        marker: PathBuf,
        target: PathBuf,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let source = directory.path().join("a.csv");
        let marker = directory.path().join("a.csv.done");
        std::fs::write(&marker, "1").unwrap();
        Place {
            target: out.join("a.csv"),
            _directory: directory,
            source,
            marker,
        }
    }

    fn following(place: &Place) -> Following {
        Following::of(&place.source, FILE, &[".done".to_owned()])
    }

    #[test]
    fn a_companion_goes_beside_its_file() {
        let place = place();
        let following = following(&place);
        for _ in 0..2 {
            following.follow(&place.target).unwrap();
            assert!(!place.marker.exists());
            assert!(place.target.with_file_name("a.csv.done").exists());
        }
    }

    #[test]
    fn the_companion_of_the_next_file_stays() {
        let place = place();
        let following = following(&place);
        std::fs::write(&place.source, "the next one").unwrap();
        following.follow(&place.target).unwrap();
        assert!(place.marker.exists());
    }

    #[test]
    fn a_companion_that_was_written_anew_meanwhile_is_put_back() {
        let place = place();
        let following = following(&place);
        std::fs::write(&place.marker, "for the next file").unwrap();
        following.follow(&place.target).unwrap();
        assert!(place.marker.exists());
        assert!(!place.target.with_file_name("a.csv.done").exists());
    }

    #[test]
    fn nothing_in_the_archive_is_replaced() {
        let place = place();
        let other = place.target.with_file_name("a.csv.done");
        std::fs::write(&other, "a file of its own").unwrap();
        following(&place).follow(&place.target).unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"a file of its own");
        let numbered = place.target.with_file_name("a.csv.7.done");
        assert_eq!(std::fs::read(numbered).unwrap(), b"1");
    }

    #[test]
    fn across_file_systems_it_is_copied() {
        let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
            eprintln!("skipped: there is no /dev/shm");
            return;
        };
        let place = place();
        let target = elsewhere.path().join("a.csv");
        following(&place).follow(&target).unwrap();
        assert!(!place.marker.exists());
        assert_eq!(
            std::fs::read(elsewhere.path().join("a.csv.done")).unwrap(),
            b"1"
        );
        let left = std::fs::read_dir(place.source.parent().unwrap()).unwrap();
        assert_eq!(left.count(), 1, "only the directory `out`");
    }
}
