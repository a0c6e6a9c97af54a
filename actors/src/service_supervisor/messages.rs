//! What the root is told.

use std::collections::BTreeSet;

use actix::{
    ActorFutureExt, Context, Handler, Message, ResponseActFuture, ResponseFuture, WrapFuture,
};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::ServiceSupervisor;
use crate::control::{Obey, TellStandings};
use crate::model::{Report, Wanted};
use crate::pipeline_supervisor::PipelineSpec;

/// A command that was given here, by a signal: it counts at once, and the ledger remembers it.
/// The answer comes once all of it is so.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Command {
    /// Which pipeline; `None` means all of them.
    pub pipeline: Option<String>,
    /// What it is to do.
    pub wanted: Wanted,
}

impl Handler<Command> for ServiceSupervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, command: Command, context: &mut Context<Self>) -> Self::Result {
        let names: Vec<String> = self
            .pipelines
            .keys()
            .filter(|&name| command.pipeline.as_ref().is_none_or(|it| it == name))
            .cloned()
            .collect();
        let mut answers = Vec::new();
        for name in names {
            if let Some(pipeline) = self.pipelines.get_mut(&name) {
                let (owed, answer) = oneshot::channel();
                pipeline.standing.command(command.wanted);
                pipeline.waiting.push(owed);
                answers.push(answer);
            }
            self.settle(&name, context);
        }
        self.tell_control();
        Box::pin(async move {
            join_all(answers).await;
        })
    }
}

impl Handler<TellStandings> for ServiceSupervisor {
    type Result = Vec<Report>;

    fn handle(&mut self, _: TellStandings, _: &mut Context<Self>) -> Self::Result {
        self.pipelines
            .iter()
            .map(|(name, pipeline)| pipeline.standing.report(name))
            .collect()
    }
}

impl Handler<Obey> for ServiceSupervisor {
    type Result = ();

    fn handle(&mut self, obey: Obey, context: &mut Context<Self>) {
        for order in obey.orders {
            let name = order.pipeline.clone();
            let Some(pipeline) = self.pipelines.get_mut(&name) else {
                continue;
            };
            let noted = obey.noted.get(&name).copied().unwrap_or(0);
            let (before, turn) = (pipeline.standing.report(&name), pipeline.standing.turn());
            let loads_from_the_start =
                pipeline.standing.wanted().is_none() && order.wanted == Wanted::Running;
            let looks = pipeline.standing.obey(&order, noted);
            pipeline.answer();
            if pipeline.standing.turn() != turn {
                if !loads_from_the_start {
                    slog::info!(self.spec.log, "command"; "pipeline" => &name,
                        "wanted" => order.wanted.name(), "by" => order.by.as_deref().unwrap_or("?"));
                }
                self.settle(&name, context);
            } else if pipeline.standing.report(&name) != before {
                // The same once more: it has come about already, and whoever gave it waits.
                self.tell_control();
            }
            if looks {
                self.look(&name, context);
            }
        }
    }
}

/// Ends pipelines in order and starts others, or the same ones with a new specification; those that
/// are not named don't notice. What starts does so once all that ends has ended: two of them may
/// meet in a directory. The answer comes then.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Reconfigure {
    /// Those that end.
    pub end: Vec<String>,
    /// Those that start.
    pub start: Vec<PipelineSpec>,
}

impl Handler<Reconfigure> for ServiceSupervisor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, change: Reconfigure, context: &mut Context<Self>) -> Self::Result {
        let ended: Vec<_> = change
            .end
            .iter()
            .filter_map(|name| self.leave(name, context))
            .collect();
        let ended = join_all(ended).into_actor(self);
        Box::pin(ended.map(move |_, actor, context| {
            let stay: BTreeSet<&String> = change.start.iter().map(|spec| &spec.name).collect();
            for name in change.end.iter().filter(|name| !stay.contains(name)) {
                actor.pipelines.remove(name);
                actor.restarts.remove(name);
            }
            if actor.draining {
                return;
            }
            for spec in change.start {
                let name = spec.name.clone();
                actor.add(spec);
                actor.settle(&name, context);
            }
            actor.tell_control();
        }))
    }
}

/// Ends all pipelines in order. The answer says whether everything that was read is committed.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct DrainAll;

impl Handler<DrainAll> for ServiceSupervisor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, _: DrainAll, context: &mut Context<Self>) -> Self::Result {
        self.draining = true;
        let names: Vec<String> = self.pipelines.keys().cloned().collect();
        let ended: Vec<_> = names
            .iter()
            .filter_map(|name| self.leave(name, context))
            .collect();
        Box::pin(async move {
            let drained = join_all(ended).await;
            drained.into_iter().all(|drained| drained.unwrap_or(false))
        })
    }
}
