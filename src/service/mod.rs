//! The one place that composes the tree and the adapters into a running service.

mod background;
mod beside;
mod database;
mod first_load;
mod held_up;
mod open_files;
mod pipeline;
mod planner;
mod reload;
mod signals;
mod tree;

pub use background::{Background, Kept};
pub use beside::{Beside, NoteWriter};
pub use database::{
    OpenDatabase, block_on, database_runtime, open_database, unusable, unusable_database,
};
pub use first_load::{BACKLOG, Backlog, FirstLoad, GIVEN};
pub use pipeline::{Loading, pipeline_spec};
pub use planner::CatalogPlanner;
pub use reload::{ReadSettings, ReloadDesk, ReloadOutcome, Reloader, TakeOn};
pub use signals::{Signal, Signals, as_shells_do, block as block_signals};
pub use tree::{Ended, Tree};
