//! What is wrong with a configuration: all of it, each with its place, as one error.

use ingestd_actors::error::{Error, ErrorKind};

use super::entry::Entry;
use super::keys::join;
use super::sources::Origins;

/// The problems found so far.
pub struct Problems<'a> {
    origins: &'a Origins,
    found: Vec<Problem>,
}

struct Problem {
    path: String,
    text: String,
}

impl<'a> Problems<'a> {
    /// None yet.
    pub fn new(origins: &'a Origins) -> Self {
        Self {
            origins,
            found: Vec::new(),
        }
    }

    /// Something is wrong with a key.
    pub fn add(&mut self, path: &str, text: impl Into<String>) {
        self.found.push(Problem {
            path: path.to_owned(),
            text: text.into(),
        });
    }

    /// Whether the key is known to be wrong, so that what follows from it need not be said.
    pub fn concern(&self, path: &str) -> bool {
        self.found.iter().any(|problem| problem.path == path)
    }

    /// Looks at one section.
    pub fn at(&mut self, path: impl Into<String>) -> Section<'_, 'a> {
        Section {
            path: path.into(),
            problems: self,
        }
    }

    /// One error that names them all, one a line, each with the file (or variable, or flag), the
    /// key, and what would be right.
    pub fn finish(self) -> Result<(), Error> {
        if self.found.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = self
            .found
            .iter()
            .map(|problem| {
                let origin = self.origins.of(&problem.path);
                format!("{origin}: {}: {}", problem.path, problem.text)
            })
            .collect();
        Err(Error::new(ErrorKind::Configuration, lines.join("\n")).with_source(Lines))
    }
}

/// The source of an error whose message has several lines, one for each problem: where there is none,
/// a line end stands in a name.
#[derive(Debug, thiserror::Error)]
#[error("each line is a problem")]
pub struct Lines;

/// A section whose keys are being looked at.
pub struct Section<'p, 'a> {
    path: String,
    problems: &'p mut Problems<'a>,
}

impl<'a> Section<'_, 'a> {
    /// The full path of one of its keys.
    pub fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Something is wrong with one of its keys.
    pub fn problem(&mut self, key: &str, text: impl Into<String>) {
        let path = self.path_of(key);
        self.problems.add(&path, text);
    }

    /// Whether one of its keys is known to be wrong.
    pub fn concern(&self, key: &str) -> bool {
        self.problems.concern(&self.path_of(key))
    }

    /// A section below it.
    pub fn below(&mut self, path: String) -> Section<'_, 'a> {
        Section {
            path,
            problems: self.problems,
        }
    }

    /// A value that may be left out; `None` too where it is wrong, which is noted.
    pub fn optional<T>(&mut self, key: &str, entry: Option<Entry<T>>) -> Option<T> {
        match entry?.0 {
            Ok(value) => Some(value),
            Err(text) => {
                self.problem(key, text);
                None
            }
        }
    }

    /// A value that has to be there; `advice` says what it is.
    pub fn required<T>(&mut self, key: &str, entry: Option<Entry<T>>, advice: &str) -> Option<T> {
        if entry.is_none() {
            if !self.concern(key) {
                self.problem(key, format!("is missing; {advice}"));
            }
            return None;
        }
        self.optional(key, entry)
    }

    /// A value that is turned into another one, which may fail.
    pub fn converted<T, U>(
        &mut self,
        key: &str,
        entry: Option<Entry<T>>,
        convert: impl FnOnce(T) -> Result<U, String>,
    ) -> Option<U> {
        match convert(self.optional(key, entry)?) {
            Ok(value) => Some(value),
            Err(text) => {
                self.problem(key, text);
                None
            }
        }
    }
}
