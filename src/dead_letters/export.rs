//! Dead letters as a CSV that a person mends, each row tied to its letter.

use std::collections::BTreeMap;
use std::io::Write;

use ingestd_actors::error::{Error, ErrorKind, Result};
use serde::Serialize;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::filter::{CONDITION, LetterFilter};
use super::form::{Form, forms};
use super::mended::{BEFORE, RAW};
use super::split::{FieldText, lossy};
use crate::postgres::classify;

/// How many letters are read at once.
const PAGE: i64 = 500;

/// The letters of files that have the same fields: one export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The names of the fields.
    pub names: Vec<String>,
    /// The files, by their numbers.
    pub files: Vec<i64>,
    /// How many letters they have that are meant.
    pub letters: u64,
    /// One of the files' paths.
    pub sample: String,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// How many letters.
    pub letters: u64,
    /// How many of them as the text of a whole record.
    pub whole: u64,
    /// How many of those with bytes that are no text, or with less than the whole record.
    pub partly: u64,
    /// How many have a field that a spreadsheet takes for a formula.
    pub formulas: u64,
}

/// The layouts of the letters that are meant, the one with the most letters first.
///
/// # Errors
/// `Configuration` where the header of a file is not known.
pub async fn export_layouts(client: &Client, filter: &LetterFilter) -> Result<Vec<Layout>> {
    let sql = format!(
        "select d.file_id, count(*) from ingestd.dead_letters d where {CONDITION}
         group by 1 order by 1"
    );
    let rows = client.query_typed(&sql, &filter.parameters()).await;
    let rows = rows.map_err(|error| classify(error, "reading the dead letters"))?;
    let mut layouts: BTreeMap<Vec<String>, Layout> = BTreeMap::new();
    for page in rows.chunks(PAGE as usize) {
        let files: Vec<i64> = page.iter().map(|row| row.get(0)).collect();
        let forms = forms(client, &files).await?;
        for row in page {
            let (file, letters): (i64, i64) = (row.get(0), row.get(1));
            let Some(form) = forms.get(&file) else {
                continue;
            };
            let names = form.names()?;
            let layout = layouts.entry(names.clone()).or_insert_with(|| Layout {
                names,
                files: Vec::new(),
                letters: 0,
                sample: form.path.clone(),
            });
            layout.files.push(file);
            layout.letters += letters.unsigned_abs();
        }
    }
    let mut layouts: Vec<Layout> = layouts.into_values().collect();
    layouts.sort_by_key(|layout| std::cmp::Reverse(layout.letters));
    Ok(layouts)
}

/// Writes the letters of one layout, by file and record.
///
/// # Errors
/// What the server says; `Transient` where it can't be written.
pub async fn write_layout(
    client: &Client,
    filter: &LetterFilter,
    layout: &Layout,
    out: &mut impl Write,
) -> Result<Exported> {
    let mut exported = Exported::default();
    let heading: Vec<&str> = BEFORE
        .into_iter()
        .chain(layout.names.iter().map(String::as_str))
        .chain([RAW])
        .collect();
    let heading: Vec<(&str, bool)> = heading.into_iter().map(|name| (name, false)).collect();
    write_record(out, &heading)?;
    let mut after = (0_i64, 0_i64);
    loop {
        let rows = page(client, filter, layout, after).await?;
        let Some(last) = rows.last() else {
            return Ok(exported);
        };
        after = (last.get("file_id"), last.get("record"));
        let mut files: Vec<i64> = rows.iter().map(|row| row.get("file_id")).collect();
        files.dedup();
        let forms = forms(client, &files).await?;
        for row in &rows {
            if let Some(form) = forms.get(&row.get::<_, i64>("file_id")) {
                write_letter(out, row, form, layout.names.len(), &mut exported)?;
            }
        }
    }
}

