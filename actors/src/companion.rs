//! Keeps something outside running: the private server.

use std::sync::Arc;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, WrapFuture};

use crate::error::{Error, ErrorKind};
use crate::port::Companion;
use crate::supervision::Lifeline;

/// The actor: fails when its companion ends, so that the supervisor starts both again.
pub struct CompanionKeeper {
    companion: Arc<dyn Companion>,
    lifeline: Lifeline,
}

impl CompanionKeeper {
    /// A keeper of `companion`.
    pub fn new(companion: Arc<dyn Companion>, lifeline: Lifeline) -> Self {
        Self {
            companion,
            lifeline,
        }
    }
}

impl Actor for CompanionKeeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let life = self.companion.run().into_actor(self);
        context.spawn(life.map(|end, actor, context| {
            let error = end.err().unwrap_or_else(|| {
                let name = actor.companion.name();
                Error::new(ErrorKind::Transient, format!("{name} ended"))
            });
            actor.lifeline.fail(error, context);
        }));
    }
}
