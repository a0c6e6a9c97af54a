//! What is commanded of pipelines, and whether services have done it.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

/// The names of all pipelines that the ledger knows.
pub const KNOWN: &str = "select name from ingestd.pipelines order by name";

/// Commands the pipeline `$1` to be `$2`, in the name of `$3`: what is wanted of it now, and the
/// command's number.
pub const COMMAND: &str = "select wanted, command from ingestd.command_pipelines($1, $2, $3)";

/// Asks for a look through the directory of the pipeline `$1`: what is wanted of it, and the number of
/// the request.
pub const RESCAN: &str = "select wanted, rescan from ingestd.ask_to_rescan($1)";

/// The services that run the pipeline `$1`, and whether each has done what has the number `$3`: a
/// request for a look (`$2`), or a command.
pub const DONE: &str = "
    select l.host, l.process,
           case when $2 then s.rescan >= $3 else coalesce(s.command >= $3, false) end as done
    from ingestd.service_pipelines s join ingestd.live_services l using (service)
    where s.pipeline = $1 order by 1, 2";

/// A service that a command is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Obeying {
    /// The machine.
    pub host: String,
    /// The process there.
    pub process: i32,
    /// Whether it has done it.
    pub done: bool,
}

impl Obeying {
    /// A row of [`DONE`].
    pub fn of(row: &Row) -> Obeying {
        Obeying {
            host: row.get("host"),
            process: row.get("process"),
            done: row.get("done"),
        }
    }
}
