//! The list of indexes that a first load has put off.

use super::{Step, World};
use crate::port::{DeferredIndexes, IndexEnd, MissingIndex, PortFuture};

impl DeferredIndexes for World {
    fn missing(&self) -> PortFuture<Vec<MissingIndex>> {
        let world = self.clone();
        Box::pin(async move {
            let work = |state: &mut super::State| {
                let missing = state.missing_indexes.iter();
                let missing = missing.enumerate().map(|(id, name)| MissingIndex {
                    id: id as i64,
                    name: name.clone(),
                    table: "events".to_owned(),
                });
                Ok(missing.collect())
            };
            world.call(Step::MissingIndexes, None, work).await
        })
    }

    fn build(&self, index: MissingIndex) -> PortFuture<IndexEnd> {
        let world = self.clone();
        Box::pin(async move {
            let work = move |state: &mut super::State| {
                let before = state.missing_indexes.len();
                state.missing_indexes.retain(|name| *name != index.name);
                if state.missing_indexes.len() == before {
                    return Ok(IndexEnd::WasThere);
                }
                Ok(IndexEnd::Built)
            };
            world.call(Step::BuildIndex, None, work).await
        })
    }
}
