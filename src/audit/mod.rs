//! The proof that a file is in the table exactly once: its content is hashed and read again under its
//! stored plan, and held against what the ledger has counted.

mod account;
mod content;
mod verdict;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{FileId, Read};
use ingestd_actors::port::RecordStream;

use crate::plan::LoadPlan;
use crate::postgres::Database;
use crate::source::{Eyes, Looking, Origin};
use account::Account;
use content::Content;
use verdict::Reading;

pub use verdict::Verdict;

/// No chunk has more records than this.
const CHUNK: usize = 50_000;

/// Audits one file.
///
/// # Errors
/// Where the ledger or the file can't be read just now.
pub async fn audit(database: &Database, eyes: &Eyes, file: FileId) -> Result<Verdict> {
    let account = Account::read(database, file).await?;
    if !account.is_committed() {
        return Ok(verdict::of_uncommitted(&account));
    }
    let known = account.known.clone();
    let looked = database
        .runtime()
        .spawn_blocking(move || content::open(&known));
    let content = looked.await.map_err(|error| {
        Error::new(ErrorKind::Bug, "the thread that read the file died").with_source(error)
    })??;
    let (whole, content) = match content {
        Content::Whole(file, path) => (Some(file), Ok(path)),
        Content::Other(what) => (None, Err(what)),
    };
    let reading = match whole {
        Some(whole) => Some(read_again(eyes, &account, whole).await),
        None => None,
    };
    match reading {
        Some(Err(error)) if error.kind() != ErrorKind::File => Err(error),
        Some(reading) => Ok(verdict::judge(
            &account,
            content,
            Some(reading.map_err(|it| it.to_string())),
        )),
        None => Ok(verdict::judge(&account, content, None)),
    }
}

async fn read_again(eyes: &Eyes, account: &Account, file: std::fs::File) -> Result<Reading> {
    let plan: LoadPlan = serde_json::from_str(&account.plan).map_err(|error| {
        Error::new(ErrorKind::Bug, "the stored plan can't be read").with_source(error)
    })?;
    let mut stream = eyes
        .open(Looking {
            file,
            plan,
            base: account.known.base,
            origin: Origin::new(
                account.known.file,
                &account.first_path,
                account.load_time.clone(),
            ),
            most_records: CHUNK,
        })
        .await?;
    to_the_end(&mut *stream).await
}

async fn to_the_end(stream: &mut dyn RecordStream) -> Result<Reading> {
    let mut reading = Reading::default();
    loop {
        match stream.next().await? {
            Read::Chunk(chunk) => {
                reading.filtered += chunk.filtered.count_after(0);
                let letters = chunk.rejects.iter();
                let letters =
                    letters.map(|letter| (letter.record, letter.reason.code().to_owned()));
                reading.letters.extend(letters);
            }
            Read::End(end) => {
                reading.records = end.end.record;
                reading.whole = end.end.offset == end.text;
                return Ok(reading);
            }
        }
    }
}
