//! A table's name as people write it.

use super::TableName;

/// PostgreSQL cuts longer names off, and would then find another table.
const LONGEST: usize = 63;

impl TableName {
    /// Reads `name`, `schema.name`, or either part in double quotes.
    ///
    /// As in SQL, a part without quotes is folded to lower case and has to be an identifier; inside
    /// quotes everything stands for itself and a doubled quote for one.
    ///
    /// # Errors
    /// What is wrong and how to write it instead.
    pub fn parse(text: &str) -> Result<TableName, String> {
        let mut parts = split(text)?;
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(name), schema, true) => Ok(TableName { schema, name }),
            _ => Err(format!(
                "{text:?} has too many parts; write a table as \"name\" or \"schema.name\""
            )),
        }
    }
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted, text)?,
            None => take_plain(rest, text)?,
        };
        if part.len() > LONGEST {
            return Err(format!(
                "{part:?} is longer than the {LONGEST} bytes that PostgreSQL keeps of a name"
            ));
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => {
                return Err(format!(
                    "{text:?} goes on after a closing quote; write a table as name, schema.name or \"My Schema\".\"My Table\""
                ));
            }
        }
    }
}

/// The part up to the closing quote, which is not in `text` any more, and what follows it.
fn take_quoted<'a>(text: &'a str, whole: &str) -> Result<(String, &'a str), String> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(format!("{whole:?} has a quote that is never closed"));
        };
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None if part.is_empty() => return Err(empty_part(whole)),
            None if part.contains('\0') => {
                return Err(format!("{whole:?} has a NUL, which no name can hold"));
            }
            None => return Ok((part, after)),
        }
    }
}

fn take_plain<'a>(text: &'a str, whole: &str) -> Result<(String, &'a str), String> {
    let (part, after) = text.split_at(text.find('.').unwrap_or(text.len()));
    let Some(first) = part.chars().next() else {
        return Err(empty_part(whole));
    };
    let starts = first == '_' || first.is_alphabetic();
    let goes_on = part
        .chars()
        .all(|c| c == '_' || c == '$' || c.is_alphanumeric());
    if !starts || !goes_on {
        return Err(format!(
            "{part:?} is no plain name; where the table is really called so, put it in double quotes: \"\\\"{}\\\"\"",
            part.replace('"', "\\\"\\\"")
        ));
    }
    Ok((part.to_ascii_lowercase(), after))
}

fn empty_part(whole: &str) -> String {
    format!("{whole:?} has an empty part; write a table as \"name\" or \"schema.name\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: Option<&str>, name: &str) -> TableName {
        TableName {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let cases = [
            ("events", name(None, "events")),
            ("Events", name(None, "events")),
            ("sales.events", name(Some("sales"), "events")),
            (" sales.events ", name(Some("sales"), "events")),
            (r#""My Table""#, name(None, "My Table")),
            (r#"sales."My Table""#, name(Some("sales"), "My Table")),
            (r#""a.b"."c""d""#, name(Some("a.b"), "c\"d")),
            ("größe_1$", name(None, "größe_1$")),
        ];
        for (text, expected) in cases {
            assert_eq!(TableName::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_says_why() {
        let cases = [
            ("", "empty part"),
            (".events", "empty part"),
            ("sales.", "empty part"),
            (r#""""#, "empty part"),
            ("a.b.c", "too many parts"),
            ("my table", "put it in double quotes"),
            ("1st", "put it in double quotes"),
            ("events; drop table x", "put it in double quotes"),
            (r#""open"#, "never closed"),
            (r#""a"b"#, "after a closing quote"),
            ("\"a\0b\"", "NUL"),
        ];
        for (text, expected) in cases {
            let error = TableName::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let long = "x".repeat(64);
        assert!(TableName::parse(&long).unwrap_err().contains("63 bytes"));
        assert!(TableName::parse(&long[..63]).is_ok());
    }
}
