//! Generated files through our reader and through the server's `COPY … CSV`, where the two define the
//! same. `TEST_SEED` repeats one file, `TEST_CASES` says how many there are.

use std::io::Write;

use postgres::{Client, NoTls};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::csv::HeaderSearch;
use crate::test_databases::database;

const CASES: u64 = 400;
const MOST_COLUMNS: usize = 4;

type Rows = Vec<Vec<Option<String>>>;

/// A file, and what both readers are told of it.
#[derive(Debug)]
struct Case {
    dialect: Dialect,
    columns: usize,
    file: String,
}

/// Writes files that mean the same to both.
struct Author {
    random: StdRng,
    delimiter: char,
    quote: char,
    /// The same as the quote where that is doubled.
    escape: char,
    null: &'static str,
    line_end: &'static str,
}

impl Author {
    fn new(seed: u64) -> Author {
        let mut random = StdRng::seed_from_u64(seed);
        let delimiter = pick(&mut random, &[',', ';', '\t', '|', ' ', '\u{1}']);
        let quote = pick(&mut random, &['"', '\'', '~']);
        Author {
            delimiter,
            quote,
            escape: pick(&mut random, &[quote, quote, '\\', '^']),
            null: pick(&mut random, &["", "", "NA", "\\N", "é"]),
            line_end: pick(&mut random, &["\n", "\r\n", "\r"]),
            random,
        }
    }

    fn case(&mut self) -> Case {
        let columns = self.random.random_range(1..=MOST_COLUMNS);
        let header = self.random.random_bool(0.5);
        let mut lines = Vec::new();
        if header {
            let names: Vec<String> = (0..columns).map(|column| format!("h{column}")).collect();
            lines.push(names.join(&self.delimiter.to_string()));
        }
        for _ in 0..self.random.random_range(0..8) {
            lines.push(self.record(columns));
        }
        if self.random.random_bool(0.1) {
            lines.push(self.faulty_record(columns));
        }
        let mut file = lines.join(self.line_end);
        if !lines.is_empty() && self.random.random_bool(0.7) {
            file.push_str(self.line_end);
        }
        let dialect = Dialect {
            delimiter: self.delimiter.to_string().into_bytes(),
            quote: Some(self.quote as u8),
            escape: (self.escape != self.quote).then_some(self.escape as u8),
            null: vec![self.null.to_owned()],
            header,
            ..Dialect::default()
        };
        Case {
            dialect,
            columns,
            file,
        }
    }

    fn record(&mut self, columns: usize) -> String {
        let fields: Vec<String> = (0..columns).map(|_| self.field()).collect();
        let record = fields.join(&self.delimiter.to_string());
        // To COPY this is the end of the data.
        if record == "\\." {
            self.record(columns)
        } else {
            record
        }
    }

    /// Too many fields, too few, or a quote that is not closed.
    fn faulty_record(&mut self, columns: usize) -> String {
        let fields = match self.random.random_range(0..3) {
            0 => return self.record(columns + 1),
            1 if columns > 1 => columns - 1,
            _ => return format!("{}a", self.quote),
        };
        let first = self.quoted_field();
        (1..fields).fold(first, |record, _| {
            let field = self.field();
            format!("{record}{}{field}", self.delimiter)
        })
    }

    fn field(&mut self) -> String {
        match self.random.random_range(0..8) {
            0 => self.null.to_owned(),
            1 => format!("{0}{1}{0}", self.quote, self.null),
            2..5 => self.quoted_field(),
            _ => self.unquoted_field(),
        }
    }

    fn unquoted_field(&mut self) -> String {
        let length = self.random.random_range(0..6);
        (0..length).map(|_| self.character()).collect()
    }

