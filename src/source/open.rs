//! Opens a claimed file where reading goes on, and makes sure that it is still that file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use encoding_rs::UTF_8;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Claim, Position};
use ingestd_actors::port::{PortFuture, RecordStream, Source};
use ingestd_actors::supervision::Pulse;
use slog::Logger;
use tokio::runtime::Handle;

use super::input::{TextOf, check_archive, input_at, input_error};
use super::stream::{CsvStream, Reading};
use super::zones::Zones;
use super::{Decoder, Origin};
use crate::csv::{Header, HeaderFault, HeaderSearch};
use crate::fs::{Presence, SMALL, candidate_of, edge_hashes, file_error, open_regular};
use crate::plan::{Dialect, LoadPlan};
use crate::postgres::{Origins, Resolver, Stages};

/// How many bytes a header is first looked for in.
const HEADER_READ: usize = 16 << 10;

/// CSV files on the file system.
pub struct CsvSource {
    runtime: Handle,
    resolver: Resolver,
    origins: Origins,
    stages: Stages,
    zones: Zones,
    inbox: Option<Presence>,
    batch_rows: usize,
}

impl CsvSource {
    /// A source that reads and decodes on the blocking threads of `runtime`, and asks `resolver`
    /// what the server makes of values that the decoder does not recognise, and `origins` what a file
    /// was when its reading began; `stages` has a table for each file that is loaded as a whole. No chunk has more than `batch_rows` records, so that every one fits
    /// into a batch.
    pub fn new(
        runtime: Handle,
        resolver: Resolver,
        origins: Origins,
        stages: Stages,
        batch_rows: usize,
        log: Logger,
    ) -> Self {
        Self {
            runtime,
            zones: Zones::new(resolver.clone(), log),
            resolver,
            origins,
            stages,
            inbox: None,
            batch_rows,
        }
    }

    /// Files below this directory are gone only while it is there.
    pub fn with_inbox(mut self, directory: &Path) -> Self {
        self.inbox = Some(Presence::of(directory));
        self
    }
}

impl Source for CsvSource {
    fn open(&self, claim: &Claim, pulse: Pulse) -> PortFuture<Box<dyn RecordStream>> {
        let claim = claim.clone();
        let (runtime, resolver) = (self.runtime.clone(), self.resolver.clone());
        let (origins, batch_rows) = (self.origins.clone(), self.batch_rows);
        let zones = self.zones.clone();
        let stages = self.stages.clone();
        let inbox = self.inbox.clone();
        Box::pin(async move {
            if claim.plan.all_or_nothing {
                pulse.waiting();
                stages.make(&claim).await?;
            }
            let asking = runtime.clone();
            // What stands before the header may be long, and what is compressed is read from its start
            // once more, which takes its time.
            pulse.waiting();
            let opening = runtime.spawn_blocking(move || {
                let origin = || origin_of(&claim, &origins, &asking);
                let file = open_in(inbox.as_ref(), &claim.candidate.path)?;
                open(&claim, file, origin, batch_rows)
            });
            let mut reading = opening.await.map_err(super::stream::lost_thread)??;
            zones.check(reading.decoder()).await?;
            pulse.working();
            let stream: Box<dyn RecordStream> =
                Box::new(CsvStream::new(reading, runtime, resolver, pulse));
            Ok(stream)
        })
    }
}

/// Asks the ledger, which knows it from the life that began with the file. On a thread that may block.
fn origin_of(claim: &Claim, origins: &Origins, runtime: &Handle) -> Result<Origin> {
    let path = claim.candidate.path.clone();
    let asked = origins.of(claim.file, claim.epoch, path);
    let (path, load_time) = runtime.block_on(asked)?;
    Ok(Origin::new(claim.file, &path, load_time))
}

