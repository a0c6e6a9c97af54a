//! The one place that decides what an error of the server or of the connection means.
//!
//! SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::error::Error as StdError;
use std::io;

use ingestd_actors::error::{Error, ErrorKind};
use tokio_postgres::error::{DbError, Severity};

/// Classifies an error of a row statement, or of any other that is neither the ledger's nor COMMIT;
/// `doing` says what was being done.
///
/// The server's message is kept only where it can't hold a cell's value; the error itself never.
pub fn classify(error: tokio_postgres::Error, doing: &str) -> Error {
    match error.as_db_error() {
        Some(server) => said_by_server(server, doing),
        None => connection_failed(error, doing),
    }
}

/// Classifies an error of a statement of the ledger, which holds no row of a file: what would be a
/// refused row is a fault of the program there, and a statement can't be halved.
pub fn classify_ledger(error: tokio_postgres::Error, doing: &str) -> Error {
    let error = classify(error, doing);
    let kind = match error.kind() {
        ErrorKind::Row => ErrorKind::Bug,
        ErrorKind::TooBig => ErrorKind::Transient,
        _ => return error,
    };
    with_kind(error, kind)
}

/// Classifies an error of COMMIT: only an answer of severity ERROR proves that nothing was committed.
pub fn classify_commit(error: tokio_postgres::Error) -> Error {
    let refused = error
        .as_db_error()
        .is_some_and(|server| server.parsed_severity() == Some(Severity::Error));
    let error = classify_ledger(error, "committing");
    if refused {
        error
    } else {
        with_kind(error, ErrorKind::Unknown)
    }
}

/// What the server says of a statement: decided by the SQLSTATE and by whether a constraint is named.
///
/// `None` for a code that this program knows nothing of: it may stand for one row or for all.
pub fn kind_of(code: &str, names_constraint: bool) -> Option<ErrorKind> {
    use ErrorKind::{Bug, Configuration, Fenced, Row, TooBig, Transient, Unknown};
    let kind = match code {
        "40003" | "08007" => Unknown,
        // Statement timeout, a configured limit, a row twice in one ON CONFLICT.
        "57014" | "53400" | "21000" => TooBig,
        "P0001" | "54000" | "54001" => Row,
        // The binary format no longer fits the columns: the catalog has to be read again.
        "22P03" | "22P04" | "08P01" => Fenced,
        // A prepared statement that is not there.
        "26000" => Configuration,
        // Without a name it is no check: the partition for the row is missing.
        "23514" if !names_constraint => Configuration,
        // Lock timeout, object in use, read-only transaction, idle in a transaction for too long.
        "55P03" | "55006" | "25006" | "25P03" => Transient,
        // Corrupted data: somebody has to look. Extensions refuse values with XX000, though.
        "XX001" | "XX002" => Configuration,
        // A statement was sent into an aborted transaction.
        "25P02" => Bug,
        _ => match code.get(..2)? {
            "08" | "40" | "53" | "57" | "58" => Transient,
            "22" | "23" => Row,
            "0A" | "25" | "28" | "3D" | "3F" | "42" | "44" | "55" => Configuration,
            _ => return None,
        },
    };
    Some(kind)
}

