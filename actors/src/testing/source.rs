//! Reading test files.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::sink::REFUSED;
use super::{Fault, State, Step, TestFile, TestRecord, World};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{
    Chunk, Claim, DeadLetter, FileEnd, Filtered, Place, Position, Read, Reason, Rows,
};
use crate::port::{PortFuture, RecordStream, Source};
use crate::supervision::Pulse;

impl Source for World {
    fn open(&self, claim: &Claim, pulse: Pulse) -> PortFuture<Box<dyn RecordStream>> {
        let (world, claim) = (self.clone(), claim.clone());
        Box::pin(async move {
            let at = claim.resume_at();
            let path = claim.candidate.path.clone();
            let work = move |state: &mut State| match state.inbox.get(&path) {
                Some(file) if !file.unreadable => Ok(file.clone()),
                Some(_) => Err(Error::new(ErrorKind::File, "unreadable")),
                None => Err(Error::new(ErrorKind::File, "gone")),
            };
            let opened = world.call(Step::SourceOpen, Some(pulse.clone()), work);
            let file = opened.await?;
            let stream: Box<dyn RecordStream> = Box::new(TestStream {
                world,
                pulse,
                claim,
                file,
                at,
            });
            Ok(stream)
        })
    }
}

struct TestStream {
    world: World,
    pulse: Pulse,
    claim: Claim,
    file: TestFile,
    at: Position,
}

impl RecordStream for TestStream {
    fn next(&mut self) -> BoxFuture<'_, Result<Read>> {
        Box::pin(async {
            let poisoned = self.world.state().take_poison();
            let pulse = Some(self.pulse.clone());
            let call = self.world.call(Step::SourceNext, pulse, |_| Ok(()));
            call.await?;
            self.read(poisoned)
        })
    }
}

impl TestStream {
    fn read(&mut self, poisoned: bool) -> Result<Read> {
        let start = self.at.record as usize;
        let limit = self.file.broken_after.unwrap_or(u64::MAX);
        let end = (start + self.file.chunk)
            .min(self.file.records.len())
            .min(usize::try_from(limit).unwrap_or(usize::MAX));
        if start >= end && self.file.broken_after.is_some() {
            return Err(Error::new(ErrorKind::File, "broken"));
        }
        if start >= end {
            return Ok(Read::End(FileEnd {
                end: self.at,
                text: self.file.size(),
                size: self.file.size(),
                modified: self.file.modified,
                arrived: std::time::SystemTime::now(),
                content_hash: [0; 32],
                handle: Arc::new(File::open("/dev/null").expect("there on every Unix")),
            }));
        }
        let chunk = self.decode(start, end, poisoned);
        self.at = chunk.to;
        self.world.state().chunks_read += 1;
        Ok(Read::Chunk(chunk))
    }

    fn decode(&self, start: usize, end: usize, poisoned: bool) -> Chunk {
        let mut partitions: BTreeMap<u16, Rows> = BTreeMap::new();
        let mut rejects = Vec::new();
        let mut filtered = Filtered::default();
        for (index, record) in self.file.records[start..end].iter().enumerate() {
            let number = (start + index) as u64 + 1;
            let (key, value) = match *record {
                TestRecord::Row { key, value } => (key, value),
                TestRecord::Refused { key } => (key, REFUSED),
                TestRecord::Malformed => {
                    rejects.push(dead_letter(number));
                    continue;
                }
                TestRecord::Filtered => {
                    filtered.push(number);
                    continue;
                }
            };
            let partition = (key % u64::from(self.claim.plan.partitions)) as u16;
            let partition = if poisoned { u16::MAX } else { partition };
            let rows = partitions.entry(partition).or_default();
            let place = Place {
                record: number,
                line: number,
                offset: (number - 1) * TestFile::RECORD_BYTES,
            };
            let data = [key.to_le_bytes(), value.to_le_bytes()].concat();
            let raw = [b'x'; TestFile::RECORD_BYTES as usize];
            rows.push(place, &data, &key.to_le_bytes(), &raw);
        }
        Chunk {
            file: self.claim.file,
            epoch: self.claim.epoch,
            from: self.at,
            to: Position {
                record: end as u64,
                offset: end as u64 * TestFile::RECORD_BYTES,
                line: end as u64 + 1,
            },
            partitions: partitions.into_iter().collect(),
            rejects,
            filtered,
            hash_mark: None,
        }
    }
}

fn dead_letter(record: u64) -> DeadLetter {
    DeadLetter {
        record,
        line: record,
        offset: (record - 1) * TestFile::RECORD_BYTES,
        length: TestFile::RECORD_BYTES,
        raw: Bytes::from_static(b"xxxxxxxxxx"),
        column: None,
        reason: Reason::BadQuoting,
        message: "text after a closing quote".to_owned(),
        sqlstate: None,
    }
}

impl State {
    /// Whether the next chunk is to be poisoned.
    fn take_poison(&mut self) -> bool {
        let armed = self
            .armed
            .iter_mut()
            .find(|armed| armed.step == Step::SourceNext && matches!(armed.fault, Fault::Poison));
        let Some(armed) = armed else { return false };
        let due = armed.skip == 0;
        if due {
            armed.times -= 1;
        } else {
            armed.skip -= 1;
        }
        self.armed.retain(|armed| armed.times > 0);
        due
    }
}
