//! How a pipeline's bytes become records, and what of them means NULL.

use super::ColumnSettings;
use super::entry::{Entry, Switch, Texts};
use super::keys::item_path;
use super::problems::Section;
use crate::plan::Dialect;

/// What is written of it.
pub(super) struct Written {
    pub delimiter: Option<Entry<String>>,
    pub quote: Option<Entry<Switch>>,
    pub escape: Option<Entry<String>>,
    pub comment: Option<Entry<String>>,
    pub trim: Option<Entry<bool>>,
    pub skip_lines: Option<Entry<u64>>,
    pub null: Option<Entry<Texts>>,
    pub quoted_null: Option<Entry<Texts>>,
}

/// What is made of it; the rest of the dialect is the default's.
pub(super) fn check(raw: Written, section: &mut Section<'_, '_>) -> Dialect {
    let default = Dialect::default();
    let delimiter = section.converted("delimiter", raw.delimiter, delimiter);
    let quote = section.converted("quote", raw.quote, |Switch(text)| {
        text.map(character).transpose()
    });
    let escape = section.converted("escape", raw.escape, character);
    let comment = section.converted("comment", raw.comment, character);
    let texts = |key: &str, entry, section: &mut Section<'_, '_>| {
        section.optional(key, entry).map(|Texts(texts)| texts)
    };
    let quote = quote.unwrap_or(default.quote);
    if escape.is_some() && quote.is_none() {
        section.problem(
            "escape",
            "escapes a quote, but there is none with quote = false; leave one of them out",
        );
    }
    let dialect = Dialect {
        delimiter: delimiter.map_or(default.delimiter, String::into_bytes),
        quote,
        // The quote before a quote is the same as none.
        escape: escape.filter(|escape| Some(*escape) != quote),
        comment,
        trim: section.optional("trim", raw.trim).unwrap_or(default.trim),
        skip_lines: section
            .optional("skip_lines", raw.skip_lines)
            .unwrap_or(default.skip_lines),
        null: texts("null", raw.null, section).unwrap_or(default.null),
        quoted_null: texts("quoted_null", raw.quoted_null, section).unwrap_or(default.quoted_null),
        ..Dialect::default()
    };
    check_told_apart(&dialect, section);
    dialect
}

fn delimiter(text: String) -> Result<String, String> {
    let text = match text.as_str() {
        "tab" | "\\t" => "\t".to_owned(),
        _ => text,
    };
    if text.is_empty() {
        return Err("is empty; write what stands between fields, such as \",\" or \"tab\"".into());
    }
    if text.contains(['\n', '\r', '\0']) {
        return Err(format!("{text:?} ends lines or files; choose another"));
    }
    Ok(text)
}

fn character(text: String) -> Result<u8, String> {
    match text.as_bytes() {
        b"\n" | b"\r" | b"\0" => Err(format!("{text:?} ends lines or files; choose another")),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err(format!("{text:?} is not one ASCII character")),
    }
}

/// A character that has one meaning can't have another at the same place.
fn check_told_apart(dialect: &Dialect, section: &mut Section<'_, '_>) {
    let delimiter = &dialect.delimiter[..];
    if let Some(quote) = dialect.quote {
        if delimiter == [quote] {
            section.problem(
                "delimiter",
                "is the same as quote; fields and quotes can't be told apart",
            );
        } else if delimiter.contains(&quote) {
            section.problem(
                "delimiter",
                "holds the quote; fields and quotes can't be told apart",
            );
        }
        if dialect.comment == Some(quote) {
            section.problem(
                "comment",
                "is the same as quote; comments and quoted fields can't be told apart",
            );
        }
    }
    if dialect.comment.is_some() && delimiter.first().copied() == dialect.comment {
        section.problem(
            "comment",
            "is what the delimiter begins with; comments and empty first fields can't be told apart",
        );
    }
    if !dialect.trim {
        return;
    }
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if blank(delimiter.first()) || blank(delimiter.last()) {
        section.problem(
            "delimiter",
            "begins or ends with white space, which trim takes off; write it without, or trim = false",
        );
    }
    let characters = [
        ("quote", dialect.quote),
        ("escape", dialect.escape),
        ("comment", dialect.comment),
    ];
    for (key, character) in characters {
        if blank(character.as_ref()) {
            section.problem(key, "is white space, which trim takes off; choose another");
        }
    }
}

/// A spelling of NULL that no field can have is a slip.
pub(super) fn check_spellings(
    dialect: &Dialect,
    columns: &[ColumnSettings],
    section: &mut Section<'_, '_>,
) {
    check_texts(dialect, &dialect.null, &dialect.quoted_null, false, section);
    let list = section.path_of("columns");
    for (index, column) in columns.iter().enumerate() {
        let path = item_path(&list, Some(&column.name), index);
        let null = column.null.as_deref().unwrap_or_default();
        let quoted = column.quoted_null.as_deref().unwrap_or_default();
        check_texts(dialect, null, quoted, column.trim, &mut section.below(path));
    }
}

fn check_texts(
    dialect: &Dialect,
    null: &[String],
    quoted_null: &[String],
    column_trim: bool,
    section: &mut Section<'_, '_>,
) {
    if dialect.quote.is_none() && !quoted_null.is_empty() {
        section.problem(
            "quoted_null",
            "is in vain: with quote = false no field is quoted",
        );
        return;
    }
    let unquoted = |text: &String| why_not_unquoted(dialect, text);
    let trimmed = |text: &String| {
        let changed = column_trim && text.trim_matches(is_space) != text;
        changed.then_some("has white space around it, which trim takes off")
    };
    let never = |text: &String, why: &str| format!("{text:?} can never be met: it {why}");
    for text in null {
        if let Some(why) = unquoted(text).or_else(|| trimmed(text)) {
            section.problem("null", never(text, why));
        }
    }
    for text in quoted_null {
        if let Some(why) = trimmed(text).or_else(|| why_no_text(text)) {
            section.problem("quoted_null", never(text, why));
        }
    }
}

/// Why an unquoted field can't have this text.
fn why_not_unquoted(dialect: &Dialect, text: &str) -> Option<&'static str> {
    let delimiter = &dialect.delimiter[..];
    let holds_delimiter = text
        .as_bytes()
        .windows(delimiter.len())
        .any(|part| part == delimiter);
    if text.contains(['\n', '\r']) {
        Some("holds a line end; write it in quoted_null")
    } else if holds_delimiter {
        Some("holds the delimiter; write it in quoted_null")
    } else if dialect.quote.is_some() && text.as_bytes().first().copied() == dialect.quote {
        Some("begins with the quote; write it without quotes, in quoted_null")
    } else if dialect.trim && text.trim_matches([' ', '\t']) != text {
        Some("has white space around it, which trim takes off")
    } else {
        why_no_text(text)
    }
}

fn why_no_text(text: &str) -> Option<&'static str> {
    text.contains('\0')
        .then_some("holds a NUL, as no record may")
}

/// White space as `trim` of a column has it.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}
