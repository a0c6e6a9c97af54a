//! Watching pipelines from outside the tree: figures for people.

mod figures;

pub use figures::{FileOutcome, Figures, FiguresNow, FiguresObserver};
