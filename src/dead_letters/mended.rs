//! PURE: an export that somebody has mended, read back.
//!
//! It is read with its quotes: an empty field in quotes is no NULL. Spreadsheets take quotes away, so
//! that what a field was is also known from the record that it was exported from: see
//! [`MendedRow::changed`].

use std::collections::HashSet;

use super::compose::record_of;
use super::split::{FieldText, lossy};
use crate::csv::{Escape, Field, Scan, Scanner};
use crate::plan::Dialect;

/// The columns before a record's own fields.
pub const BEFORE: [&str; 5] = ["_file", "_record", "_reason", "_column", "_message"];
/// The column behind them: the text of a record that can't be split into fields.
pub const RAW: &str = "_raw";

/// The most that is listed in one message.
const LISTED: usize = 10;

/// The records of a mended file.
#[derive(Clone, Debug, Default)]
pub struct Mended {
    /// The names of the fields, as its heading has them.
    pub names: Vec<String>,
    /// Its rows, each of another dead letter.
    pub rows: Vec<MendedRow>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct MendedRow {
    /// The dead letter's file.
    pub file: i64,
    /// Its record.
    pub record: i64,
    /// The line of the mended file that it starts on.
    pub line: u64,
    fields: Vec<FieldText>,
    raw: String,
}

/// What has become of a record's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is as it was exported.
    None,
    /// It was mended as a whole.
    Whole(Vec<u8>),
    /// Its fields were, put together as [`record_of`] does.
    Fields(Vec<u8>),
}

impl Mended {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, on which line, and what would be right.
    pub fn read(bytes: &[u8]) -> Result<Mended, String> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if let Err(error) = std::str::from_utf8(bytes) {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            return Err(format!(
                "line {line} is no UTF-8; save it as \"CSV UTF-8\" (LibreOffice: character set Unicode (UTF-8))"
            ));
        }
        let dialect = Dialect {
            delimiter: vec![delimiter(bytes)],
            max_record: u64::MAX,
            ..Dialect::default()
        };
        let mut reader = Reader {
            bytes,
            scanner: Scanner::new(&dialect),
            escape: Escape::new(&dialect),
            at: 0,
            line: 1,
        };
        let names = match reader.next()? {
            Some((_, heading)) => own_names(&heading)?,
            None => return Err("it is empty".to_owned()),
        };
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        while let Some((line, fields)) = reader.next()? {
            let row = row(line, fields, names.len())?;
            if !seen.insert((row.file, row.record)) {
                return Err(format!(
                    "line {line} is record {} of file {} once more; each may stand there once",
                    row.record, row.file
                ));
            }
            rows.push(row);
        }
        Ok(Mended { names, rows })
    }
}

impl MendedRow {
    /// What has changed against the record that it was exported from: its fields, where it can be split
    /// into them, and its bytes. A field that has not changed keeps its quotes, or that it had none.
    pub fn changed(&self, exported: Option<&[FieldText]>, raw: &[u8]) -> Change {
        if self.is_whole() {
            return match self.raw == lossy(raw) {
                true => Change::None,
                false => Change::Whole(self.raw.as_bytes().to_vec()),
            };
        }
        let Some(exported) = exported else {
            return Change::Fields(record_of(&self.fields));
        };
        let same = |(now, was): (&FieldText, &FieldText)| now.text == was.text;
        let pairs = self.fields.iter().zip(exported);
        if self.fields.len() == exported.len() && pairs.clone().all(same) {
            return Change::None;
        }
        let fields: Vec<FieldText> = pairs
            .map(|(now, was)| match same((now, was)) {
                true => was.clone(),
                false => now.clone(),
            })
            .collect();
        Change::Fields(record_of(&fields))
    }

    /// Whether it has the text of a whole record, and no fields.
    fn is_whole(&self) -> bool {
        !self.raw.is_empty()
    }
}

/// Semicolons and tabs are what some spreadsheets write.
fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let behind = first.iter().position(|byte| b",;\t".contains(byte));
    behind.map_or(b',', |at| first[at])
}

fn own_names(heading: &[FieldText]) -> Result<Vec<String>, String> {
    let names: Vec<&str> = heading.iter().map(|field| field.text.as_str()).collect();
    let is_export =
        names.len() > BEFORE.len() && names.starts_with(&BEFORE) && names.ends_with(&[RAW]);
    match is_export {
        true => {
            let own = &names[BEFORE.len()..names.len() - 1];
            Ok(own.iter().map(|&name| name.to_owned()).collect())
        }
        false => Err(format!(
            "its heading is not that of an export: it has to begin with {} and to end with {RAW}; \
             mend the values below it, and leave the columns as they are",
            BEFORE.join(",")
        )),
    }
}