    fn quoted_field(&mut self) -> String {
        let mut field = String::from(self.quote);
        for _ in 0..self.random.random_range(0..6) {
            match self.random.random_range(0..6) {
                0 => field.extend([self.escape, self.quote]),
                1 => field.extend([self.escape, self.escape]),
                // Before anything else an escape is data.
                2 if self.escape != self.quote => {
                    field.push(self.escape);
                    field.push(self.character_but_the_escape());
                }
                3 => field.push_str(pick(&mut self.random, &["\n", "\r", "\r\n"])),
                4 => field.push(self.delimiter),
                _ => field.push(self.character_but_the_escape()),
            }
        }
        field.push(self.quote);
        field
    }

    /// A character of an unquoted field.
    fn character(&mut self) -> char {
        const SOME: [char; 16] = [
            'a', 'b', 'N', 'A', '0', '.', ' ', '\\', '^', '#', ',', '|', '"', '\'', 'é', '😀',
        ];
        loop {
            let one = pick(&mut self.random, &SOME);
            if one != self.delimiter && one != self.quote {
                return one;
            }
        }
    }

    fn character_but_the_escape(&mut self) -> char {
        loop {
            let one = self.character();
            if one != self.escape {
                return one;
            }
        }
    }
}

fn pick<T: Copy>(random: &mut StdRng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

/// What the server makes of a file, or `None` where it refuses it.
fn copied(client: &mut Client, case: &Case) -> Option<Rows> {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let character = |byte: u8| literal(&char::from(byte).to_string());
    let Dialect {
        delimiter,
        quote,
        escape,
        null,
        header,
        ..
    } = &case.dialect;
    let quote = quote.expect("every case has one");
    let names: Vec<String> = (1..=case.columns)
        .map(|column| format!("c{column}"))
        .collect();
    let names = names.join(", ");
    let mut transaction = client.transaction().expect("a transaction");
    let mut copy = transaction
        .copy_in(&format!(
            "copy cells ({names}) from stdin
             (format csv, delimiter {}, quote {}, escape {}, null {}, header {header})",
            character(delimiter[0]),
            character(quote),
            character(escape.unwrap_or(quote)),
            literal(&null[0]),
        ))
        .unwrap_or_else(|error| panic!("{case:?}: {error}"));
    copy.write_all(case.file.as_bytes()).expect("sent");
    copy.finish().ok()?;
    let rows = transaction.query(&format!("select {names} from cells order by number"), &[]);
    let rows = rows.expect("rows").into_iter();
    Some(
        rows.map(|row| (0..case.columns).map(|column| row.get(column)).collect())
            .collect(),
    )
}

/// What we make of it, fed by pieces of so many bytes, or `None` where there is a dead letter.
fn read(case: &Case, step: usize) -> Option<Rows> {
    let file = case.file.as_bytes();
    let header = HeaderSearch::new(&case.dialect).look(&mut file.to_vec(), true);
    let start = header.expect("no fault").expect("found").end;
    let plan = text_plan(case.columns, case.dialect.clone());
    let outcome = feed(&plan, file, start, step);
    let rows = outcome.rows.iter().map(texts).collect();
    outcome.rejects.is_empty().then_some(rows)
}

#[test]
fn files_mean_what_they_mean_to_copy() {
    let setting = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|it| it.parse().expect("a number"))
    };
    let (first, cases) = match setting("TEST_SEED") {
        Some(seed) => (seed, 1),
        None => (rand::random(), setting("TEST_CASES").unwrap_or(CASES)),
    };
    let database = database();
    let mut client = Client::connect(&database.url, NoTls).expect("connected");
    client
        .batch_execute(
            "create temporary table cells (c1 text, c2 text, c3 text, c4 text, number serial)",
        )
        .expect("a table");
    let mut refused = 0;
    for seed in (0..cases).map(|case| first.wrapping_add(case)) {
        let mut author = Author::new(seed);
        let case = author.case();
        let step = author.random.random_range(1..40);
        let expected = copied(&mut client, &case);
        refused += u64::from(expected.is_none());
        let rows = read(&case, step);
        assert_eq!(
            rows, expected,
            "TEST_SEED={seed} gives the same again: {case:?}"
        );
    }
    assert!(
        refused < cases.max(2) / 2,
        "{refused} of {cases} files are refused"
    );
}
