//! PURE: under which plan a record is replayed: the mapping and the table of today, and a dialect by
//! which its own text is understood.

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::form::Form;
use super::split::FieldText;
use crate::plan::catalog::Table;
use crate::plan::{Dialect, LoadPlan, build};
use crate::settings::Pipeline;

/// What a record's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wording {
    /// As the file has it, which could be split into fields.
    AsRead,
    /// As the file has it, or as somebody has mended it as a whole: it could not be split into the fields
    /// of the header, so that today's dialect is the one that may.
    Whole,
    /// Fields that [`record_of`] has put together.
    Fields,
}

/// What stands between fields that are put together: no text has it, so that none needs quotes that had
/// none.
const BETWEEN: u8 = 0x1F;

/// The plan for records of a file. Without a configured pipeline it is the one that the file was loaded
/// under.
///
/// # Errors
/// `Configuration` where its header does not fit the mapping or the table of today.
pub fn compose(pipeline: Option<&Pipeline>, table: &Table, form: &Form) -> Result<LoadPlan> {
    let mut plan = match pipeline {
        None => form.plan.clone(),
        Some(pipeline) => {
            let mut pipeline = pipeline.clone();
            pipeline.dialect.header = form.plan.dialect.header;
            build(&pipeline, table, form.known_header()?).map_err(|error| {
                let message = format!(
                    "the dead letters of file {} ({}) don't fit the pipeline as it is configured now: {error}",
                    form.file, form.path
                );
                Error::new(ErrorKind::Configuration, message).with_advice(
                    "configure the pipeline for their header, or replay others alone by --file-id, --reason and so on",
                )
            })?
        }
    };
    plan.partitions = 1;
    plan.all_or_nothing = false;
    Ok(plan)
}

/// The plan for a record that is worded so: what means NULL, and how long a record may be, is said by
/// today's.
pub fn worded(today: &LoadPlan, stored: &Dialect, wording: Wording) -> LoadPlan {
    let own = &today.dialect;
    let base = match wording {
        Wording::AsRead => stored.clone(),
        Wording::Whole => own.clone(),
        Wording::Fields => Dialect {
            delimiter: vec![BETWEEN],
            quote: Some(b'"'),
            escape: None,
            comment: None,
            ..stored.clone()
        },
    };
    LoadPlan {
        dialect: Dialect {
            null: own.null.clone(),
            quoted_null: own.quoted_null.clone(),
            max_record: own.max_record.max(match wording {
                Wording::Fields => u64::MAX,
                _ => 0,
            }),
            skip_lines: 0,
            header: stored.header,
            ..base
        },
        ..today.clone()
    }
}

/// Fields as one record in the dialect of [`Wording::Fields`].
pub fn record_of(fields: &[FieldText]) -> Vec<u8> {
    let mut record = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            record.push(BETWEEN);
        }
        let text = field.text.as_bytes();
        let plain = |byte: &u8| !matches!(byte, b'\n' | b'\r' | &BETWEEN);
        if !field.quoted && text.iter().all(plain) && text.first() != Some(&b'"') {
            record.extend_from_slice(text);
            continue;
        }
        record.push(b'"');
        for &byte in text {
            record.push(byte);
            if byte == b'"' {
                record.push(byte);
            }
        }
        record.push(b'"');
    }
    record
}

#[cfg(test)]
mod tests {
    use super::super::split::split;
    use super::*;

    #[test]
    fn fields_that_are_put_together_are_the_same_fields() {
        let field = |text: &str, quoted| FieldText {
            text: text.to_owned(),
            quoted,
            span: (0, 0),
        };
        let fields = [
            field("", false),
            field("", true),
            field("a,b;c", false),
            field("x \"y\"", false),
            field("\"z\"", true),
            field("two\nlines\r\n", true),
            field("\u{1F}", true),
            field(" padded ", false),
            field("=cmd|'/c calc'!A0", false),
        ];
        let dialect = Dialect {
            delimiter: vec![BETWEEN],
            ..Dialect::default()
        };
        let again = split(&record_of(&fields), &dialect).expect("a record");
        let pairs = |fields: &[FieldText]| {
            let pairs = fields.iter().map(|it| (it.text.clone(), it.quoted));
            pairs.collect::<Vec<_>>()
        };
        assert_eq!(pairs(&again), pairs(&fields));
    }
}
