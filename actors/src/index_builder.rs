//! Builds the indexes that a first load has put off, once somebody says that it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture,
};

use crate::answer::{Owed, later};
use crate::error::{ErrorKind, Result};
use crate::failpoint::{Step, pass};
use crate::port::{DeferredIndexes, Event, IndexEnd, MissingIndex, Observer};
use crate::retry::Retry;
use crate::supervision::Lifeline;

/// Where nothing gets better until somebody changes something, the server has rest for so many times
/// as long as it has worked in vain.
const REST: u32 = 10;

/// What the builder needs.
#[derive(Clone)]
pub struct Deps {
    /// The list of what is missing, and how it is built.
    pub indexes: Arc<dyn DeferredIndexes>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// The pipeline's log.
    pub log: slog::Logger,
}

/// The actor. It builds beside the loading, and all it ever waits on is the server.
pub struct IndexBuilder {
    deps: Deps,
    lifeline: Lifeline,
    /// The question that what is under way answers.
    answering: Option<Owed>,
    /// A question that came since: the list may have grown, so it is looked at again. A newer one
    /// takes the place of an older one.
    asked: Option<Owed>,
}

impl IndexBuilder {
    /// A builder that does nothing until it is asked.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            deps,
            lifeline,
            answering: None,
            asked: None,
        }
    }

    fn step(&mut self, context: &mut Context<Self>) {
        if self.answering.is_some() {
            return;
        }
        self.answering = self.asked.take();
        if self.answering.is_none() {
            return;
        }
        let building = build_all(self.deps.clone()).into_actor(self);
        context.spawn(building.map(|end, actor, context| match end {
            Ok(()) => {
                if let Some(owed) = actor.answering.take() {
                    // Whoever asked may have gone on, and asks again.
                    let _ = owed.send(());
                }
                actor.step(context);
            }
            Err(error) => actor.lifeline.fail(error, context),
        }));
    }
}

impl Actor for IndexBuilder {
    type Context = Context<Self>;
}

/// Builds what is missing. The answer comes once nothing is; the building goes on without anybody
/// who waits for it.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct BuildIndexes;

impl Handler<BuildIndexes> for IndexBuilder {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, _: BuildIndexes, context: &mut Self::Context) -> Self::Result {
        let (owed, answer) = later("the index builder");
        self.asked = Some(owed);
        self.step(context);
        answer
    }
}

/// Builds all that is missing, for as long as that takes.
async fn build_all(deps: Deps) -> Result<()> {
    let observer = Arc::clone(&deps.observer);
    let mut retry = Retry::new("index builder", observer, deps.log.clone());
    loop {
        let started = Instant::now();
        let Err(error) = build_each_once(&deps).await else {
            retry.succeeded();
            return Ok(());
        };
        let in_vain = match error.kind() {
            ErrorKind::Configuration => started.elapsed(),
            _ => Duration::ZERO,
        };
        retry.wait_out(error).await?;
        tokio::time::sleep(in_vain * REST).await;
    }
}

/// One after the other. One that somebody has to do something about keeps none of the others back.
async fn build_each_once(deps: &Deps) -> Result<()> {
    let mut held_up = None;
    pass(Step::IndexesRound).await?;
    for index in deps.indexes.missing().await? {
        match build(deps, index).await {
            Err(error) if error.kind() == ErrorKind::Configuration => {
                held_up.get_or_insert(error);
            }
            other => other?,
        }
    }
    held_up.map_or(Ok(()), Err)
}

async fn build(deps: &Deps, index: MissingIndex) -> Result<()> {
    let MissingIndex { name, table, .. } = index.clone();
    slog::info!(deps.log, "building an index"; "index" => &name, "table" => &table);
    deps.observer.observe(&Event::IndexStarted {
        index: name.clone(),
    });
    let started = Instant::now();
    let end = deps.indexes.build(index).await?;
    let took = started.elapsed();
    match &end {
        IndexEnd::Built => slog::info!(deps.log, "index built";
            "index" => &name, "table" => &table, "build_ms" => took.as_millis() as u64),
        IndexEnd::WasThere => slog::info!(deps.log, "index is there already";
            "index" => &name, "table" => &table),
        IndexEnd::GivenUp(why) => slog::warn!(deps.log, "index is not built";
            "index" => &name, "table" => &table, "reason" => why),
    }
    deps.observer.observe(&Event::IndexEnded {
        index: name,
        end,
        took,
    });
    Ok(())
}
