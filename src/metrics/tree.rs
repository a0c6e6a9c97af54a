//! The supervision tree as it is counted: what had to be started again, and how long writing takes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use utoipa::ToSchema;

use super::classes::OWN;
use super::{Metrics, lock};

/// A child of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChildFigures {
    /// What it is called.
    #[schema(example = "file reader")]
    pub child: &'static str,
    /// How often it has ended and was started again, since the process began.
    pub restarts: u64,
}

/// How often something was done, and how long that took in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Times {
    /// How often.
    pub count: u64,
    /// In all.
    pub seconds: f64,
}

/// The writer of a partition.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct WriterFigures {
    /// The partition.
    pub partition: usize,
    /// How many batches it has committed.
    pub batches: u64,
    /// How long that took in all.
    pub commit_seconds: f64,
}

/// A pipeline of the tree. All is counted since the process began.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PipelineTree {
    /// Its name.
    pub pipeline: String,
    /// Its supervisor (`pipeline`), and that one's children; `writer` stands for all of them.
    pub children: Vec<ChildFigures>,
    /// The writers that have committed anything.
    pub writers: Vec<WriterFigures>,
    /// Files, from their being written or moved to their place until they were COMMITTED.
    pub drop_to_commit: Times,
    /// Bytes of rows between the reader and the commit, now.
    pub in_flight_bytes: u64,
    /// The files that this process has found and not finished: those that the ledger does not know yet,
    /// too, such as arrive while the pipeline is paused.
    pub waiting: Waiting,
}

/// Files that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Waiting {
    /// How many.
    pub files: usize,
    /// Their length in all.
    pub bytes: u64,
    /// For how long the oldest of them has.
    pub seconds: f64,
}

impl Metrics {
    /// The pipelines of this process.
    pub fn tree(&self) -> Vec<PipelineTree> {
        let pipelines = lock(&self.shared.pipelines);
        let living = pipelines.values().filter(|counters| counters.is_alive());
        living.map(|counters| counters.tree()).collect()
    }

    /// What waits of the pipelines of this process, as far as it has found it.
    pub fn waiting(&self) -> BTreeMap<String, Waiting> {
        let pipelines = lock(&self.shared.pipelines);
        let living = pipelines.values().filter(|counters| counters.is_alive());
        living
            .map(|counters| (counters.name().to_owned(), counters.waiting()))
            .collect()
    }

    /// The file that has waited for longest in a pipeline of this process, and for how long, in seconds.
    pub fn oldest(&self, pipeline: &str) -> Option<(f64, PathBuf)> {
        let pipelines = lock(&self.shared.pipelines);
        let counters = pipelines.get(pipeline)?;
        counters.oldest().filter(|_| counters.is_alive())
    }

    /// The service's own children, and what runs beside them.
    pub fn service_children(&self) -> Vec<ChildFigures> {
        let restarts = &self.shared.families.restarts;
        let own = lock(&self.shared.own);
        let figures = |child: &&'static str| ChildFigures {
            child,
            restarts: restarts.with_label_values(&["", *child]).get(),
        };
        own.iter().map(figures).collect()
    }

    /// The service has one that goes by this name, which is one of a short list.
    pub fn add_service_child(&self, name: &str) {
        let Some(place) = OWN.iter().position(|known| *known == name) else {
            return;
        };
        // Exported from the start.
        let restarts = &self.shared.families.restarts;
        restarts.with_label_values(&["", OWN[place]]);
        let mut own = lock(&self.shared.own);
        if !own.contains(&OWN[place]) {
            own.push(OWN[place]);
            own.sort_by_key(|name| OWN.iter().position(|known| known == name));
        }
    }

    /// It has ended, and is started again.
    pub fn service_child_restarts(&self, name: &str) {
        if lock(&self.shared.own).contains(&name) {
            let restarts = &self.shared.families.restarts;
            restarts.with_label_values(&["", name]).inc();
        }
    }
}
