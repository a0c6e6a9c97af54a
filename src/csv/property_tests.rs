//! What must hold for any bytes: the same records however they are fed and wherever reading began.

use proptest::prelude::*;

use super::*;
use crate::plan::Dialect;

/// A record as somebody downstream sees it, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    offset: usize,
    next: usize,
    line: u64,
    length: u64,
    outcome: Result<Vec<(Vec<u8>, bool)>, Fault>,
}

/// Reads `file` from a record's start with a buffer that is filled `step` bytes at a time. A comment
/// is seen as a record without fields.
fn read(dialect: &Dialect, file: &[u8], start: usize, first_line: u64, step: usize) -> Vec<Seen> {
    let scanner = Scanner::new(dialect);
    let max_record = scanner.max_record();
    let escape = Escape::new(dialect);
    let mut seen = Vec::new();
    let mut fields = Vec::new();
    let (mut unclosed, mut others) = (None, Vec::new());
    let (mut at, mut filled, mut line) = (start, start.min(file.len()), first_line);
    loop {
        let eof = filled == file.len();
        // The buffer starts at the record, as a reader's does that drops what it has read.
        let found = scanner.scan(&file[at..filled], 0, eof, &mut fields);
        let place = (at as u64, 0);
        let other = scanner.scan_on(&file[at..filled], place, eof, &mut others, &mut unclosed);
        assert_eq!(other, found, "what is known of quotes changes nothing");
        if let Scan::Record(_) = found {
            assert_eq!(others, fields);
        }
        match found {
            Scan::End => return seen,
            Scan::NeedMore => {
                assert!(!eof, "more is asked for after the end");
                assert!(filled - at < max_record + 2, "more than needed");
                filled = (filled + step).min(file.len());
            }
            Scan::Record(record) => {
                let texts = fields
                    .iter()
                    .map(|field| {
                        let mut scratch = Vec::new();
                        let text = field.text(&file[at..filled], escape, &mut scratch);
                        (text.to_vec(), field.quoted)
                    })
                    .collect();
                seen.push(Seen {
                    offset: at,
                    next: at + record.next,
                    line,
                    length: record.end as u64,
                    outcome: Ok(texts),
                });
                (at, line) = (at + record.next, line + record.lines);
            }
            Scan::Bad(record, fault) => {
                seen.push(Seen {
                    offset: at,
                    next: at + record.next,
                    line,
                    length: record.end as u64,
                    outcome: Err(fault),
                });
                (at, line) = (at + record.next, line + record.lines);
            }
            Scan::Comment(record) => {
                seen.push(Seen {
                    offset: at,
                    next: at + record.next,
                    line,
                    length: record.end as u64,
                    outcome: Ok(comment()),
                });
                (at, line) = (at + record.next, line + record.lines);
            }
            Scan::Oversized(mut oversized) => {
                let mut from = at + oversized.length as usize;
                let next = loop {
                    let eof = filled == file.len();
                    if let Some(next) = oversized.skip(&file[from..filled], eof) {
                        break from + next;
                    }
                    from = filled;
                    filled = (filled + step).min(file.len());
                };
                seen.push(Seen {
                    offset: at,
                    next,
                    line,
                    length: oversized.length,
                    outcome: oversized.fault.map_or(Ok(comment()), Err),
                });
                (at, line) = (next, line + oversized.lines);
            }
        }
    }
}

fn comment() -> Vec<(Vec<u8>, bool)> {
    Vec::new()
}

/// Lines of which many open a quote that goes beyond the largest record.
fn lines_of_quotes() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        6 => Just("a\",\"b"),
        2 => Just("a\"|\"b"),
        2 => Just("a\"\u{2192}\"b"),
        1 => Just("\\\",\"b"),
        1 => Just("\","),
        1 => Just("\"\""),
        1 => Just(",\""),
        1 => Just("a\" ,\"\"\"b"),
        1 => Just("#"),
        1 => Just("aaaaaaaaaaaaaaaaaaaaaaaaaa\",\"b"),
    ];
    let end = prop_oneof![6 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\n"), 1 => Just("x")];
    let lines = prop::collection::vec((line, end), 0..60);
    lines.prop_map(|lines| {
        let text: String = lines
            .into_iter()
            .flat_map(|(line, end)| [line, end])
            .collect();
        text.into_bytes()
    })
}

