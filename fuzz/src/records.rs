//! Records as somebody downstream sees them.

use ingestd::csv::{Escape, Fault, Oversized, Record, Scan, Scanner};
use ingestd::plan::Dialect;

/// A record with its place in the file; a comment has no fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Where it starts.
    pub offset: usize,
    /// Where the next one starts.
    pub next: usize,
    /// Its physical line.
    pub line: u64,
    /// Its fields, each with whether it was quoted; or what is wrong with it.
    pub outcome: Result<Vec<(Vec<u8>, bool)>, Fault>,
}

/// The records of `file` from a record's start on, with a buffer that is filled `step` bytes at a time.
pub fn read(
    dialect: &Dialect,
    file: &[u8],
    start: usize,
    first_line: u64,
    step: usize,
) -> Vec<Seen> {
    let scanner = Scanner::new(dialect);
    let escape = Escape::new(dialect);
    let (mut seen, mut fields) = (Vec::new(), Vec::new());
    let (mut at, mut filled, mut line) = (start, start, first_line);
    loop {
        let eof = filled == file.len();
        let window = &file[at..filled];
        let (next, lines, outcome) = match scanner.scan(window, 0, eof, &mut fields) {
            Scan::End => return seen,
            Scan::NeedMore => {
                assert!(!eof, "more is asked for after the end");
                filled = (filled + step).min(file.len());
                continue;
            }
            Scan::Record(Record { next, lines, .. }) => {
                let texts = fields.iter().map(|field| {
                    let mut scratch = Vec::new();
                    (
                        field.text(window, escape, &mut scratch).to_vec(),
                        field.quoted,
                    )
                });
                (at + next, lines, Ok(texts.collect()))
            }
            Scan::Bad(record, fault) => (at + record.next, record.lines, Err(fault)),
            Scan::Comment(record) => (at + record.next, record.lines, Ok(Vec::new())),
            Scan::Oversized(mut oversized) => {
                let next = end_of(&mut oversized, file, at, &mut filled, step);
                (
                    next,
                    oversized.lines,
                    oversized.fault.map_or(Ok(Vec::new()), Err),
                )
            }
        };
        assert!(next > at, "a record takes at least one byte");
        seen.push(Seen {
            offset: at,
            next,
            line,
            outcome,
        });
        (at, line) = (next, line + lines);
        filled = filled.max(at);
    }
}

fn end_of(
    oversized: &mut Oversized,
    file: &[u8],
    at: usize,
    filled: &mut usize,
    step: usize,
) -> usize {
    let mut from = at + oversized.length as usize;
    loop {
        let eof = *filled == file.len();
        if let Some(next) = oversized.skip(&file[from..*filled], eof) {
            return from + next;
        }
        from = *filled;
        *filled = (*filled + step).min(file.len());
    }
}
