//! The decoder of one file: buffers of its bytes in, rows by partition and dead letters out.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use encoding_rs::UTF_8;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{DeadLetter, Filtered, Place, Position, Rows};

use super::Origin;
use super::filters::Filters;
use super::partitions::Partitions;
use super::pending::{Pending, Waiting};
use super::reject::Reject;
use super::row_encoder::{Outcome, RowEncoder};
use super::text::Text;
use super::width::Width;
use crate::csv::{
    Field, Oversized, Record, Scan, Scanner, Unclosed, is_blank_line, skip_byte_order_mark,
};
use crate::plan::LoadPlan;
use crate::row::{Answers, Zone, is_well_formed};

/// A dead letter holds at most this much of its record.
const RAW_CAP: usize = 1 << 20;

/// Spans in rows are 32 bits wide; an encoded row may be several times as long as its record.
const LARGEST_BUFFER: usize = 1 << 28;

/// Decodes the records of one file, buffer by buffer.
#[derive(Debug)]
pub struct Decoder {
    scanner: Scanner,
    width: Width,
    filters: Filters,
    encoder: RowEncoder,
    partitions: Partitions,
    fields: Vec<Field>,
    /// The name of the encoding that the file has; what is decoded here is UTF-8.
    encoding: &'static str,
    /// No buffer gives more records than this at once.
    most_records: usize,
    /// A record that is longer than the largest one and has not ended yet.
    passing: Option<Passing>,
    /// What is known of the quotes of badly quoted records.
    unclosed: Option<Unclosed>,
}

/// What is known of an oversized record while it is passed over.
#[derive(Debug)]
struct Passing {
    oversized: Oversized,
    /// Where it starts in the file.
    offset: u64,
    /// Its bytes that have been given so far.
    seen: u64,
    /// Its first bytes.
    raw: Vec<u8>,
}

/// What came out of one buffer.
#[derive(Debug)]
pub struct Decoded {
    /// The position at which it starts.
    pub from: Position,
    /// The position after the last record that was decoded. With records pending, everything up to
    /// here is accounted for only after [`Decoder::complete`].
    pub to: Position,
    /// The offset in the file of the bytes that the next buffer is to start with. It is below the
    /// end of this buffer where that ends within a record; if it has not moved at all, the next
    /// buffer must be longer. It is beyond `to` while an oversized record is passed over.
    pub next_offset: u64,
    /// Whether it ended at the most records at once: the buffer may hold more.
    pub stopped: bool,
    /// The rows by partition; only partitions that have any.
    pub partitions: Vec<(u16, Rows)>,
    /// The records that are no rows, in record order.
    pub rejects: Vec<DeadLetter>,
    /// The records that a filter left out.
    pub filtered: Filtered,
    /// The records that wait for the server.
    pub pending: Pending,
}

