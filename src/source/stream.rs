//! A file that is being read: blocks of bytes in, chunks of decoded records out.

use std::collections::VecDeque;
use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{
    Candidate, Chunk, Claim, Epoch, FileEnd, FileId, HashMark, Position, Read,
};
use ingestd_actors::port::RecordStream;
use ingestd_actors::supervision::Pulse;
use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::ahead::Ahead;
use super::input::{Input, input_error};
use super::{Decoded, Decoder};
use crate::fs::{candidate_of, file_error, hash_prefix};
use crate::postgres::Resolver;
use crate::row::Answers;

/// How many bytes are read at a time: enough that messages cost nothing, few enough that many
/// chunks fit into the memory of a pipeline.
const BLOCK: usize = 256 << 10;

/// The stream.
pub struct CsvStream {
    /// `None` while a thread has it, and for good where that thread was given up.
    reading: Option<Box<Reading>>,
    /// Chunks that were decoded, and perhaps wait for the server's answers.
    ahead: Ahead,
    /// What ends the file behind them.
    after: Option<Result<FileEnd>>,
    runtime: Handle,
    pulse: Pulse,
}

impl CsvStream {
    pub(super) fn new(reading: Reading, runtime: Handle, resolver: Resolver, pulse: Pulse) -> Self {
        Self {
            reading: Some(Box::new(reading)),
            ahead: Ahead::new(resolver),
            after: None,
            runtime,
            pulse,
        }
    }

    async fn read_on(&mut self) -> Result<Read> {
        loop {
            while self.after.is_none() && self.ahead.wants_more() {
                match self.decode_next().await {
                    Ok(Step::Decoded(decoded)) => self.ahead.push(decoded),
                    Ok(Step::End(end)) => self.after = Some(Ok(end)),
                    Err(error) => self.after = Some(Err(error)),
                }
            }
            let open = self.reading.is_some();
            if (self.ahead.is_empty() || !open)
                && let Some(after) = self.after.take()
            {
                return after.map(Read::End);
            }
            let chunk = self.next_chunk().await?;
            if chunk.records() > 0 {
                return Ok(Read::Chunk(chunk));
            }
        }
    }

    async fn decode_next(&mut self) -> Result<Step> {
        let Some(mut reading) = self.reading.take() else {
            return Err(Error::new(ErrorKind::Bug, "a file is read after its end"));
        };
        if reading.ended {
            // A file that has changed is read once more as a whole, which takes its time.
            self.pulse.waiting();
        }
        let pulse = self.pulse.clone();
        let step = self.runtime.spawn_blocking(move || {
            let step = reading.step(&pulse);
            (reading, step)
        });
        let (reading, step) = step.await.map_err(lost_thread)?;
        self.reading = Some(reading);
        step
    }

    /// The first of the chunks that were decoded, complete; where the server can't be asked, it goes
    /// on waiting.
    async fn next_chunk(&mut self) -> Result<Chunk> {
        let waits = self.ahead.waits();
        if waits {
            self.pulse.waiting();
        }
        let Some((decoded, answers)) = self.ahead.next().await? else {
            return Err(Error::new(ErrorKind::Bug, "no chunk was decoded"));
        };
        let Some(mut reading) = self.reading.take() else {
            return Err(Error::new(ErrorKind::Bug, "the file is not open"));
        };
        if !waits {
            let chunk = reading.chunk(decoded);
            self.reading = Some(reading);
            return Ok(chunk);
        }
        self.pulse.working();
        let completed = self.runtime.spawn_blocking(move || {
            let chunk = reading.complete(decoded, &answers);
            (reading, chunk)
        });
        let (reading, chunk) = completed.await.map_err(lost_thread)?;
        self.reading = Some(reading);
        chunk
    }
}

impl RecordStream for CsvStream {
    fn next(&mut self) -> BoxFuture<'_, Result<Read>> {
        Box::pin(self.read_on())
    }
}

pub(super) fn lost_thread(error: JoinError) -> Error {
    Error::new(ErrorKind::Bug, "the thread that read the file died").with_source(error)
}

enum Step {
    Decoded(Decoded),
    End(FileEnd),
}

/// The file, how far it is read, and what has not been decoded yet.
pub(super) struct Reading {
    file_id: FileId,
    epoch: Epoch,
    claimed: Candidate,
    file: Arc<File>,
    decoder: Decoder,
    input: Input,
    /// Marks that no chunk has passed yet, each with the offset in the text that passes it.
    marks: VecDeque<(u64, HashMark)>,
    passed_mark: Option<HashMark>,
    at: Position,
    /// What was read last; used again for every block.
    buffer: Vec<u8>,
    /// What of it is not decoded: the start of a record whose end is still to come.
    rest: Range<usize>,
    /// The rest may hold whole records: it is decoded before more is read. Whether the file ends
    /// with it.
    more_in_rest: Option<bool>,
    ended: bool,
}

impl Reading {
    pub(super) fn new(
        claim: &Claim,
        decoder: Decoder,
        input: Input,
        at: Position,
        file: Arc<File>,
    ) -> Self {
        Self {
            file_id: claim.file,
            epoch: claim.epoch,
            claimed: claim.candidate.clone(),
            file,
            decoder,
            passed_mark: input.mark().map(|(_, mark)| mark),
            input,
            marks: VecDeque::new(),
            at,
            buffer: Vec::new(),
            rest: 0..0,
            more_in_rest: None,
            ended: false,
        }
    }

