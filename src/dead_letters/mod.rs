//! Dead letters, from inspection to replay: what [`mod@crate::postgres`] keeps of records that could not
//! be loaded is listed, shown, exported to be mended, replayed, discarded and, by its age, forgotten.
//!
//! Everything here takes the ledger and plain structs, and returns plain structs that are JSON as they
//! stand; the command line prints them, and so may others.
//!
//! # A replay, exactly once
//!
//! A replay writes the rows of dead letters under the pipeline's *present* mapping and table, or their
//! mended fields. It goes in parts of bounded size, from the last letter to the first, each one
//! transaction of the target database, in this order:
//!
//! 1. The replay's own row (`ingestd.replays`) moves: *from* where the part before has left it, under the
//!    epoch of whoever runs it, or nothing happens. It is to a replay what a checkpoint is to a file.
//! 2. The letters' files are locked against change (`FOR SHARE`, in the order of their numbers). Only
//!    where a file is COMMITTED or ARCHIVED its letters go on: those of any other may still come again,
//!    since the file is being read, or `ingestd retry` may look at it afresh. Whoever takes a file's rows
//!    back changes the file's row, and so waits for the part, or the part for it.
//! 3. The letters are locked in the order of (file, record), those that are NEW *now*: a letter that
//!    another replay has settled meanwhile is waited for, and then left out. None is skipped unseen.
//! 4. Their rows are written, in the order of the key, with the project's own statements; one that the
//!    server refuses is found by bisection behind a savepoint.
//! 5. The letters become RESOLVED, or stay NEW with their new reason and one more attempt; the replay's
//!    row counts them. COMMIT.
//!
//! So a letter's row and its mark commit together, and nothing of a letter that is not NEW is written:
//!
//! | what goes wrong | what then |
//! |---|---|
//! | two replays at once | the second waits at a letter's lock and finds it RESOLVED (3) |
//! | killed before the COMMIT, at whatever step; the server crashes | the part has not happened; the letters are NEW |
//! | killed after it | the part has happened; the next replay finds the letters RESOLVED |
//! | the COMMIT's answer is lost | the replay's row is read under its lock: it stands at the part's end, or at its start (1) |
//! | a zombie: a stalled runner that was taken over from | its next part finds another epoch and writes nothing (1); the part it is in ends one way or the other, and whoever takes over waits for that at the row's lock |
//! | the service loads the same keys | see below; a deadlock (40P01) rolls back and the part is tried again |
//! | the file is retried, undone or forgotten | (2); with the file its letters go, and the part counts them as settled |
//! | retention | deletes letters that nobody has locked |
//!
//! **Beside a running service** a replay needs no lease. A lease keeps the *order* of rows of a key; a
//! replay claims no order. In `newest` the version decides, whoever comes last. In `upsert` and `ignore` a
//! key that is in the table stays as it is, unless somebody has said overwrite: whichever of the two is
//! first, the row that the service loads is what stands in the end. `append` inserts, and a constraint
//! refuses what may not be there twice. What stays NEW for its key's sake waits for a person's word, since
//! only a person knows which row is newer.

mod compose;
mod discard;
mod expected;
mod export;
mod failing;
mod filter;
mod form;
mod left_over;
mod letter;
mod marked;
mod mended;
mod notes;
mod part;
mod patience;
mod pieces;
mod replay;
mod requests;
mod retention;
mod shown;
mod split;
mod sqlstates;
mod stats;
mod tally;
mod trial;
mod wish;

pub use discard::discard;
pub use expected::{Expected, expected};
pub use export::{Exported, Layout, export_layouts, write_layout};
pub use failing::Failing;
pub use filter::LetterFilter;
pub use form::{Form, forms};
pub use left_over::end_left_over;
pub use letter::{
    Group, Letter, Raw, count, find, groups, list, pipelines_of, pipelines_of_letters, raw_of,
};
pub use marked::{Marked, marked};
pub use mended::{Mended, MendedRow};
pub use pieces::{Piece, pieces};
pub use replay::{Replay, ReplayReport};
pub use requests::ReplayRequests;
pub use retention::{Forgotten, forget};
pub use shown::{NamedField, Shown, look};
pub use split::{FieldText, split};
pub use sqlstates::sqlstate_name;
pub use stats::{Stats, stats};
pub use tally::Tally;
pub use wish::{ReplayNow, replay_now, wish};
