//! A fixed list of files, for `load FILE…`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Candidate;
use ingestd_actors::port::{Inbox, PortFuture, Scan};

use super::scan::LONGEST_PATH;
use super::{candidate_of, open_regular, path_text};

/// An [`Inbox`] that is a list: every scan returns it, in its order; there is never more.
pub struct ListInbox {
    files: Vec<Candidate>,
}

impl ListInbox {
    /// The files at these paths, which are all opened once to see that they can be read.
    ///
    /// # Errors
    /// `Configuration`, naming the path, where one is missing, unreadable or no regular file.
    pub fn new(paths: &[PathBuf]) -> Result<ListInbox> {
        let mut files: Vec<Candidate> = Vec::with_capacity(paths.len());
        for path in paths {
            let file = look_at(path)?;
            if !files.iter().any(|other| other.path == file.path) {
                files.push(file);
            }
        }
        Ok(ListInbox { files })
    }

    /// The files, as they were found.
    pub fn files(&self) -> &[Candidate] {
        &self.files
    }
}

fn look_at(path: &Path) -> Result<Candidate> {
    let refuse = |error: std::io::Error| {
        Error::new(
            ErrorKind::Configuration,
            format!("{} can't be loaded: {error}", path_text(path)),
        )
        .with_advice("name regular files that this user may read")
        .with_source(error)
    };
    let whole = std::path::absolute(path).map_err(refuse)?;
    if path_text(&whole).len() > LONGEST_PATH {
        let reason = "its path has more than 2,000 bytes, which is too long for the ledger";
        return Err(refuse(std::io::Error::new(
            std::io::ErrorKind::InvalidFilename,
            reason,
        )));
    }
    let metadata = open_regular(&whole)
        .and_then(|file| file.metadata())
        .map_err(refuse)?;
    Ok(candidate_of(whole, &metadata))
}

impl Inbox for ListInbox {
    fn scan(&self) -> PortFuture<Scan> {
        let scan = Scan {
            ready: self.files.clone(),
            settles_in: None,
            came: HashSet::new(),
        };
        std::future::ready(Ok(scan)).boxed()
    }

    fn changed(&self) -> PortFuture<()> {
        std::future::pending().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_scan_gives_the_files_once_each_in_the_given_order() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["b.csv", "a.csv", "b.csv"].map(|name| directory.path().join(name));
        for path in &paths {
            std::fs::write(path, "a\n").unwrap();
        }
        let inbox = ListInbox::new(&paths).unwrap();
        for _ in 0..2 {
            let ready = inbox.scan().await.unwrap().ready;
            let found: Vec<_> = ready.iter().map(|file| file.path.clone()).collect();
            assert_eq!(found, paths[..2]);
        }
    }

    #[test]
    fn a_path_that_is_too_long_for_the_ledger_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mut path = directory.path().to_owned();
        while path.as_os_str().len() <= LONGEST_PATH {
            path.push("d".repeat(200));
        }
        std::fs::create_dir_all(&path).unwrap();
        path.push("a.csv");
        std::fs::write(&path, "a\n").unwrap();
        let error = ListInbox::new(&[path]).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("too long for the ledger"));
    }

    #[test]
    fn what_is_no_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing.csv");
        for path in [directory.path().to_owned(), missing] {
            let error = ListInbox::new(std::slice::from_ref(&path)).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.message().contains(&path_text(&path)), "{error}");
        }
    }
}
