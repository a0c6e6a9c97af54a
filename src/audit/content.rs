//! The content that was loaded, wherever it is now: in the inbox, in the archive, compressed there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ingestd_actors::error::{ErrorKind, Result};

use crate::fs::{file_error, hash_prefix, open_regular, path_text};
use crate::ledger::known::Known;

/// What was found.
pub enum Content {
    /// The content that was loaded, and where.
    Whole(File, PathBuf),
    /// Something else, or nothing: what, for people.
    Other(String),
}

/// Looks for it.
///
/// # Errors
/// What keeps it from being read just now.
pub fn open(known: &Known) -> Result<Content> {
    let places = [known.archive_path.as_ref(), Some(&known.candidate.path)];
    let mut seen = None;
    for path in places.into_iter().flatten() {
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let what = format!("{} can't be read: {error}", path_text(path));
                seen.get_or_insert(what);
                continue;
            }
        };
        let doing = format!("reading {}", path_text(path));
        // Nobody looks for further files in the archive.
        let may_grow = *path == known.candidate.path;
        match in_file(known, file, path, may_grow) {
            Ok(Ok(file)) => return Ok(Content::Whole(file, path.clone())),
            Ok(Err(what)) => {
                seen.get_or_insert(what);
            }
            Err(error) => {
                let error = file_error(error, &doing);
                if error.kind() != ErrorKind::File {
                    return Err(error);
                }
                seen.get_or_insert(error.to_string());
            }
        }
    }
    let target = known.archive_path.as_ref().unwrap_or(&known.candidate.path);
    Ok(Content::Other(seen.unwrap_or_else(|| {
        format!(
            "its content is gone: nothing stands at {}",
            path_text(target)
        )
    })))
}

/// The content in a file, or what is wrong with it.
fn in_file(
    known: &Known,
    file: File,
    path: &Path,
    may_grow: bool,
) -> io::Result<Result<File, String>> {
    let size = known.candidate.size;
    let length = file.metadata()?.len();
    if length >= size && is_content(known, &file)? {
        if length > size && !may_grow {
            return Ok(Err(format!(
                "{} has {length} bytes: the {size} that were loaded, and behind them {} that nobody has loaded",
                path_text(path),
                length - size
            )));
        }
        // What was added later is another file of the ledger.
        return Ok(Ok(match length > size {
            true => copy(&mut TakeAt { file: &file, at: 0 }.take(size))?,
            false => file,
        }));
    }
    if path.extension().is_some_and(|it| it == "zst") {
        let mut text = zstd::Decoder::new(&file)?;
        let unpacked = copy(&mut Read::by_ref(&mut text).take(size.saturating_add(1)))?;
        if unpacked.metadata()?.len() == size && is_content(known, &unpacked)? {
            return Ok(Ok(unpacked));
        }
    }
    Ok(Err(match length == size {
        true => format!("{} has other content than was loaded", path_text(path)),
        false => format!(
            "{} has {length} bytes, and other content than the {size} that were loaded",
            path_text(path)
        ),
    }))
}

fn is_content(known: &Known, file: &File) -> io::Result<bool> {
    let found = hash_prefix(file, known.candidate.size)?;
    Ok(known.content.as_deref() == Some(&found.finish()[..]))
}

/// A copy that goes with the process, and that no other user can read.
fn copy(from: &mut dyn Read) -> io::Result<File> {
    let name = format!("ingestd-audit-{:016x}", rand::random::<u64>());
    let path = std::env::temp_dir().join(name);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    io::copy(from, &mut file)?;
    file.flush()?;
    Ok(file)
}

/// A file from a place on, without its cursor.
struct TakeAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for TakeAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