/// Bytes that have a meaning in one dialect or another.
fn some_file() -> impl Strategy<Value = Vec<u8>> {
    let run = prop_oneof![
        4 => Just(vec![b'a']),
        3 => Just(vec![b',']),
        3 => Just(vec![b'"']),
        2 => Just(vec![b'\n']),
        1 => Just(vec![b'\r']),
        2 => Just(vec![b'|']),
        1 => Just("→".as_bytes().to_vec()),
        1 => Just(vec![b'\\']),
        1 => Just(vec![b' ']),
        1 => Just(b"\n#".to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        1 => (0..50usize).prop_map(|length| vec![b'a'; length]),
    ];
    prop::collection::vec(run, 0..80).prop_map(|runs| runs.concat())
}

/// The plain dialect as often as all others.
fn some_dialect() -> impl Strategy<Value = Dialect> {
    let plain = some_limit().prop_map(|max_record| Dialect {
        max_record,
        ..Dialect::default()
    });
    let delimiter = prop_oneof![Just(","), Just("||"), Just("|,"), Just("→"), Just("aa,")];
    let general = (
        delimiter,
        prop::option::weighted(0.8, Just(b'"')),
        prop::option::of(Just(b'\\')),
        prop::option::of(Just(b'#')),
        any::<bool>(),
        some_limit(),
    )
        .prop_map(
            |(delimiter, quote, escape, comment, trim, max_record)| Dialect {
                delimiter: delimiter.into(),
                quote,
                escape: escape.filter(|_| quote.is_some()),
                comment,
                trim,
                max_record,
                ..Dialect::default()
            },
        );
    prop_oneof![plain, general]
}

/// Shorter and longer than what is looked at together.
fn some_limit() -> impl Strategy<Value = u64> {
    prop_oneof![Just(12), Just(90)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_size_of_buffers_does_not_matter(
        file in some_file(), dialect in some_dialect(), step in 1usize..20,
    ) {
        let whole = read(&dialect, &file, 0, 1, file.len() + 1);
        prop_assert_eq!(read(&dialect, &file, 0, 1, step), whole);
    }

    #[test]
    fn what_is_known_of_quotes_changes_nothing(
        file in lines_of_quotes(), dialect in some_dialect(), step in 1usize..400,
    ) {
        let whole = read(&dialect, &file, 0, 1, file.len() + 1);
        prop_assert_eq!(read(&dialect, &file, 0, 1, step), whole);
    }

    #[test]
    fn reading_can_go_on_at_any_record(file in some_file(), dialect in some_dialect()) {
        let whole = read(&dialect, &file, 0, 1, file.len() + 1);
        for (index, record) in whole.iter().enumerate() {
            let rest = read(&dialect, &file, record.offset, record.line, file.len() + 1);
            prop_assert_eq!(&rest[..], &whole[index..]);
        }
    }

    #[test]
    fn every_byte_belongs_to_one_record(file in some_file(), dialect in some_dialect()) {
        let mut at = 0;
        for record in read(&dialect, &file, 0, 1, file.len() + 1) {
            prop_assert_eq!(record.offset, at);
            let line_end = record.next - record.offset - record.length as usize;
            prop_assert!(line_end <= 2);
            at = record.next;
        }
        prop_assert_eq!(at, file.len());
    }

    #[test]
    fn fields_are_cut_between_characters(file in some_file(), dialect in some_dialect()) {
        let text = String::from_utf8_lossy(&file);
        for record in read(&dialect, text.as_bytes(), 0, 1, text.len() + 1) {
            for (field, _) in record.outcome.into_iter().flatten() {
                prop_assert!(String::from_utf8(field).is_ok());
            }
        }
    }

    #[test]
    fn what_was_written_well_is_read_back(
        records in prop::collection::vec(
            prop::collection::vec("[ab,\"\n\r]{0,2}", 2..3), 0..6)
    ) {
        let mut writer = csv::WriterBuilder::new()
            .quote_style(csv::QuoteStyle::Always)
            .from_writer(Vec::new());
        for record in &records {
            writer.write_record(record).expect("records are equally long");
        }
        let file = writer.into_inner().expect("a vector takes all bytes");
        let dialect = Dialect {
            max_record: 12,
            ..Dialect::default()
        };
        let seen = read(&dialect, &file, 0, 1, file.len() + 1);
        prop_assume!(seen.iter().all(|seen| seen.outcome.is_ok()));
        let texts: Vec<Vec<String>> = seen
            .into_iter()
            .map(|seen| {
                let fields = seen.outcome.expect("assumed above").into_iter();
                fields.map(|(text, _)| String::from_utf8(text).expect("ASCII")).collect()
            })
            .collect();
        prop_assert_eq!(texts, records);
    }
}
