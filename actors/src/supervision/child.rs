//! One generation of a supervised child.

use std::sync::{Arc, Mutex, PoisonError};

use actix::dev::AsyncContextParts;
use actix::{Actor, Addr, AsyncContext, Context, Recipient};
use tokio::task::AbortHandle;

use super::{ChildExited, ExitReason, Pulse};
use crate::error::Error;

/// What an actor holds of its supervision: a place for its last words, and its pulse.
#[derive(Clone, Debug, Default)]
pub struct Lifeline {
    failure: Arc<Mutex<Option<Error>>>,
    /// Tells the supervisor what the actor is doing.
    pub pulse: Pulse,
}

impl Lifeline {
    /// Ends the actor with an error: the supervisor learns it as the reason.
    pub fn fail<A>(&self, error: Error, context: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        actix::ActorContext::stop(context);
    }

    fn take_failure(&self) -> Option<Error> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// A running child, whatever its type; dropping it ends the child.
#[derive(Debug)]
pub struct ChildHandle {
    /// The child's name.
    pub name: String,
    /// Which of its lives this is.
    pub generation: u64,
    /// What it is doing.
    pub pulse: Pulse,
    task: AbortHandle,
}

impl ChildHandle {
    /// Ends the child where it stands; its exit is still reported.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether `exit` tells of this very generation.
    pub fn is_meant_by(&self, exit: &ChildExited) -> bool {
        self.name == exit.child && self.generation == exit.generation
    }
}

impl Drop for ChildHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts one generation of a child in a task of its own, and reports its end to `exits`.
///
/// The actor is made inside the task, so that a panic in `make` is an exit like any other. A child
/// must have no logic in `stopping` or `stopped`: they run while unwinding.
pub fn spawn<A, F>(
    name: impl Into<String>,
    generation: u64,
    exits: Recipient<ChildExited>,
    make: F,
) -> (Addr<A>, ChildHandle)
where
    A: Actor<Context = Context<A>>,
    Context<A>: AsyncContextParts<A>,
    F: FnOnce(Lifeline) -> A + 'static,
{
    let name = name.into();
    let lifeline = Lifeline::default();
    let context = Context::<A>::new();
    let address = context.address();

    let life = {
        let lifeline = lifeline.clone();
        async move { context.into_future(make(lifeline)).await }
    };
    let task = tokio::task::spawn_local(life);
    let handle = ChildHandle {
        name: name.clone(),
        generation,
        pulse: lifeline.pulse.clone(),
        task: task.abort_handle(),
    };
    tokio::task::spawn_local(async move {
        let end = task.await;
        exits.do_send(ChildExited {
            child: name,
            generation,
            reason: ExitReason::of(end, lifeline.take_failure()),
        });
    });
    (address, handle)
}
