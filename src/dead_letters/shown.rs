//! One dead letter with all that is known of it: its record, where it is at fault, what would have been
//! right.

use ingestd_actors::error::Result;
use serde::Serialize;
use tokio_postgres::Client;
use utoipa::ToSchema;

use super::expected::{Expected, expected};
use super::form::{Form, forms};
use super::letter::{Letter, Raw, find, raw_of};

/// A dead letter and all that is known of it.
pub struct Shown {
    /// The letter.
    pub letter: Letter,
    /// Its record.
    pub raw: Raw,
    /// The bytes of it that are at fault, where that is known.
    pub bad: Option<(usize, usize)>,
    /// What would have been right.
    pub expected: Expected,
    /// Its fields by name, where it can be split into them.
    pub fields: Option<Vec<NamedField>>,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NamedField {
    /// Its name in the header.
    pub name: String,
    /// Its text, without its quotes.
    pub text: String,
    /// Whether it is the one at fault.
    pub bad: bool,
}

/// All that is known of a letter; `None` where the record is none.
///
/// # Errors
/// What the server says.
pub async fn look(client: &Client, file: i64, record: i64) -> Result<Option<Shown>> {
    let Some(letter) = find(client, file, record).await? else {
        return Ok(None);
    };
    let raw = raw_of(client, file, record).await?;
    let form = forms(client, &[file]).await?.remove(&file);
    let texts = form
        .as_ref()
        .and_then(|form| form.exported(&raw.bytes, raw.is_cut()));
    let expected = match &form {
        Some(form) if letter.column.is_some() || letter.sqlstate.is_some() => {
            expected(
                client,
                &form.plan,
                letter.column.as_deref(),
                &letter.message,
            )
            .await?
        }
        _ => Expected::default(),
    };
    let column = letter.column.as_ref().or(expected.column.as_ref());
    let place = form.as_ref().and_then(|form| place_of(form, column?));
    let bad = match &texts {
        Some(texts) => place.and_then(|at| texts.get(at)).map(|field| field.span),
        None => no_text_at(&raw.bytes, &letter.reason),
    };
    let names = form.as_ref().and_then(|form| form.names().ok());
    let fields = names.zip(texts).map(|(names, texts)| {
        let all = names.into_iter().zip(texts).enumerate();
        all.map(|(at, (name, field))| NamedField {
            name,
            text: field.text,
            bad: place == Some(at),
        })
        .collect()
    });
    Ok(Some(Shown {
        letter,
        raw,
        bad,
        expected,
        fields,
    }))
}

/// Which field a column takes.
fn place_of(form: &Form, column: &str) -> Option<usize> {
    let layout = form.plan.layout(form.known_header().ok()?).ok()?;
    let at = form.plan.columns.iter().position(|it| it.name == column)?;
    layout.columns.get(at).copied().flatten()
}

/// The first byte that is no text.
fn no_text_at(raw: &[u8], reason: &str) -> Option<(usize, usize)> {
    let at = match reason {
        "nul_byte" => raw.iter().position(|byte| *byte == 0)?,
        "invalid_encoding" => std::str::from_utf8(raw).err()?.valid_up_to(),
        _ => return None,
    };
    Some((at, at + 1))
}
