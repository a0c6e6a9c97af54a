//! Writes generated files so that a watcher sees only whole ones.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::Generator;
use super::rows::write_header;

/// How many rows are formatted before they are written.
const BLOCK: u64 = 8_192;

/// Writes generated files into a directory.
pub struct FileWriter {
    directory: PathBuf,
    buffer: Vec<u8>,
}

impl FileWriter {
    /// A writer into a directory, which is made where there is none.
    pub fn new(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).map_err(|error| failed("make", directory, error))?;
        Ok(Self {
            directory: directory.to_owned(),
            buffer: Vec::new(),
        })
    }

    /// Writes a file, and returns its path once it stands under it. One that stands there already
    /// is replaced.
    pub fn write(&mut self, generator: &Generator, file: u64) -> Result<PathBuf> {
        let path = self.directory.join(generator.file_name(file));
        appear(&path, |out| {
            self.buffer.clear();
            write_header(&mut self.buffer);
            let mut rows = generator.rows_of(file);
            while !rows.is_empty() {
                let end = rows.end.min(rows.start + BLOCK);
                generator.write_rows(rows.start..end, &mut self.buffer);
                out.write_all(&self.buffer)?;
                self.buffer.clear();
                rows.start = end;
            }
            out.write_all(&self.buffer)
        })?;
        Ok(path)
    }
}

/// Writes the catalogue of a generator's products.
pub fn write_catalogue(generator: &Generator, path: &Path) -> Result<()> {
    appear(path, |out| out.write_all(&generator.catalogue()))
}

/// Writes under a name that starts with a dot, which no watcher takes, then renames.
fn appear(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let mut hidden_name = std::ffi::OsString::from(".");
    hidden_name.push(path.file_name().unwrap_or_default());
    let hidden = path.with_file_name(hidden_name);
    let written = File::create(&hidden)
        .and_then(|mut out| write(&mut out))
        .and_then(|()| fs::rename(&hidden, path));
    written.map_err(|error| {
        // What can't be finished is of no use; that it can't be removed either adds nothing.
        let _ = fs::remove_file(&hidden);
        failed("write", path, error)
    })
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    Error::new(
        ErrorKind::File,
        format!("cannot {what} {}: {error}", path.display()),
    )
    .with_advice("check that the directory can be written to and that the disk has room")
    .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::super::Spec;
    use super::*;

    #[test]
    fn files_appear_whole_and_nothing_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let inbox = directory.path().join("a/b");
        let generator = Generator::new(Spec {
            rows: 20_000,
            rows_per_file: 9_000,
            ..Spec::new(42)
        })
        .unwrap();
        let mut writer = FileWriter::new(&inbox).unwrap();
        for file in [2, 1, 3, 1] {
            let path = writer.write(&generator, file).unwrap();
            assert_eq!(path, inbox.join(generator.file_name(file)));
            assert_eq!(std::fs::read(path).unwrap(), generator.file(file));
        }
        write_catalogue(&generator, &inbox.join("products.csv")).unwrap();
        assert_eq!(std::fs::read_dir(&inbox).unwrap().count(), 4);
    }

    #[test]
    fn a_file_that_cannot_be_written_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let taken = directory.path().join("taken");
        std::fs::write(&taken, "").unwrap();
        let error = FileWriter::new(&taken.join("inbox")).err().unwrap();
        assert!(error.message().contains("taken/inbox"), "{error}");

        let generator = Generator::new(Spec::new(1)).unwrap();
        std::fs::create_dir(directory.path().join(generator.file_name(1))).unwrap();
        let mut writer = FileWriter::new(directory.path()).unwrap();
        let error = writer.write(&generator, 1).unwrap_err();
        assert!(error.message().contains(&generator.file_name(1)), "{error}");
        assert!(
            !directory
                .path()
                .join(format!(".{}", generator.file_name(1)))
                .exists()
        );
    }
}