/// Opens a file. One that is not there is gone, unless its inbox is.
fn open_in(inbox: Option<&Presence>, path: &Path) -> Result<File> {
    let opened = match (open_regular(path), inbox.filter(|it| it.has(path))) {
        (Err(error), Some(inbox)) if error.kind() == io::ErrorKind::NotFound => {
            match inbox.while_there(|| open_regular(path)) {
                (Err(error), false) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(inbox.gone());
                }
                (opened, _) => opened,
            }
        }
        (opened, _) => opened,
    };
    opened.map_err(unopened)
}

fn open(
    claim: &Claim,
    file: File,
    origin: impl FnOnce() -> Result<Origin>,
    batch_rows: usize,
) -> Result<Reading> {
    check_identity(&file, claim, &claim.candidate.path)?;

    let plan: LoadPlan = serde_json::from_str(&claim.plan.definition).map_err(|error| {
        Error::new(ErrorKind::Bug, "the stored plan can't be read").with_source(error)
    })?;
    begin(claim, &plan, file, origin, batch_rows)
}

/// Reading a file under a plan, from where the claim goes on.
pub(super) fn begin(
    claim: &Claim,
    plan: &LoadPlan,
    file: File,
    origin: impl FnOnce() -> Result<Origin>,
    batch_rows: usize,
) -> Result<Reading> {
    let header = read_file_header(&file, &plan.dialect)?;
    let at = start_of(claim, header.end);
    if at == header.end && claim.candidate.size <= SMALL {
        check_archive(&file, &plan.dialect)?;
    }
    let input = input_at(&file, &plan.dialect, at, claim.hash_mark)?;
    let mut decoder = Decoder::new(plan, &header.names)?
        .with_most_records(batch_rows)
        .with_encoding(input.encoding());
    if plan.columns.iter().any(|it| it.source.is_of_file()) {
        decoder = decoder.with_origin(&origin()?);
    }
    Ok(Reading::new(claim, decoder, input, at, Arc::new(file)))
}

/// Where reading starts: past the header, or where the last life ended.
fn start_of(claim: &Claim, after_header: Position) -> Position {
    let at = claim.resume_at();
    if at.offset < after_header.offset {
        after_header
    } else {
        at
    }
}

/// A file that was replaced since it was claimed is another file: the next scan finds it.
fn check_identity(file: &File, claim: &Claim, path: &Path) -> Result<()> {
    let metadata = file
        .metadata()
        .map_err(|error| file_error(error, "looking at the file"))?;
    let found = candidate_of(path.to_owned(), &metadata);
    let claimed = &claim.candidate;
    if (found.device, found.inode) != (claimed.device, claimed.inode) {
        return Err(replaced("another file took its place before it was read"));
    }
    if found.size < claimed.size {
        return Err(changed(&format!(
            "it shrank from {} to {} bytes before it was read",
            claimed.size, found.size
        )));
    }
    let touched = (found.size, found.modified) != (claimed.size, claimed.modified);
    if let Some(ends) = claim.ends.filter(|_| touched) {
        let (head, tail) = edge_hashes(file, claimed.size)
            .map_err(|error| file_error(error, "looking whether the file is what it was"))?;
        // It may have grown. Read as what the ledger takes it for, other content would be doubled
        // by the next life, to which it is another file.
        if (head, tail) != (ends.head, ends.tail) {
            return Err(replaced("other content took its place before it was read"));
        }
    }
    Ok(())
}

fn replaced(reason: &str) -> Error {
    Error::new(ErrorKind::Replaced, reason.to_owned())
}

fn changed(reason: &str) -> Error {
    Error::new(ErrorKind::File, reason.to_owned())
}