impl Decoder {
    /// A decoder of files with this header; without one in the dialect, fields are known by their place
    /// alone.
    ///
    /// # Errors
    /// `File` where the header does not have the plan's fields; `Configuration` where the plan can't
    /// be carried out.
    pub fn new(plan: &LoadPlan, header: &[String]) -> Result<Decoder> {
        if !plan.dialect.cuts_between_characters() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "the delimiter must be UTF-8, and quote, escape and comment ASCII characters",
            ));
        }
        let layout = plan.layout(header)?;
        Ok(Decoder {
            scanner: Scanner::new(&plan.dialect),
            width: Width::new(plan, &layout),
            filters: Filters::new(plan, &layout)?,
            encoder: RowEncoder::new(plan, &layout)?,
            partitions: Partitions::new(plan),
            fields: Vec::new(),
            encoding: UTF_8.name(),
            most_records: usize::MAX,
            passing: None,
            unclosed: None,
        })
    }

    /// Gives the values of columns that are derived from the file.
    pub fn with_origin(mut self, origin: &Origin) -> Decoder {
        self.encoder.set_origin(origin);
        self
    }

    /// Decodes at most so many records (at least one) of a buffer at once, for batches that are small.
    pub fn with_most_records(mut self, most: usize) -> Decoder {
        self.most_records = most.max(1);
        self
    }

    /// The time zones that are to be compared with those of the server.
    pub fn zones(&self) -> Vec<Arc<Zone>> {
        self.encoder.zones()
    }

    /// From now on, the local times of a zone (in microseconds since 2000) that are not `agreed` on
    /// are left to the server.
    pub fn agree(&mut self, zone: &str, agreed: &Range<i64>) {
        self.encoder.agree(zone, agreed);
    }

    /// Says of which encoding bytes are none that could not be turned into UTF-8.
    pub fn with_encoding(mut self, name: &'static str) -> Decoder {
        self.encoding = name;
        self
    }

    /// Decodes all complete records in `bytes`, which starts where the last buffer's `next_offset`
    /// says (at first: at the offset of `at`); `at` is the last buffer's `to`, and `eof` says that
    /// the file ends at the end of `bytes`.
    pub fn decode(&mut self, bytes: &[u8], at: Position, eof: bool) -> Decoded {
        let eof = eof && bytes.len() <= LARGEST_BUFFER;
        let bytes = &bytes[..bytes.len().min(LARGEST_BUFFER)];
        let passed = self
            .passing
            .as_ref()
            .map_or(0, |passing| passing.offset - at.offset + passing.seen);
        let mut run = Run {
            decoded: Decoded {
                from: at,
                to: at,
                next_offset: 0,
                stopped: false,
                partitions: Vec::new(),
                rejects: Vec::new(),
                filtered: Filtered::default(),
                pending: Pending::default(),
            },
            raw_offset: at.offset + passed,
            cursor: 0,
            text: Text::default(),
            bytes,
            eof,
        };
        if self.go_on_passing(&mut run) && run.pass_byte_order_mark() {
            self.decode_records(&mut run);
        }
        let mut decoded = run.decoded;
        decoded.next_offset = run.raw_offset + run.cursor as u64;
        decoded.partitions = self.partitions.take();
        decoded
    }

    /// Decodes bytes that are one record of a file, its line end included, apart from whatever stands
    /// around it there.
    pub fn decode_alone(&mut self, bytes: &[u8], place: Place) -> Decoded {
        self.passing = None;
        self.unclosed = None;
        let at = Position {
            record: place.record.saturating_sub(1),
            line: place.line,
            // Never the file's start: a byte order mark is none here.
            offset: place.offset.max(1),
        };
        self.decode(bytes, at, true)
    }

    /// Completes the pending records of a buffer with the server's answers, one list for each of
    /// [`Pending::questions`], and puts rows and dead letters in record order again.
    ///
    /// # Errors
    /// `Bug` where the answers don't fit the questions; nothing has been changed then.
    pub fn complete(&mut self, decoded: &mut Decoded, answers: &[Answers]) -> Result<()> {
        if !self.fit(&decoded.pending, answers) {
            return Err(Error::new(
                ErrorKind::Bug,
                "the answers of the server don't fit what it was asked",
            ));
        }
        if decoded.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut decoded.pending);
        self.partitions
            .put_back(std::mem::take(&mut decoded.partitions));
        for waiting in pending.records() {
            let Waiting { place, raw, .. } = waiting;
            let values = waiting.holes.iter().map(|hole| {
                let answers = &answers[hole.question as usize];
                (hole, answers.get(hole.text as usize))
            });
            match self.encoder.fill(waiting.tuple, values) {
                Ok(()) => self.add_row(place, raw, waiting.deletes),
                Err(reject) => {
                    let letter = dead_letter(place, raw.len() as u64, raw, reject);
                    decoded.rejects.push(letter);
                }
            }
        }
        self.partitions.sort();
        decoded.partitions = self.partitions.take();
        decoded.rejects.sort_by_key(|letter| letter.record);
        Ok(())
    }

    /// Whether there is an answer to every text, and every value has the form of its type.
    fn fit(&self, pending: &Pending, answers: &[Answers]) -> bool {
        let questions = pending.questions();
        questions.len() == answers.len()
            && questions.iter().zip(answers).all(|(question, answers)| {
                let value_type = self.encoder.value_type(&question.type_name);
                let mut values = answers.iter().flatten();
                question.len() == answers.len()
                    && values.all(|value| is_well_formed(value_type, value))
            })
    }

    /// Passes over what the buffer has of an oversized record; whether its end was found, or there
    /// was none to pass over.
    fn go_on_passing(&mut self, run: &mut Run) -> bool {
        let Some(mut passing) = self.passing.take() else {
            return true;
        };
        let rest = &run.bytes[run.cursor..];
        let Some(next) = passing.oversized.skip(rest, run.eof) else {
            passing.seen += rest.len() as u64;
            run.cursor = run.bytes.len();
            self.passing = Some(passing);
            return false;
        };
        run.cursor += next;
        let Oversized {
            fault,
            length,
            lines,
            ..
        } = passing.oversized;
        let place = Place {
            record: run.decoded.to.record + 1,
            line: run.decoded.to.line,
            offset: passing.offset,
        };
        // Without a fault it is a comment, and no record.
        if let Some(fault) = fault {
            let reject = Reject::fault(fault, length, self.scanner.max_record());
            let letter = dead_letter(place, length, &passing.raw, reject);
            run.decoded.rejects.push(letter);
        }
        run.step(u64::from(fault.is_some()), lines);
        true
    }

    fn decode_records(&mut self, run: &mut Run) {
        let first = run.decoded.from.record;
        loop {
            if run.decoded.to.record - first >= self.most_records as u64 {
                run.decoded.stopped = true;
                return;
            }
            let scan = self.scanner.scan_on(
                run.bytes,
                (run.raw_offset, run.cursor),
                run.eof,
                &mut self.fields,
                &mut self.unclosed,
            );
            match scan {
                Scan::Record(record) => {
                    run.cursor = record.next;
                    // A blank line is nothing, unless a record has just one field.
                    if !self.width.is_one() && is_blank_line(&self.fields) {
                        run.step(0, record.lines);
                        continue;
                    }
                    if let Err(reject) = self.decode_record(run, &record) {
                        run.reject(&record, reject);
                    }
                    run.step(1, record.lines);
                }
                Scan::Bad(record, fault) => {
                    run.cursor = record.next;
                    let length = (record.end - record.start) as u64;
                    let reject = Reject::fault(fault, length, self.scanner.max_record());
                    run.reject(&record, reject);
                    run.step(1, record.lines);
                }
                Scan::Comment(record) => {
                    run.cursor = record.next;
                    run.step(0, record.lines);
                }
                Scan::Oversized(oversized) => {
                    self.start_passing(run, oversized);
                    if !self.go_on_passing(run) {
                        return;
                    }
                }
                Scan::NeedMore | Scan::End => return,
            }
        }
    }

    /// Notes an oversized record at the cursor, and moves on by what has been looked at.
    fn start_passing(&mut self, run: &mut Run, oversized: Oversized) {
        let seen = oversized.length;
        let held = match oversized.fault {
            Some(_) => RAW_CAP.min(self.scanner.max_record()),
            None => 0,
        };
        self.passing = Some(Passing {
            oversized,
            offset: run.raw_offset + run.cursor as u64,
            seen,
            raw: run.bytes[run.cursor..run.cursor + held].to_vec(),
        });
        run.cursor += seen as usize;
    }

    /// Makes a row of the record whose fields were just found, or notes it as filtered or pending.
    fn decode_record(&mut self, run: &mut Run, record: &Record) -> Result<(), Reject> {
        let raw = &run.bytes[record.start..record.end];
        if let Err(reject) = run.text.check(run.bytes, record) {
            return Err(reject.in_encoding(self.encoding));
        }
        self.width.check(self.fields.len())?;
        let place = run.place(record);
        if !self.filters.pass(run.bytes, &self.fields) {
            run.decoded.filtered.push(place.record);
            return Ok(());
        }
        match self.encoder.encode(run.bytes, &self.fields, place)? {
            Outcome::Row => self.add_row(place, raw, self.encoder.deletes()),
            Outcome::Unrecognised => run.decoded.pending.push(place, raw, &self.encoder),
        }
        Ok(())
    }

    /// Adds the row that the encoder has just completed.
    fn add_row(&mut self, place: Place, raw: &[u8], deletes: bool) {
        let (tuple, image) = (self.encoder.tuple(), self.encoder.image());
        self.partitions.push(place, tuple, image, raw, deletes);
    }
}