fn said_by_server(server: &DbError, doing: &str) -> Error {
    let code = server.code().code();
    // PgBouncer says it in one way only.
    let is_fatal = server.severity() == "FATAL";
    let known = match code {
        // As what it is that poolers report whatever they end a connection for.
        "08P01" if is_fatal && server.message().contains("startup parameter") => {
            let message = format!("{doing}: {}", server.message());
            return Error::new(ErrorKind::Configuration, message)
                .with_code(code)
                .with_advice(SET_POOLER);
        }
        "08P01" if is_fatal => Some(ErrorKind::Transient),
        _ => kind_of(code, server.constraint().is_some()),
    };
    let message = match known {
        // These messages are written by triggers and input functions, and may hold a value.
        None => format!("{doing}: the server refused with a code that is not known"),
        // Whoever raises it names a column and a constraint as they like.
        Some(ErrorKind::Row) if is_of_a_function(server) => {
            format!("{doing}: a function or a trigger of the database refused a row")
        }
        Some(_) if is_of_a_function(server) => format!(
            "{doing}: a function or a trigger of the database has failed; its message may hold \
             values, so it is in the server's own log alone"
        ),
        Some(ErrorKind::Row) => match (server.column(), server.constraint()) {
            (_, Some(constraint)) => format!("{doing}: constraint {constraint:?} refused a row"),
            (Some(column), None) => format!("{doing}: column {column:?} refused a value"),
            (None, None) => format!("{doing}: the server refused a row"),
        },
        Some(_) => format!("{doing}: {}", server.message()),
    };
    let kind = known.unwrap_or(ErrorKind::Configuration);
    let error = Error::new(kind, message).with_code(code);
    match advice_for(code, kind) {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}

/// Whether a function of the database's owner has written the message, or a statement that it has put
/// together: with any code, and with any value of the row in it. Each of the procedural languages names
/// itself in the context ("PL/pgSQL function …", in every language of the messages); a function in SQL
/// can't raise anything by itself.
fn is_of_a_function(server: &DbError) -> bool {
    let in_function = server.where_().is_some_and(|it| it.contains("PL/"));
    // What its role may not do is said of the table's or the function's name, which is to be granted.
    in_function && server.routine() != Some("aclcheck_error")
}

/// What to do where a pooler is in the way.
pub(super) const SET_POOLER: &str =
    "set pooler = \"transaction\" in [database], or connect to the server itself";

fn advice_for(code: &str, kind: ErrorKind) -> Option<&'static str> {
    let advice = match code {
        "42P01" => "create the table, or set `create = true` for the pipeline",
        "3F000" => "create the schema",
        "42703" => "add the column, or take it out of the pipeline",
        "42501" => "GRANT the role what it lacks",
        "3D000" => "create the database, or change the URL",
        "28000" | "28P01" => "check the user, the password and pg_hba.conf",
        "23514" if kind == ErrorKind::Configuration => "create the partition, or a default one",
        "42P10" => "create a unique index on exactly the key's columns, not deferrable",
        "42883" => "a column's type lacks its binary input, or an order; choose another type",
        "428C9" => "take the identity column out of the pipeline, or make it GENERATED BY DEFAULT",
        "53300" => "raise max_connections, or lower the number of partitions",
        "53100" => "free some disk space on the server",
        "57014" => "raise statement_timeout for the role",
        "XX001" | "XX002" => "the server calls its data corrupted: look at its log",
        "26000" | "42P05" => SET_POOLER,
        "25006" => "the server is read-only: a standby, or default_transaction_read_only is set",
        _ => return None,
    };
    Some(advice)
}

/// Whatever failed before or beside an answer of the server.
fn connection_failed(error: tokio_postgres::Error, doing: &str) -> Error {
    if let Some(io) = io_error(&error) {
        let (kind, code) = (kind_of_io(io.kind()), format!("{:?}", io.kind()));
        // tokio-postgres's words for an answer that is more than the one letter it has asked for.
        let what = match io.to_string().as_str() {
            "bytes remaining on stream" => "what answers there speaks another protocol".to_owned(),
            words => words.to_owned(),
        };
        let message = format!("{doing}: the connection to the database failed: {what}");
        return Error::new(kind, message).with_code(code).with_source(error);
    }
    // tokio-postgres keeps these kinds to itself; its words for them are all there is.
    let words = error.to_string();
    let kind = match words.as_str() {
        "invalid configuration"
        | "invalid connection string"
        | "authentication error"
        | "error performing TLS handshake" => ErrorKind::Configuration,
        "error encoding message to server"
        | "query returned an unexpected number of rows"
        | "query returned an unexpected number of columns" => ErrorKind::Bug,
        words
            if words.starts_with("error serializing")
                || words.starts_with("error deserializing")
                || words.starts_with("invalid column")
                || words.starts_with("expected ") =>
        {
            ErrorKind::Bug
        }
        _ => ErrorKind::Transient,
    };
    Error::new(kind, format!("{doing}: {words}")).with_source(error)
}

fn io_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// What an I/O error of the connection means: almost all pass by themselves. A socket that is not
/// there yet is a server that is not up yet.
fn kind_of_io(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::Unsupported => ErrorKind::Configuration,
        _ => ErrorKind::Transient,
    }
}

