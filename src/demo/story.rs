//! What a demo generates, remembered in the data directory so that the next one goes on with it.

use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::cli::thousands;
use crate::generate::{Generator, Share, Spec};

/// How many rows a file of the demo has.
const ROWS_PER_FILE: u64 = 10_000;

/// What a demo generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    seed: u64,
    rows: u64,
}

impl Story {
    /// The story of an earlier demo in this data directory, or a new one.
    ///
    /// # Errors
    /// `Configuration` where the earlier one has another number of rows.
    pub fn find_or_begin(data_dir: &Path, rows: Option<u64>, default_rows: u64) -> Result<Story> {
        let path = path_in(data_dir);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let story: Story = serde_json::from_str(&text).map_err(|error| {
                    Error::new(
                        ErrorKind::Configuration,
                        format!("{} can't be read: {error}", path.display()),
                    )
                    .with_advice("--fresh starts over")
                })?;
                if rows.is_some_and(|rows| rows != story.rows) {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        format!(
                            "an earlier demo with {} rows is in {}",
                            thousands(story.rows),
                            data_dir.display()
                        ),
                    )
                    .with_advice("leave --rows out to go on with it, or start over with --fresh"));
                }
                Ok(story)
            }
            Err(error) if error.kind() == IoErrorKind::NotFound => {
                let story = Story {
                    seed: rand::random(),
                    rows: rows.unwrap_or(default_rows),
                };
                story.remember(&path)?;
                Ok(story)
            }
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    fn remember(&self, path: &Path) -> Result<()> {
        let text = serde_json::json!(self).to_string();
        let unfinished = path.with_extension("tmp");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, path))
            .map_err(|error| unwritable(path, &error))
    }

    /// Forgets the story of an earlier demo.
    ///
    /// # Errors
    /// Where the file can't be removed.
    pub fn forget(data_dir: &Path) -> Result<()> {
        let path = path_in(data_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != IoErrorKind::NotFound => Err(unwritable(&path, &error)),
            _ => Ok(()),
        }
    }

    /// The generator of the story.
    ///
    /// # Errors
    /// `Configuration` where the number of rows is out of range.
    pub fn generator(&self) -> Result<Generator> {
        Generator::new(Spec {
            rows: self.rows,
            rows_per_file: ROWS_PER_FILE,
            malformed: Share::of_million(5_000),
            duplicates: Share::of_million(10_000),
            ..Spec::new(self.seed)
        })
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("demo.json")
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("{}: {error}", path.display()),
    )
    .with_advice("choose a directory that can be written with --data-dir")
}