/// Reads the header at the start of a file; an empty file, and one without a header, has one without
/// names.
///
/// # Errors
/// `File` where its first record can't be a header, or the file is no text.
pub fn read_file_header(file: &File, dialect: &Dialect) -> Result<Header> {
    let reading = |error| input_error(error, "reading the header");
    let mut search = HeaderSearch::new(dialect);
    let mut text = TextOf::new(file, dialect).map_err(reading)?;
    let mut bytes = Vec::new();
    loop {
        let wanted = bytes.len().max(HEADER_READ) as u64;
        let read = (&mut text)
            .take(wanted)
            .read_to_end(&mut bytes)
            .map_err(reading)?;
        let eof = (read as u64) < wanted;
        match search.look(&mut bytes, eof) {
            Ok(Some(header)) => return Ok(header),
            Ok(None) if eof => {
                return Err(Error::new(ErrorKind::File, "its header has no end"));
            }
            Ok(None) => {}
            Err(HeaderFault::InvalidEncoding { line }) if text.encoding() != UTF_8.name() => {
                let encoding = text.encoding();
                let message = format!("the header, line {line}, is not valid {encoding}");
                return Err(Error::new(ErrorKind::File, message));
            }
            Err(fault) => return Err(Error::new(ErrorKind::File, fault.to_string())),
        }
    }
}

/// A file that can't be opened holds up no other: it is this file's fault, unless it passes.
fn unopened(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => changed("it was gone before it could be read"),
        io::ErrorKind::PermissionDenied => changed(&format!("it can't be read: {error}")),
        _ => file_error(error, "opening the file"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use ingestd_actors::model::{Ends, Epoch, FileId, Plan};

    use super::*;

    /// It was quarantined, and stayed so when the directory was back. Found by `ingestd chaos --faults
    /// inbox`.
    #[test]
    fn a_file_is_not_gone_whose_inbox_is() {
        let place = tempfile::tempdir().expect("a directory");
        let inbox = place.path().join("in");
        let path = inbox.join("a.csv");
        let presence = Presence::of(&inbox);
        let kind = || {
            open_in(Some(&presence), &path)
                .expect_err("there is none")
                .kind()
        };
        assert_eq!(kind(), ErrorKind::Transient);
        std::fs::create_dir(&inbox).expect("a directory");
        assert_eq!(kind(), ErrorKind::File);
        std::fs::write(&path, "id\n").expect("written");
        open_in(Some(&presence), &path).expect("it is there");
    }

    /// Written anew in its own place, a file that waited for its turn was read as what it had been;
    /// after a kill its rows were loaded once more.
    #[test]
    fn a_file_that_was_written_anew_while_it_waited_is_not_read_as_what_it_was() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"id\n1\n").expect("written");
        let (head, tail) = edge_hashes(&file, 5).expect("its ends");
        let metadata = file.metadata().expect("metadata");
        let claim = Claim {
            file: FileId(1),
            candidate: candidate_of("a.csv".into(), &metadata),
            ends: Some(Ends { head, tail }),
            epoch: Epoch(1),
            plan: Arc::new(Plan {
                id: 1,
                partitions: 1,
                definition: String::new(),
                all_or_nothing: false,
            }),
            base: Position::START,
            checkpoints: Vec::new(),
            watermark: Position::START,
            hash_mark: None,
            rejected: 0,
        };
        let check = |file: &File| check_identity(file, &claim, Path::new("a.csv"));
        file.write_all(b"2\n").expect("written");
        check(&file).expect("it has grown");
        file.write_all_at(b"id\n3\n", 0).expect("written");
        let error = check(&file).expect_err("it begins otherwise");
        assert_eq!(error.kind(), ErrorKind::Replaced);
    }

    #[test]
    fn a_file_that_can_not_be_opened_holds_up_no_other() {
        let kind = |number| unopened(io::Error::from_raw_os_error(number)).kind();
        assert_eq!(kind(libc::EACCES), ErrorKind::File);
        assert_eq!(kind(libc::ENOENT), ErrorKind::File);
        assert_eq!(kind(libc::EMFILE), ErrorKind::Transient);
        assert_eq!(kind(libc::ESTALE), ErrorKind::Transient);
    }
}