/// The same error with another kind.
pub(super) fn with_kind(error: Error, kind: ErrorKind) -> Error {
    let mut changed = Error::new(kind, error.message());
    if let Some(code) = error.code() {
        changed = changed.with_code(code);
    }
    if let Some(advice) = error.advice() {
        changed = changed.with_advice(advice);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn all_are(kind: Option<ErrorKind>, codes: &[&str]) {
        for code in codes {
            assert_eq!(kind_of(code, true), kind, "{code}");
        }
    }

    #[test]
    fn transient_codes_pass_by_themselves() {
        let codes = [
            "08000", "08003", "08006", "08001", "57P01", "57P02", "57P03", "53000", "53100",
            "53200", "53300", "55P03", "40P01", "40001", "25006", "25P03", "58030",
        ];
        all_are(Some(ErrorKind::Transient), &codes);
    }

    #[test]
    fn unknown_outcomes_are_told_apart() {
        all_are(Some(ErrorKind::Unknown), &["40003", "08007"]);
    }

    #[test]
    fn too_big_statements_are_halved() {
        all_are(Some(ErrorKind::TooBig), &["57014", "53400", "21000"]);
    }

    #[test]
    fn refused_rows_are_rows() {
        let codes = [
            "22001", "22003", "22P02", "22021", "23502", "23503", "23505", "23514", "23P01",
            "P0001", "54000", "54001",
        ];
        all_are(Some(ErrorKind::Row), &codes);
    }

    #[test]
    fn configuration_waits_for_an_operator() {
        let codes = [
            "42P01", "42501", "42703", "3F000", "3D000", "28P01", "0A000", "42P10", "XX001",
        ];
        all_are(Some(ErrorKind::Configuration), &codes);
    }

    #[test]
    fn a_missing_partition_is_configuration_and_a_check_is_a_row() {
        assert_eq!(kind_of("23514", false), Some(ErrorKind::Configuration));
        assert_eq!(kind_of("23514", true), Some(ErrorKind::Row));
    }

    #[test]
    fn a_format_that_no_longer_fits_starts_anew() {
        all_are(Some(ErrorKind::Fenced), &["22P03", "22P04", "08P01"]);
    }

    #[test]
    fn a_prepared_statement_of_somebody_else_speaks_of_a_pooler() {
        for code in ["26000", "42P05"] {
            assert_eq!(kind_of(code, false), Some(ErrorKind::Configuration));
            let advice = advice_for(code, ErrorKind::Configuration);
            assert!(advice.is_some_and(|advice| advice.contains("pooler = \"transaction\"")));
        }
    }

    #[test]
    fn a_statement_in_an_aborted_transaction_is_a_bug() {
        all_are(Some(ErrorKind::Bug), &["25P02"]);
    }

    #[test]
    fn codes_of_somebody_elses_making_are_unknown() {
        all_are(None, &["MY001", "P0002", "XX000", "99999", ""]);
    }

    #[test]
    fn io_errors_are_transient_unless_somebody_has_to_act() {
        use io::ErrorKind::*;
        for kind in [
            ConnectionRefused,
            ConnectionReset,
            BrokenPipe,
            NotFound,
            TimedOut,
            UnexpectedEof,
        ] {
            assert_eq!(kind_of_io(kind), ErrorKind::Transient, "{kind:?}");
        }
        assert_eq!(kind_of_io(PermissionDenied), ErrorKind::Configuration);
    }

    #[tokio::test]
    async fn a_connection_that_can_not_be_made_tells_its_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        let connect = |url: String| async move {
            let config = tokio_postgres::Config::from_str(&url).expect("a URL");
            match config.connect(tokio_postgres::NoTls).await {
                Ok(_) => panic!("nobody listens there"),
                Err(error) => classify(error, "connecting"),
            }
        };
        let url = format!("host={} user=u dbname=d", directory.path().display());
        let absent = connect(url).await;
        assert_eq!(absent.kind(), ErrorKind::Transient);
        assert_eq!(absent.code(), Some("NotFound"));

        let hostless = connect("user=u".to_owned()).await;
        assert_eq!(hostless.kind(), ErrorKind::Configuration);
    }
}