/// One buffer while it is decoded.
struct Run<'a> {
    bytes: &'a [u8],
    eof: bool,
    /// Where the buffer starts in the file.
    raw_offset: u64,
    /// What of the buffer is behind us.
    cursor: usize,
    /// What of it is known to be text.
    text: Text,
    decoded: Decoded,
}

impl Run<'_> {
    /// Passes over a byte order mark at the file's start; whether that could be decided.
    fn pass_byte_order_mark(&mut self) -> bool {
        if self.raw_offset + self.cursor as u64 != 0 {
            return true;
        }
        let Some(length) = skip_byte_order_mark(self.bytes, self.eof) else {
            return false;
        };
        self.cursor = length;
        self.decoded.to.offset = length as u64;
        true
    }

    /// Moves the position to the cursor.
    fn step(&mut self, records: u64, lines: u64) {
        let to = &mut self.decoded.to;
        to.record += records;
        to.line += lines;
        to.offset = self.raw_offset + self.cursor as u64;
    }

    /// The place of the record after the position.
    fn place(&self, record: &Record) -> Place {
        Place {
            record: self.decoded.to.record + 1,
            line: self.decoded.to.line,
            offset: self.raw_offset + record.start as u64,
        }
    }

    fn reject(&mut self, record: &Record, reject: Reject) {
        let raw = &self.bytes[record.start..record.end];
        let letter = dead_letter(self.place(record), raw.len() as u64, raw, reject);
        self.decoded.rejects.push(letter);
    }
}

fn dead_letter(place: Place, length: u64, raw: &[u8], reject: Reject) -> DeadLetter {
    DeadLetter {
        record: place.record,
        line: place.line,
        offset: place.offset,
        length,
        raw: Bytes::copy_from_slice(&raw[..raw.len().min(RAW_CAP)]),
        column: reject.column,
        reason: reject.reason,
        message: reject.message,
        sqlstate: reject.sqlstate,
    }
}