fn row(line: u64, mut fields: Vec<FieldText>, own: usize) -> Result<MendedRow, String> {
    let wanted = BEFORE.len() + own + 1;
    if fields.len() != wanted {
        let got = fields.len();
        return Err(format!(
            "line {line} has {got} fields, the heading has {wanted}"
        ));
    }
    let number = |field: &FieldText, name: &str| {
        let number = field.text.trim().parse::<i64>();
        number.map_err(|_| format!("line {line}: {name} is no number; it is not to be changed"))
    };
    let (file, record) = (number(&fields[0], "_file")?, number(&fields[1], "_record")?);
    let raw = fields.pop().map_or(String::new(), |field| field.text);
    let fields = fields.split_off(BEFORE.len());
    if !raw.is_empty() && fields.iter().any(|field| !field.text.is_empty()) {
        return Err(format!(
            "line {line} has both a whole record in {RAW} and fields; mend the one, or empty it and fill in the others"
        ));
    }
    Ok(MendedRow {
        file,
        record,
        line,
        fields,
        raw,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    scanner: Scanner,
    escape: Escape,
    at: usize,
    line: u64,
}

impl Reader<'_> {
    /// The next record that is no blank line, with its line.
    fn next(&mut self) -> Result<Option<(u64, Vec<FieldText>)>, String> {
        let mut fields = Vec::new();
        loop {
            let line = self.line;
            match self.scanner.scan(self.bytes, self.at, true, &mut fields) {
                Scan::Record(record) => {
                    (self.at, self.line) = (record.next, line + record.lines);
                    if record.start != record.end {
                        return Ok(Some((line, self.texts(&fields))));
                    }
                }
                Scan::Bad(..) => {
                    return Err(format!(
                        "line {line} is badly quoted: a field in quotes ends with a quote, and a quote inside is written twice"
                    ));
                }
                Scan::Oversized(_) => return Err(format!("line {line} is too long")),
                Scan::Comment(record) => self.at = record.next,
                Scan::NeedMore | Scan::End => return Ok(None),
            }
        }
    }

    fn texts(&self, fields: &[Field]) -> Vec<FieldText> {
        let mut scratch = Vec::new();
        let text = |field: &Field| FieldText {
            text: String::from_utf8_lossy(field.text(self.bytes, self.escape, &mut scratch))
                .into_owned(),
            quoted: field.quoted,
            span: (0, 0),
        };
        fields.iter().map(text).collect()
    }
}

/// Whether a mended file has the fields of a file.
///
/// # Errors
/// What it has, and what it should have.
pub fn check_names(mended: &[String], wanted: &[String], file: i64) -> Result<(), String> {
    if mended == wanted {
        return Ok(());
    }
    let short = |names: &[String]| {
        let shown: Vec<String> = names
            .iter()
            .take(LISTED)
            .map(|it| format!("{it:?}"))
            .collect();
        let more = if names.len() > LISTED { ", …" } else { "" };
        format!("{}{more}", shown.join(", "))
    };
    Err(format!(
        "its columns are {}, but the records of file {file} have {}; leave the columns as they were exported",
        short(mended),
        short(wanted)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::split::split;
    use super::*;

    const HEAD: &str = "_file,_record,_reason,_column,_message,id,name,_raw\n";

    fn read(rows: &str) -> Result<Mended, String> {
        Mended::read(format!("{HEAD}{rows}").as_bytes())
    }

    #[test]
    fn only_what_was_changed_is_changed() {
        let raw = b"1;\"\"";
        let dialect = Dialect {
            delimiter: b";".to_vec(),
            ..Dialect::default()
        };
        let fields = split(raw, &dialect);
        let change = |row: &str| {
            let mended = read(row).expect("an export");
            mended.rows[0].changed(fields.as_deref(), raw)
        };
        assert_eq!(change("1,2,r,c,m,1,\"\",\n"), Change::None);
        // A spreadsheet has taken the quotes away.
        assert_eq!(change("1,2,r,c,m,1,,\n"), Change::None);
        assert_eq!(
            change("1,2,r,c,m,7,,\n"),
            Change::Fields(b"7\x1F\"\"".to_vec())
        );
        assert_eq!(
            change("1,2,r,c,m,1,x,\n"),
            Change::Fields(b"1\x1Fx".to_vec())
        );
        let whole = |row: &str, raw: &[u8]| read(row).expect("one").rows[0].changed(None, raw);
        assert_eq!(whole("1,2,r,c,m,,,\"a,\"\"b\"\n", b"a,\"b"), Change::None);
        assert_eq!(whole("1,2,r,c,m,,,a\u{FFFD}\n", b"a\xFF"), Change::None);
        assert_eq!(
            whole("1,2,r,c,m,,,b\n", b"a\xFF"),
            Change::Whole(b"b".to_vec())
        );
        assert_eq!(
            whole("1,2,r,c,m,1,b,\n", b"a\xFF"),
            Change::Fields(b"1\x1Fb".to_vec())
        );
    }

    #[test]
    fn what_a_spreadsheet_writes_is_read() {
        for text in [
            "\u{FEFF}_file;_record;_reason;_column;_message;id;name;_raw\r\n1;2;r;c;m;7;\"a;b\";\r\n",
            "_file\t_record\t_reason\t_column\t_message\tid\tname\t_raw\n1\t2\tr\tc\tm\t7\ta;b\t",
        ] {
            let mended = Mended::read(text.as_bytes()).expect("an export");
            assert_eq!(mended.names, ["id", "name"]);
            assert_eq!((mended.rows[0].file, mended.rows[0].record), (1, 2));
            assert_eq!(mended.rows[0].fields[1].text, "a;b");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (rows, said) in [
            ("1,2,r,c,m,1\n", "line 2 has 6 fields, the heading has 8"),
            ("x,2,r,c,m,1,a,\n", "line 2: _file is no number"),
            (
                "1,2,r,c,m,1,a,\n1,2,r,c,m,1,b,\n",
                "line 3 is record 2 of file 1 once more",
            ),
            ("1,2,r,c,m,1,a,raw\n", "line 2 has both"),
            ("1,2,r,c,m,1,\"a\"x,\n", "line 2 is badly quoted"),
        ] {
            let error = read(rows).expect_err(rows);
            assert!(error.starts_with(said), "{error}");
        }
        let error = Mended::read(b"id,name\n1,2\n").expect_err("no export");
        assert!(error.contains("_file,_record"), "{error}");
        let error = Mended::read(b"_file\n\xE4\n").expect_err("Latin-1");
        assert!(error.starts_with("line 2 is no UTF-8"), "{error}");
        assert!(check_names(&["a".into()], &["a".into(), "b".into()], 3).is_err());
    }
}
