//! What the subcommands print: aligned tables, JSON, and no complaint about a closed pipe.

use std::io::{self, Write};

use ingestd_actors::error::{Error, ErrorKind, Result};

pub use crate::fs::shell_word;
use crate::logging::is_unsafe;

/// Prints lines to standard output. A reader that has gone (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Error::new(
            ErrorKind::Transient,
            format!("standard output can't be written: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

/// Prints a value as JSON, indented. What could steer a terminal is escaped: it means the same.
pub fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&json_text(value))
}

/// JSON escapes the ASCII control characters by itself; the others can stand in strings only.
fn json_text(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for c in format!("{value:#}\n").chars() {
        match c {
            '\n' => text.push(c),
            c if is_unsafe(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

/// Prints objects as CSV: a heading, then a line for each; what an object lacks is empty. A text that
/// a spreadsheet would take for a formula gets a quote before it.
pub fn print_csv(columns: &[&str], objects: &[serde_json::Value]) -> Result<()> {
    let failed =
        |error: csv::Error| Error::new(ErrorKind::Bug, format!("CSV can't be written: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns).map_err(failed)?;
    for object in objects {
        let cells = columns.iter().map(|column| match &object[*column] {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => no_formula(harmless(text)),
            other => other.to_string(),
        });
        writer.write_record(cells).map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| Error::new(ErrorKind::Bug, format!("CSV can't be written: {error}")))?;
    print(&String::from_utf8_lossy(&bytes))
}

/// A file's name may be chosen by somebody who knows that its list is opened with a spreadsheet.
fn no_formula(text: String) -> String {
    match text.starts_with(['=', '+', '-', '@']) {
        true => format!("'{text}"),
        false => text,
    }
}

/// Rows below a heading, each column as wide as its widest cell; numbers to the right.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    let heading: Vec<String> = heading.iter().map(|&name| name.to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, &width) in row.iter().zip(&widths) {
            let numeric = !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || b == b',');
            let cell = if numeric {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            };
            line.push_str(&cell);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number with commas between thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 record`, `1,000 records`.
pub fn count_of(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(number))
}

/// Says what is wrong, on standard error. Where nobody listens there is nobody to complain to.
///
/// It is one line, whatever names stand in it.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "ingestd: {}", harmless(text));
}

/// The same for a text whose lines are its own.
pub fn complain_in_lines(text: &str) {
    let lines: Vec<String> = text.lines().map(harmless).collect();
    let _ = writeln!(io::stderr(), "ingestd: {}", lines.join("\n"));
}

/// Text from a file or a name, for a terminal: control characters can't steer it, and nothing turns
/// the direction of the text.
pub fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = is_unsafe(c);
            let plain = (!escaped).then_some(c);
            let escape = escaped.then(|| c.escape_default()).into_iter().flatten();
            plain.into_iter().chain(escape)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let rows = vec![
            vec!["a.csv".to_owned(), "1,000".to_owned()],
            vec!["longer.csv".to_owned(), "5".to_owned()],
        ];
        assert_eq!(
            table(&["file", "rows"], &rows),
            "file        rows\na.csv       1,000\nlonger.csv      5\n"
        );
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(count_of(1, "record"), "1 record");
        assert_eq!(count_of(0, "record"), "0 records");
        assert_eq!(count_of(1_000, "record"), "1,000 records");
    }

    #[test]
    fn words_can_be_copied_to_a_shell() {
        assert_eq!(shell_word("/tmp/a-b_1.x"), "/tmp/a-b_1.x");
        assert_eq!(shell_word("/my data"), "'/my data'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn thousands_are_parted() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(harmless("a\u{1b}[2J\nb–é"), "a\\u{1b}[2J\\nb–é");
        assert_eq!(harmless("fdp\u{202e}vsc."), "fdp\\u{202e}vsc.");
    }

    #[test]
    fn json_is_harmless_and_means_the_same() {
        let value = serde_json::json!({ "a\u{9b}": "b\n\u{1b}[2J\u{202e}\u{2028}é" });
        let text = json_text(&value);
        let found = text.chars().find(|&c| c != '\n' && is_unsafe(c));
        assert_eq!(found, None, "{text:?}");
        assert_eq!(text.trim_end().lines().count(), 3, "{text:?}");
        let again: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(again, value);
    }

    #[test]
    fn a_cell_is_no_formula() {
        for text in ["=cmd|'/c calc'!A0", "+1", "-1", "@sum(a1)"] {
            assert_eq!(no_formula(text.to_owned()), format!("'{text}"));
        }
        assert_eq!(no_formula("/in/a=b.csv".to_owned()), "/in/a=b.csv");
    }
}
