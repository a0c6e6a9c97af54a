//! The thread that drops a demo's files into the inbox.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::PIPELINE;
use crate::generate::Generator;
use crate::generate::files::FileWriter;
use crate::postgres::{Database, classify};

/// The thread that drops files into the inbox.
pub struct Writing {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<u64>>,
    written: Arc<tokio::sync::Notify>,
}

impl Writing {
    /// Starts it: it writes the files that neither the ledger knows nor the inbox holds.
    pub fn start(generator: Arc<Generator>, inbox: PathBuf, known: HashSet<String>) -> Writing {
        let stop = Arc::new(AtomicBool::new(false));
        let written = Arc::new(tokio::sync::Notify::new());
        let thread = {
            let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
            std::thread::spawn(move || {
                let stopped = || stop.load(Ordering::Relaxed);
                let result = write_missing(&generator, &inbox, &known, &stopped);
                written.notify_one();
                result
            })
        };
        Writing {
            stop,
            thread,
            written,
        }
    }

    /// Resolves once all files are written, or can't be.
    pub fn written(&self) -> impl Future<Output = Result<()>> + use<> {
        let written = Arc::clone(&self.written);
        async move {
            written.notified().await;
            Ok(())
        }
    }

    /// Ends it, at the latest after the file that it writes.
    ///
    /// # Errors
    /// Where a file couldn't be written.
    pub fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(result) => result.map(|_| ()),
            Err(_) => Err(Error::new(ErrorKind::Bug, "the generator's thread died")),
        }
    }
}

/// Writes the files that are missing, one after the other. `stop` ends it between two files.
fn write_missing(
    generator: &Generator,
    inbox: &Path,
    known: &HashSet<String>,
    stop: &dyn Fn() -> bool,
) -> Result<u64> {
    let mut writer = FileWriter::new(inbox)?;
    let mut written = 0;
    for file in 1..=generator.files() {
        let name = generator.file_name(file);
        if stop() {
            break;
        }
        if known.contains(&name) || inbox.join(&name).exists() {
            continue;
        }
        writer.write(generator, file)?;
        written += 1;
    }
    Ok(written)
}

/// The names of the files that the pipeline's ledger knows.
///
/// # Errors
/// Where the database can't be asked.
pub async fn files_in_ledger(database: &Database) -> Result<HashSet<String>> {
    let asking = {
        let database = database.clone();
        database.clone().run(async move {
            let client = database.client().await?;
            let query = "select path from ingestd.files where pipeline = $1";
            client
                .query_typed(query, &[(&PIPELINE, tokio_postgres::types::Type::TEXT)])
                .await
                .map_err(|error| classify(error, "reading the ledger"))
        })
    };
    let names = asking.await?.into_iter().filter_map(|row| {
        let path: String = row.get(0);
        Path::new(&path)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    });
    Ok(names.collect())
}
