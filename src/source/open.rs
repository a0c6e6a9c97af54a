//! Opens a claimed file where reading goes on, and makes sure that it is still that file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Claim, Position};
use ingestd_actors::port::{PortFuture, RecordStream, Source};
use ingestd_actors::supervision::Pulse;
use tokio::runtime::Handle;

use super::Decoder;
use super::stream::{CsvStream, Reading};
use crate::csv::{Header, read_header};
use crate::fs::{ContentHasher, candidate_of, edge_hashes, file_error, hash_prefix, open_regular};
use crate::plan::{Dialect, LoadPlan};
use crate::postgres::Resolver;

/// How many bytes a header is first looked for in.
const HEADER_READ: usize = 16 << 10;

/// CSV files on the file system.
pub struct CsvSource {
    runtime: Handle,
    resolver: Resolver,
    batch_rows: usize,
}

impl CsvSource {
    /// A source that reads and decodes on the blocking threads of `runtime`, and asks `resolver`
    /// what the server makes of values that the decoder does not recognise. No chunk has more than
    /// `batch_rows` records, so that every one fits into a batch.
    pub fn new(runtime: Handle, resolver: Resolver, batch_rows: usize) -> Self {
        Self {
            runtime,
            resolver,
            batch_rows,
        }
    }
}

impl Source for CsvSource {
    fn open(&self, claim: &Claim, pulse: Pulse) -> PortFuture<Box<dyn RecordStream>> {
        let claim = claim.clone();
        let (runtime, resolver) = (self.runtime.clone(), self.resolver.clone());
        let batch_rows = self.batch_rows;
        Box::pin(async move {
            let opening = runtime.spawn_blocking(move || open(&claim, batch_rows));
            let reading = opening.await.map_err(super::stream::lost_thread)??;
            let stream: Box<dyn RecordStream> =
                Box::new(CsvStream::new(reading, runtime, resolver, pulse));
            Ok(stream)
        })
    }
}

fn open(claim: &Claim, batch_rows: usize) -> Result<Reading> {
    let path = &claim.candidate.path;
    let file = open_regular(path).map_err(unopened)?;
    check_identity(&file, claim, path)?;

    let plan: LoadPlan = serde_json::from_str(&claim.plan.definition).map_err(|error| {
        Error::new(ErrorKind::Bug, "the stored plan can't be read").with_source(error)
    })?;
    let header = header_of(&file, &plan)?;
    let at = start_of(claim, header.end);
    check_line_end(&file, at)?;
    Ok(Reading::new(
        claim,
        Decoder::new(&plan, &header.names)?.with_most_records(batch_rows),
        hasher_up_to(&file, claim, at.offset)?,
        at,
        Arc::new(file),
    ))
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
        return Err(changed("another file took its place before it was read"));
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
            return Err(changed("other content took its place before it was read"));
        }
    }
    Ok(())
}

fn changed(reason: &str) -> Error {
    Error::new(ErrorKind::File, reason.to_owned())
}

/// A resume position stands after a line end, or the file is not what was read before.
fn check_line_end(file: &File, at: Position) -> Result<()> {
    if at.record == 0 || at.offset == 0 {
        return Ok(());
    }
    let mut before = [0];
    file.read_exact_at(&mut before, at.offset - 1)
        .map_err(|error| file_error(error, "reading before the checkpoint"))?;
    if matches!(before[0], b'\n' | b'\r') {
        return Ok(());
    }
    // The last record of a file may end without a line end.
    let size = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    if size == at.offset {
        return Ok(());
    }
    Err(changed(
        "its content changed since it was begun: no line ends at the checkpoint",
    ))
}

/// The content hash's state at `offset`, from the last mark on.
fn hasher_up_to(file: &File, claim: &Claim, offset: u64) -> Result<ContentHasher> {
    let reading = |error| file_error(error, "reading the part that is loaded already");
    let Some(mark) = claim.hash_mark.filter(|mark| mark.offset <= offset) else {
        return hash_prefix(file, offset).map_err(reading);
    };
    let mut hasher = ContentHasher::resume(mark);
    let mut buffer = vec![0; offset.min(256 << 10) as usize];
    while hasher.offset() < offset {
        let wanted = (offset - hasher.offset()).min(buffer.len() as u64) as usize;
        let read = file
            .read_at(&mut buffer[..wanted], hasher.offset())
            .map_err(reading)?;
        if read == 0 {
            return Err(changed("it shrank since it was begun"));
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher)
}

fn header_of(file: &File, plan: &LoadPlan) -> Result<Header> {
    let by_position = || {
        let columns = plan.columns.iter();
        columns.map(|column| column.field.clone()).collect()
    };
    if !plan.dialect.header {
        return Ok(Header {
            names: by_position(),
            end: Position::START,
        });
    }
    let mut from_start = Positioned { file, offset: 0 };
    let mut header = read_file_header(&mut from_start, &plan.dialect)?;
    if header.names.is_empty() {
        // An empty file: no record will ask for them.
        header.names = by_position();
    }
    Ok(header)
}

/// Reads a file without moving a cursor that others may share.
struct Positioned<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Reads the header at the start of a file; an empty file has one without names.
///
/// # Errors
/// `File` where its first record can't be a header.
pub fn read_file_header(reader: &mut dyn Read, dialect: &Dialect) -> Result<Header> {
    let mut bytes = Vec::new();
    loop {
        let wanted = bytes.len().max(HEADER_READ) as u64;
        let read = reader
            .take(wanted)
            .read_to_end(&mut bytes)
            .map_err(|error| file_error(error, "reading the header"))?;
        let eof = (read as u64) < wanted;
        match read_header(&bytes, eof, dialect) {
            Ok(Some(header)) => return Ok(header),
            Ok(None) if eof => {
                return Err(Error::new(ErrorKind::File, "its header has no end"));
            }
            Ok(None) => {}
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

    use ingestd_actors::model::{Ends, Epoch, FileId, Plan};

    use super::*;

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
            }),
            base: Position::START,
            checkpoints: Vec::new(),
            watermark: Position::START,
            hash_mark: None,
        };
        let check = |file: &File| check_identity(file, &claim, Path::new("a.csv"));
        file.write_all(b"2\n").expect("written");
        check(&file).expect("it has grown");
        file.write_all_at(b"id\n3\n", 0).expect("written");
        let error = check(&file).expect_err("it begins otherwise");
        assert_eq!(error.kind(), ErrorKind::File);
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