async fn page(
    client: &Client,
    filter: &LetterFilter,
    layout: &Layout,
    (file, record): (i64, i64),
) -> Result<Vec<tokio_postgres::Row>> {
    let sql = format!(
        "select d.file_id, d.record, d.reason, d.column_name, d.message, d.raw, d.length
         from ingestd.dead_letters d
         where {CONDITION} and (d.file_id, d.record) > ($9, $10) and d.file_id = any($11)
         order by d.file_id, d.record limit {PAGE}"
    );
    let mut parameters = filter.parameters();
    parameters.extend([
        (&file as &(dyn ToSql + Sync), Type::INT8),
        (&record, Type::INT8),
        (&layout.files, Type::INT8_ARRAY),
    ]);
    let rows = client.query_typed(&sql, &parameters).await;
    rows.map_err(|error| classify(error, "reading the dead letters"))
}

fn write_letter(
    out: &mut impl Write,
    row: &tokio_postgres::Row,
    form: &Form,
    width: usize,
    exported: &mut Exported,
) -> Result<()> {
    let raw: Vec<u8> = row.get::<_, Option<Vec<u8>>>("raw").unwrap_or_default();
    let is_cut = row.get::<_, i64>("length").unsigned_abs() > raw.len() as u64;
    let fields = form.exported(&raw, is_cut);
    exported.letters += 1;
    if fields.is_none() {
        exported.whole += 1;
        let is_text = std::str::from_utf8(&raw).is_ok() && !raw.contains(&0);
        exported.partly += u64::from(is_cut || !is_text);
    }
    let texts = fields.iter().flatten().map(|field| field.text.as_str());
    exported.formulas += u64::from(texts.into_iter().any(is_formula));
    let numbers = [row.get::<_, i64>("file_id"), row.get("record")].map(|it| it.to_string());
    let whole = match fields {
        Some(_) => String::new(),
        None => lossy(&raw),
    };
    let mut cells: Vec<(&str, bool)> = numbers.iter().map(|it| (it.as_str(), false)).collect();
    cells.push((row.get("reason"), false));
    cells.push((
        row.get::<_, Option<&str>>("column_name").unwrap_or(""),
        false,
    ));
    cells.push((row.get("message"), false));
    match &fields {
        Some(fields) => cells.extend(
            fields
                .iter()
                .map(|FieldText { text, quoted, .. }| (text.as_str(), *quoted)),
        ),
        None => cells.extend((0..width).map(|_| ("", false))),
    }
    cells.push((whole.as_str(), false));
    write_record(out, &cells)
}

/// Whether a spreadsheet would compute it: a sign before a number is none.
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '@', '\t', '\r'])
        || text.starts_with(['+', '-']) && text.parse::<f64>().is_err()
}

/// A record; a field that was quoted is quoted again, so that it can be told from one that was not.
fn write_record(out: &mut impl Write, cells: &[(&str, bool)]) -> Result<()> {
    let mut line = String::new();
    for (index, (text, quoted)) in cells.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        let special = |c: char| matches!(c, ',' | '"' | '\n' | '\r' | ';' | '\t');
        if *quoted || text.contains(special) {
            line.push('"');
            line.push_str(&text.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(text);
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes()).map_err(|error| {
        Error::new(
            ErrorKind::Transient,
            format!("the export can't be written: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::mended::Mended;
    use super::*;

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let mut out = Vec::new();
        let heading = BEFORE.into_iter().chain(["a;b", "=c", RAW]);
        let heading: Vec<_> = heading.map(|name| (name, false)).collect();
        write_record(&mut out, &heading).expect("written");
        let cells = [
            ("1", false),
            ("2", false),
            ("r", false),
            ("", false),
            ("m, \"x\"\n", false),
        ];
        let own = [("", true), ("=1+1", false), ("", false)];
        write_record(&mut out, &[&cells[..], &own[..]].concat()).expect("written");
        let mended = Mended::read(&out).expect("an export");
        assert_eq!(mended.names, ["a;b", "=c"]);
        assert_eq!((mended.rows[0].file, mended.rows[0].record), (1, 2));
    }

    #[test]
    fn a_negative_number_is_no_formula() {
        assert!(!is_formula("-5") && !is_formula("+1.5e3") && !is_formula("a=b"));
        assert!(is_formula("=cmd|'/c calc'!A0") && is_formula("-1+1") && is_formula("@sum(a1)"));
    }
}