    pub(super) fn decoder(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Reads and decodes the next block. Whatever is read of the file is progress, however little comes
    /// of it: a record may be longer than what is read in any time.
    fn step(&mut self, pulse: &Pulse) -> Result<Step> {
        let file = Arc::clone(&self.file);
        self.step_by(|buffer, offset| {
            pulse.working();
            file.read_at(buffer, offset)
        })
    }

    fn step_by(&mut self, read: impl Fn(&mut [u8], u64) -> io::Result<usize>) -> Result<Step> {
        if self.ended {
            return self.end().map(Step::End);
        }
        let rest_starts = self.input.text() - self.rest.len() as u64;
        let eof = match self.more_in_rest.take() {
            Some(eof) => eof,
            None => self.read_block(read)?,
        };
        let bytes = &self.buffer[self.rest.clone()];
        let decoded = self.decoder.decode(bytes, self.at, eof);
        let used = (decoded.next_offset - rest_starts) as usize;
        self.rest.start += used.min(bytes.len());
        self.at = decoded.to;
        self.more_in_rest = decoded.stopped.then_some(eof);
        self.ended = eof && self.rest.is_empty();
        Ok(Step::Decoded(decoded))
    }

    /// Reads the next block behind the rest of the last one; whether the file ends with it.
    fn read_block(&mut self, read: impl Fn(&mut [u8], u64) -> io::Result<usize>) -> Result<bool> {
        self.make_room();
        while self.rest.end < self.buffer.len() {
            let before = self.input.mark();
            match self.input.read(&mut self.buffer[self.rest.end..], &read) {
                Ok(0) => return Ok(true),
                Ok(read) => self.rest.end += read,
                // What came before it is not read again: it stays in the rest.
                Err(error) => return Err(input_error(error, "reading the file")),
            }
            let mark = self.input.mark();
            if mark.map(|(_, mark)| mark) != before.map(|(_, mark)| mark) {
                self.marks.extend(mark);
            }
        }
        Ok(false)
    }

    /// Moves the rest to the buffer's start, with room for a block behind it.
    fn make_room(&mut self) {
        let kept = self.rest.len();
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..kept;
        // A record that is longer than a block is read by steps that double.
        let most = BLOCK.max(kept);
        // No more for a small file than it takes to see its end; one that has grown is read on.
        let wanted = match self.claimed.size.saturating_sub(self.input.text()) {
            left if left > 0 && self.input.is_plain() => {
                usize::try_from(left + 1).map_or(most, |left| left.min(most))
            }
            _ => most,
        };
        self.buffer.resize(kept + wanted, 0);
        if self.buffer.capacity() > 4 * self.buffer.len().max(BLOCK) {
            self.buffer.shrink_to_fit();
        }
    }

    /// Puts the server's answers into a chunk.
    fn complete(&mut self, mut decoded: Decoded, answers: &[Answers]) -> Result<Chunk> {
        self.decoder.complete(&mut decoded, answers)?;
        Ok(self.chunk(decoded))
    }

    fn chunk(&mut self, decoded: Decoded) -> Chunk {
        while let Some(&(text, mark)) = self.marks.front() {
            if text > decoded.to.offset {
                break;
            }
            self.passed_mark = Some(mark);
            self.marks.pop_front();
        }
        Chunk {
            file: self.file_id,
            epoch: self.epoch,
            from: decoded.from,
            to: decoded.to,
            partitions: decoded.partitions,
            rejects: decoded.rejects,
            filtered: decoded.filtered,
            hash_mark: self.passed_mark,
        }
    }

    /// The file was read to its end: what it is now. Where it has grown in the meantime, its tail
    /// is loaded after it, as a file of its own.
    ///
    /// The end, once it is sure that the file still begins with what was read of it: one that was
    /// written anew in its place would be a mixture of both.
    fn end(&self) -> Result<FileEnd> {
        let metadata = self
            .file
            .metadata()
            .map_err(|error| file_error(error, "looking at the file"))?;
        let found = candidate_of(self.claimed.path.clone(), &metadata);
        if found.size < self.claimed.size {
            let message = format!(
                "it shrank from {} to {} bytes while it was read",
                self.claimed.size, found.size
            );
            return Err(Error::new(ErrorKind::File, message).with_advice(
                "move files into the inbox once they are whole, and leave them alone",
            ));
        }
        let hasher = self.input.hasher();
        if found.modified != self.claimed.modified || found.size < hasher.offset() {
            self.check_content()?;
        }
        Ok(FileEnd {
            end: self.at,
            text: self.input.text(),
            size: hasher.offset(),
            modified: found.modified,
            arrived: arrived(&metadata),
            content_hash: hasher.finish(),
            handle: Arc::clone(&self.file),
        })
    }

    fn check_content(&self) -> Result<()> {
        let hasher = self.input.hasher();
        match hash_prefix(&self.file, hasher.offset()) {
            Ok(now) if now.finish() == hasher.finish() => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(file_error(error, "reading the file again"))
            }
            _ => Err(Error::new(
                ErrorKind::File,
                "it was written anew while it was read, so that what is loaded of it may be a mixture",
            )
            .with_advice("move files into the inbox once they are whole")),
        }
    }
}

/// The later of what was written last and what was changed about the file last: a rename into the inbox
/// is such a change, while what is in the file may be of last year.
fn arrived(metadata: &Metadata) -> SystemTime {
    let changed = Duration::new(
        u64::try_from(metadata.ctime()).unwrap_or(0),
        u32::try_from(metadata.ctime_nsec()).unwrap_or(0),
    );
    let changed = SystemTime::UNIX_EPOCH + changed;
    metadata.modified().map_or(changed, |it| it.max(changed))
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
