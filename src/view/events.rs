//! What has happened, newest first: files that have changed their state, and what pipelines and
//! services have gone through.
//!
//! A file comes once, with its newest change: where it changes again, it comes again, as something
//! newer. So a page never repeats what an older page had, and what does not change is never missed.

use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::time;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Happened {
    /// Where it stands in the order of events: a cursor.
    #[schema(example = "1795250712345678.f.17")]
    pub id: String,
    /// When.
    pub at: String,
    /// What: `file.` and a file's state in lower case; `pipeline.paused`, `.drained`, `.resumed`,
    /// `.degraded`, `.recovered`; `lease.taken`, `.lost`; `child.restarted`; `alert.fired`,
    /// `.resolved`.
    #[schema(example = "file.archived")]
    pub kind: String,
    /// The pipeline, where it has happened to one.
    pub pipeline: Option<String>,
    /// The number of the file, where it has happened to one.
    pub file: Option<i64>,
    /// The file's path, or whatever else it has happened to.
    pub subject: Option<String>,
    /// Why, or by whom.
    pub message: Option<String>,
}

/// A place in the order of events: a time, and a number among files or among notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// Microseconds since 1970.
    pub micros: i64,
    /// Of the same time, a file is newer than a note.
    pub of_file: bool,
    /// The number of the file, or of the note.
    pub number: i64,
}

impl Cursor {
    /// Behind all that will ever happen.
    pub const NEWEST: Cursor = Cursor {
        micros: i64::MAX,
        of_file: true,
        number: i64::MAX,
    };

    /// Reads what [`Cursor::text`] has written.
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut parts = text.split('.');
        let micros = parts.next()?.parse().ok().filter(|it| *it >= 0)?;
        let of_file = match parts.next()? {
            "f" => true,
            "n" => false,
            _ => return None,
        };
        let number = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Cursor {
            micros,
            of_file,
            number,
        })
    }

    /// As text.
    pub fn text(self) -> String {
        let kind = if self.of_file { 'f' } else { 'n' };
        format!("{}.{kind}.{}", self.micros, self.number)
    }

    /// The numbers below which files and notes of this very time are older.
    fn numbers(self) -> (i64, i64) {
        match self.of_file {
            true => (self.number, i64::MAX),
            false => (i64::MIN, self.number),
        }
    }
}

const CHANGED: &str =
    "greatest(f.discovered_at, f.started_at, f.completed_at, f.committed_at, f.archived_at)";

/// SQL: a time of so many microseconds, all of them told apart; after the year 9999 there is none.
fn moment(parameter: &str) -> String {
    format!(
        "(timestamptz 'epoch' + (least({parameter}::bigint, 253402300799000000) / 1000000) * interval '1 s'
          + (least({parameter}::bigint, 253402300799000000) % 1000000) * interval '1 us')"
    )
}

fn statement(comparison: &str, order: &str) -> String {
    let (changed, at) = (moment("$1"), moment("$1"));
    let micros = |expression: &str| {
        format!("(extract(epoch from {expression}) * 1000000)::bigint as micros")
    };
    format!(
        "(select {} as at, {}, true as of_file, f.file_id as number,
        'file.' || lower(f.state) as kind, f.pipeline, f.file_id, f.path as subject,
        f.reason as message
 from ingestd.files f
 where ({CHANGED}, f.file_id) {comparison} ({changed}, $2::bigint)
   and ($5::text is null or f.pipeline = $5)
 order by {CHANGED} {order}, f.file_id {order} limit $4::bigint)
union all
(select {}, {}, false, e.event_id, e.kind, e.pipeline, null, e.subject, e.message
 from ingestd.event_log e
 where (e.at, e.event_id) {comparison} ({at}, $3::bigint)
   and ($5::text is null or e.pipeline = $5)
 order by e.at {order}, e.event_id {order} limit $4::bigint)",
        time(CHANGED),
        micros(CHANGED),
        time("e.at"),
        micros("e.at"),
    )
}

/// The events before a cursor, the newest first; its parameters are those of [`before`].
pub fn before_query() -> String {
    format!(
        "select * from ({}) s order by micros desc, of_file desc, number desc limit $4::bigint",
        statement("<", "desc")
    )
}

/// The events after a cursor, the oldest first; its parameters are those of [`after`].
pub fn after_query() -> String {
    format!(
        "select * from ({}) s order by micros, of_file, number limit $4::bigint",
        statement(">", "asc")
    )
}

/// The first three parameters for the events before a cursor.
pub fn before(cursor: Cursor) -> (i64, i64, i64) {
    let (file, note) = cursor.numbers();
    (cursor.micros, file, note)
}

/// The first three parameters for the events after a cursor.
pub fn after(cursor: Cursor) -> (i64, i64, i64) {
    let (file, note) = match cursor.of_file {
        true => (cursor.number, i64::MAX),
        // All files of the very time come after a note.
        false => (i64::MIN, cursor.number),
    };
    (cursor.micros, file, note)
}

impl Happened {
    /// A row of either query, and its place.
    pub fn of(row: &Row) -> (Cursor, Happened) {
        let cursor = Cursor {
            micros: row.get("micros"),
            of_file: row.get("of_file"),
            number: row.get("number"),
        };
        let event = Happened {
            id: cursor.text(),
            at: row.get("at"),
            kind: row.get("kind"),
            pipeline: row.get("pipeline"),
            file: row.get("file_id"),
            subject: row.get("subject"),
            message: row.get("message"),
        };
        (cursor, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        for (of_file, text) in [(true, "17.f.3"), (false, "17.n.3")] {
            let cursor = Cursor {
                micros: 17,
                of_file,
                number: 3,
            };
            assert_eq!(cursor.text(), text);
            assert_eq!(Cursor::parse(text), Some(cursor));
        }
        for text in ["", "17", "17.f", "17.x.3", "17.f.3.4", "a.f.3", "17.f.a"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
        assert_eq!(Cursor::parse(&Cursor::NEWEST.text()), Some(Cursor::NEWEST));
    }
}
