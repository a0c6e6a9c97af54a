//! The steps with one file: opening it, reading its chunks, handing them on, ending it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Context;

use super::FileReader;
use crate::answer::{ask, ended, give_all};
use crate::batch_accumulator::{Decoded, OpenFileFor};
use crate::checkpointer::{Asker, Ending, FileEnded, WaitForAll, WaitForRoom};
use crate::error::{Error, ErrorKind};
use crate::failpoint::{Step, pass};
use crate::flow::{Judgement, Opening};
use crate::model::{Chunk, Claim, FileState, Read};
use crate::port::{Event, Measured, RecordStream};

/// The file that is being read.
pub(super) struct Reading {
    claim: Claim,
    stream: Box<dyn RecordStream>,
    opening: Opening,
    /// Read, and not yet handed on.
    held: Vec<Chunk>,
    /// Whether they may be: the file's first records were judged.
    accepted: bool,
    ending: Option<Ending>,
    /// How long it waited for credit so far.
    waited: Duration,
}

impl Reading {
    /// Whether there is something to hand on.
    pub(super) fn has_output(&self) -> bool {
        self.ending.is_some() || (self.accepted && !self.held.is_empty())
    }
}

impl FileReader {
    /// Opens a claimed file; a plan other than the last one's waits until all files are finished.
    pub(super) fn open(&mut self, claim: Claim, context: &mut Context<Self>) {
        let needs_barrier = self.last_plan.is_some_and(|plan| plan != claim.plan.id);
        self.last_plan = Some(claim.plan.id);
        let wait_for_all = self.deps.wait_for_all.clone();
        let wait_for_room = self.deps.wait_for_room.clone();
        let open = self.deps.open.clone();
        let source = Arc::clone(&self.deps.source);
        let pulse = self.lifeline.pulse.clone();
        let mut retry = self.retry();
        let work = async move {
            if needs_barrier {
                let all = WaitForAll(Asker::Reader);
                ask(&wait_for_all, all, "the checkpointer").await?;
            }
            ask(&wait_for_room, WaitForRoom, "the checkpointer").await?;
            let opened = open.send(OpenFileFor(claim.clone())).await;
            opened.map_err(|_| ended("the accumulator"))?;
            loop {
                pulse.working();
                let opened = async {
                    pass(Step::ReaderOpen).await?;
                    source.open(&claim, pulse.clone()).await
                };
                match opened.await {
                    Ok(stream) => {
                        retry.succeeded();
                        return Ok((claim, Ok(stream)));
                    }
                    Err(error) if is_of_the_file(&error) => {
                        return Ok((claim, Err(error)));
                    }
                    Err(error) => {
                        pulse.waiting();
                        retry.wait_out(error).await?;
                    }
                }
            }
        };
        self.run(work, context, |actor, (claim, opened)| {
            actor.claimed.remove(&claim.file);
            match opened {
                Ok(stream) => actor.begin(claim, stream),
                Err(error) => {
                    let ending = match error.kind() {
                        ErrorKind::Replaced => Ending::Replaced,
                        _ => Ending::Quarantine(error.to_string()),
                    };
                    actor.end(&claim, ending, Duration::ZERO);
                }
            }
        });
    }

    fn begin(&mut self, claim: Claim, stream: Box<dyn RecordStream>) {
        let at = claim.resume_at();
        let from_start = at == claim.base;
        if !from_start {
            slog::info!(self.deps.log, "file goes on";
                "file" => claim.file.0, "path" => %claim.candidate.path.display(),
                "record" => at.record, "byte" => at.offset);
        }
        self.deps.observer.observe(&Event::FileStarted {
            file: claim.file,
            path: claim.candidate.path.clone(),
            size: claim.candidate.size,
            at,
        });
        self.measure(Measured::State(FileState::Reading));
        self.reading = Some(Reading {
            claim,
            stream,
            opening: if from_start {
                Opening::new()
            } else {
                Opening::decided()
            },
            held: Vec::new(),
            accepted: false,
            ending: None,
            waited: Duration::ZERO,
        });
    }

    fn end(&mut self, claim: &Claim, ending: Ending, waited: Duration) {
        self.deps.ended.do_send(FileEnded {
            file: claim.file,
            epoch: claim.epoch,
            ending,
            waited,
        });
    }

    /// Reads the next chunk, and judges it while the file is new.
    pub(super) fn read(&mut self, mut reading: Reading, context: &mut Context<Self>) {
        let pulse = self.lifeline.pulse.clone();
        let mut retry = self.retry();
        let observer = Arc::clone(&self.deps.observer);
        let work = async move {
            let next = loop {
                pulse.working();
                let next = async {
                    pass(Step::ReaderChunk).await?;
                    reading.stream.next().await
                };
                match next.await {
                    Ok(next) => break next,
                    Err(error) if error.kind() == ErrorKind::File => {
                        reading.held.clear();
                        reading.ending = Some(Ending::Quarantine(error.to_string()));
                        return Ok(reading);
                    }
                    Err(error) => {
                        pulse.waiting();
                        retry.wait_out(error).await?;
                    }
                }
            };
            if matches!(next, Read::End(_)) {
                // It may have waited for the server before.
                pulse.working();
                pass(Step::ReaderEnd).await?;
            }
            pulse.waiting();
            retry.succeeded();
            if let Read::Chunk(chunk) = &next {
                observer.observe(&Event::Measured(Measured::Read {
                    records: chunk.records(),
                    bytes: chunk.to.offset - chunk.from.offset,
                }));
            }
            match next {
                Read::End(end) => reading.ending = Some(Ending::Complete(end)),
                Read::Chunk(chunk) => match reading.opening.judge(&chunk) {
                    Judgement::Wait => reading.held.push(chunk),
                    Judgement::Accept => {
                        reading.held.push(chunk);
                        reading.accepted = true;
                    }
                    Judgement::Refuse(reason) => {
                        reading.held.clear();
                        reading.ending = Some(Ending::Quarantine(reason));
                    }
                },
            }
            Ok(reading)
        };
        self.reading_now = true;
        self.run(work, context, |actor, reading| {
            actor.reading = Some(reading);
        });
    }

    /// Hands on what was read, as there is credit; then the end, where it was found.
    ///
    /// Nothing is read meanwhile, so a pause needn't wait for the credit.
    pub(super) fn hand_on(&mut self, context: &mut Context<Self>) {
        let Some(mut reading) = self.reading.take() else {
            return;
        };
        if self.paused {
            give_all(&mut self.waiting_for_pause);
        }
        let chunks = self.deps.chunks.clone();
        let work = async move {
            let start = Instant::now();
            for chunk in reading.held.drain(..) {
                pass(Step::ReaderHandOn).await?;
                if !ask(&chunks, Decoded(chunk), "the accumulator").await? {
                    reading.ending = Some(Ending::Stopped);
                    break;
                }
            }
            reading.waited += start.elapsed();
            Ok(reading)
        };
        self.run(work, context, |actor, mut reading| {
            match reading.ending.take() {
                None => actor.reading = Some(reading),
                Some(ending) => actor.end(&reading.claim, ending, reading.waited),
            }
        });
    }
}

/// Whether an error is this file's alone: the next ones go on.
fn is_of_the_file(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::File | ErrorKind::Replaced)
}
