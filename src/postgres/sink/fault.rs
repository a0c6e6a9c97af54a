//! What a row statement meets: the server refuses a row, or something else is wrong.

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::load::Loading;
use crate::plan::LoadPlan;
use crate::postgres::classify;
use crate::postgres::error::{kind_of, with_kind};

/// Why a row statement failed.
#[derive(Debug)]
pub enum Fault {
    /// It may be due to its rows: to one, to how many they are, or to all of them.
    Rows(Refusal),
    /// It is not.
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Other(error)
    }
}

/// What the server says of rows. The message may hold a value: it is for dead letters alone.
#[derive(Debug)]
pub struct Refusal {
    /// What it would be for the tree, with a message that holds no value.
    pub error: Error,
    /// The SQLSTATE.
    pub code: String,
    /// Whether it is surely a row's fault. An unknown code may mean one row or all; so may a NULL
    /// in a column that no file fills.
    pub known: bool,
    /// The server's words.
    pub message: String,
    /// The column at fault, where the server names one.
    pub column: Option<String>,
}

impl Refusal {
    /// Whether one row fails alone too, rather than all of them being too big together.
    pub fn by_a_row(&self) -> bool {
        self.error.kind() != ErrorKind::TooBig
    }

    /// Whether a key that is unique was there already.
    pub fn is_duplicate_key(&self) -> bool {
        self.code == "23505"
    }
}

/// Tells what an error of a row statement is.
pub fn fault(error: tokio_postgres::Error, doing: &str, loading: &Loading) -> Fault {
    let Loading { plan, facts, .. } = loading;
    let Some(server) = error.as_db_error() else {
        return Fault::Other(classify(error, doing));
    };
    let code = server.code().code().to_owned();
    let known = match code.as_str() {
        // A policy refuses a row with the code of a right that is missing for all.
        "42501" if facts.row_security => None,
        _ => kind_of(&code, server.constraint().is_some()),
    };
    if !matches!(known, None | Some(ErrorKind::Row | ErrorKind::TooBig)) {
        return Fault::Other(classify(error, doing));
    }
    let message = server.message().to_owned();
    let known = known.is_some() && !is_left_out(&code, server.column(), plan);
    let column = server.column().map(str::to_owned);
    let column = column.or_else(|| column_of_copy(server.where_()?, plan));
    Fault::Rows(Refusal {
        error: classify(error, doing),
        code,
        known,
        message,
        column,
    })
}

/// The refusal of a statement of so many rows, if that is what the fault is.
///
/// # Errors
/// What else it is.
pub fn refusal_of(fault: Fault, rows: usize) -> Result<Refusal> {
    match fault {
        // One row alone is too much for a limit of the server: that passes, or somebody raises it.
        Fault::Rows(refusal) if rows == 1 && !refusal.by_a_row() => {
            Err(with_kind(refusal.error, ErrorKind::Transient))
        }
        Fault::Rows(refusal) => Ok(refusal),
        Fault::Other(error) => Err(error),
    }
}

/// A NULL in a column that the plan doesn't load: the table was changed after the file was planned,
/// or a trigger made it.
fn is_left_out(code: &str, column: Option<&str>, plan: &LoadPlan) -> bool {
    let loads = |name: &str| plan.columns.iter().any(|column| column.name == name);
    code == "23502" && column.is_some_and(|name| !loads(name))
}

/// An input error names its column only in the context, `COPY table, line 1, column price`, which
/// may be in any language: the longest name of the plan that ends the line is it.
fn column_of_copy(context: &str, plan: &LoadPlan) -> Option<String> {
    let line = context.lines().find(|line| line.starts_with("COPY "))?;
    let names = plan.columns.iter().map(|column| &column.name);
    let ends = |name: &&String| {
        let before = line.strip_suffix(name.as_str());
        before.is_some_and(|before| before.ends_with(' '))
    };
    names.filter(ends).max_by_key(|name| name.len()).cloned()
}
