//! The one place that decides what an error of the server or of the connection means.
//!
//! SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use ingestd_actors::error::{Error, ErrorKind};

/// Classifies an error of a statement other than COMMIT; `doing` says what was being done.
///
/// The server's message is kept only where it can't hold a cell's value.
pub fn classify(error: tokio_postgres::Error, doing: &str) -> Error {
    let Some(server) = error.as_db_error() else {
        return Error::new(
            ErrorKind::Transient,
            format!("{doing}: the connection to the database failed"),
        )
        .with_source(error);
    };
    let code = server.code().code().to_owned();
    let kind = kind_of(&code);
    let message = match kind {
        ErrorKind::Row => match (server.column(), server.constraint()) {
            (_, Some(constraint)) => format!("{doing}: constraint {constraint:?} refused a row"),
            (Some(column), None) => format!("{doing}: column {column:?} refused a value"),
            (None, None) => format!("{doing}: the server refused a row"),
        },
        _ => format!("{doing}: {}", server.message()),
    };
    Error::new(kind, message).with_code(code).with_source(error)
}

/// What a SQLSTATE means for the tree.
fn kind_of(code: &str) -> ErrorKind {
    match code {
        "40003" | "08007" => ErrorKind::Unknown,
        "57014" | "53400" | "21000" => ErrorKind::TooBig,
        "P0001" | "54000" | "54001" => ErrorKind::Row,
        // Disk full, out of memory, too many connections; shutting down; read-only; lock timeout.
        "55P03" | "55006" | "25006" => ErrorKind::Transient,
        // The binary format no longer fits the column: the catalog has to be read again.
        "22P03" | "22P04" | "08P01" => ErrorKind::Fenced,
        "23514" => ErrorKind::Row,
        _ => match code.get(..2).unwrap_or_default() {
            "08" | "40" | "53" | "57" | "58" | "XX" => ErrorKind::Transient,
            "22" | "23" => ErrorKind::Row,
            "28" | "3D" | "3F" | "42" | "0A" | "25" => ErrorKind::Configuration,
            _ => ErrorKind::Configuration,
        },
    }
}
