//! Answers that are given later, once something has come about.
//!
//! One that is dropped means that the actor that owed it has ended: that is an error, and must
//! never be taken for the thing that was waited for.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};

/// What an actor keeps until it can answer.
pub(crate) type Owed<T = ()> = oneshot::Sender<T>;

/// An answer to be given later by `who`, and the future that resolves with it.
pub(crate) fn later<T: Send + 'static>(
    who: &'static str,
) -> (Owed<T>, BoxFuture<'static, Result<T>>) {
    let (owed, answered) = oneshot::channel();
    let answer = async move { answered.await.map_err(|_| ended(who)) };
    (owed, Box::pin(answer))
}

/// Gives the answer to all who wait; those who are gone need none.
pub(crate) fn give_all(waiting: &mut Vec<Owed>) {
    for owed in waiting.drain(..) {
        let _ = owed.send(());
    }
}

/// Asks an actor by its recipient, and waits for the answer.
pub(crate) async fn ask<M, T>(whom: &Recipient<M>, what: M, who: &str) -> Result<T>
where
    M: Message<Result = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    whom.send(what).await.unwrap_or_else(|_| Err(ended(who)))
}

/// Asks a child by its address; whether it has answered with success.
pub(crate) async fn done<A, M>(child: &Addr<A>, what: M) -> bool
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = Result<()>> + Send + 'static,
{
    matches!(child.send(what).await, Ok(Ok(())))
}

/// The error that stands for an answer that never comes.
pub(crate) fn ended(who: &str) -> Error {
    Error::new(ErrorKind::Fenced, format!("{who} ended"))
}
