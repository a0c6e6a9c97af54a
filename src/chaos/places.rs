//! The scratch directory: inboxes, archives, the configuration, the log of the service under test.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use ingestd_actors::error::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::wave::{Fate, Flow, Input, Wave};

/// A directory that is ours alone.
#[derive(Clone, Debug)]
pub struct Places {
    root: PathBuf,
    /// It was there before, and stays.
    is_given: bool,
}

impl Places {
    /// In a new directory for temporary files, whose name nobody can guess.
    ///
    /// # Errors
    /// `Configuration` where it can't be made.
    pub fn make() -> Result<Places> {
        let name = format!("ingestd-chaos-{}", Uuid::new_v4().simple());
        let root = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .map_err(|error| failed("make", &root, &error))?;
        Places::furnish(root, false)
    }

    /// In a directory that is empty or not there yet.
    ///
    /// # Errors
    /// `Configuration` where there is something in it, or where it can't be made.
    pub fn claim(root: &Path) -> Result<Places> {
        let root = std::path::absolute(root).map_err(|error| failed("find", root, &error))?;
        let is_given = match fs::read_dir(&root) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(Error::new(
                        ErrorKind::Configuration,
                        format!("there is something in {}, and chaos touches nothing that is not its own", root.display()),
                    )
                    .with_advice("name a directory that is empty, or none that is there"));
                }
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&root).map_err(|error| failed("make", &root, &error))?;
                false
            }
            Err(error) => return Err(failed("read", &root, &error)),
        };
        Places::furnish(root, is_given)
    }

    fn furnish(root: PathBuf, is_given: bool) -> Result<Places> {
        open_to_the_server(&root)?;
        let places = Places { root, is_given };
        for flow in Flow::ALL {
            for directory in [places.inbox(flow), places.archive(flow)] {
                fs::create_dir_all(&directory)
                    .map_err(|error| failed("make", &directory, &error))?;
            }
        }
        Ok(places)
    }

    /// The directory itself; of the service under test, and of the private server.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a pipeline's files arrive.
    pub fn inbox(&self, flow: Flow) -> PathBuf {
        self.root.join("inbox").join(flow.name())
    }

    /// Where its files go.
    pub fn archive(&self, flow: Flow) -> PathBuf {
        self.root.join("archive").join(flow.name())
    }

    /// Where directories are put aside.
    pub fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    /// The configuration of the service under test.
    pub fn config(&self) -> PathBuf {
        self.root.join("chaos.toml")
    }

    /// The log of the service under test, of all its lives.
    pub fn log(&self) -> PathBuf {
        self.root.join("service.log")
    }

    /// Writes the configuration.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write_config(&self, text: &str) -> Result<()> {
        let path = self.config();
        fs::write(&path, text).map_err(|error| failed("write", &path, &error))
    }

    /// Drops the files of a wave, in the order of their names.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn drop_wave(&self, wave: &Wave) -> Result<()> {
        for input in wave.inputs() {
            let bytes = bytes_of(wave, input);
            self.drop_file(input.flow, &input.name, &bytes)?;
        }
        Ok(())
    }

    /// Drops a file whole: under a hidden name first.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn drop_file(&self, flow: Flow, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.inbox(flow).join(name);
        let hidden = self.inbox(flow).join(format!(".{name}"));
        fs::write(&hidden, bytes)
            .and_then(|()| fs::rename(&hidden, &path))
            .map_err(|error| failed("write", &path, &error))
    }

    /// Writes a file in place, as a careless writer does, and closes it.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write_in_place(&self, flow: Flow, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.inbox(flow).join(name);
        File::create(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| failed("write", &path, &error))
    }

    /// Adds whole lines to a file where it stands, by one write.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn append(&self, flow: Flow, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.inbox(flow).join(name);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| failed("add to", &path, &error))
    }

    /// What stands in the inboxes of pipelines whose files leave, hidden names too.
    pub fn left(&self) -> Vec<String> {
        let flows = Flow::ALL.into_iter().filter(|flow| flow.leaves());
        flows.flat_map(|flow| names_in(&self.inbox(flow))).collect()
    }

    /// Removes the files that a wave has left in the archives, and in the inbox where files stay.
    pub fn forget_files(&self) {
        for flow in Flow::ALL {
            let directory = match flow.leaves() {
                true => self.archive(flow),
                false => self.inbox(flow),
            };
            for name in names_in(&directory) {
                // What can't be removed costs room, and nothing else.
                let _ = fs::remove_file(directory.join(name));
            }
        }
    }

    /// Removes all that is in the directory, and the directory itself unless it was there before.
    ///
    /// # Errors
    /// Where that can't be done.
    pub fn remove(&self) -> Result<()> {
        let removed = match self.is_given {
            true => remove_contents(&self.root),
            false => fs::remove_dir_all(&self.root),
        };
        removed.map_err(|error| failed("remove", &self.root, &error))
    }
}

/// A file as it is dropped.
pub fn bytes_of(wave: &Wave, input: &Input) -> Vec<u8> {
    let text = wave.text_of(input);
    match input.fate {
        Fate::Gzip => gzip(&text),
        Fate::Whole | Fate::Grows | Fate::Replaced => text,
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory can't fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// The names of what stands in a directory, in their order; none where it is not there.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn remove_contents(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Whatever root's umask is, the private server's user has to get through; nobody has to look in.
fn open_to_the_server(root: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    fs::set_permissions(root, fs::Permissions::from_mode(0o711))
        .map_err(|error| failed("open", root, &error))
}

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("cannot {what} {}: {error}", path.display()),
    )
    .with_advice("name a directory that can be written to with --data-dir")
}
