//! What is due by time.

use tokio::time::Instant;

use super::{State, Step, World};
use crate::model::{Order, Wanted};
use crate::port::{PortFuture, Sweep, Swept};

/// So much is swept in one group.
const GROUP: usize = 2;
/// How soon a paused world is asked again.
const PAUSED: std::time::Duration = std::time::Duration::from_secs(5);

impl Sweep for World {
    fn sweep(&self) -> PortFuture<Swept> {
        let world = self.clone();
        Box::pin(async move {
            let work = |state: &mut State| Ok(sweep(state, Instant::now()));
            world.call(Step::Sweep, None, work).await
        })
    }
}

fn sweep(state: &mut State, now: Instant) -> Swept {
    let mut swept = Swept {
        more: false,
        next: Some(PAUSED),
        trouble: None,
    };
    let paused = |order: &Order| order.wanted != Wanted::Running;
    if state.orders.values().any(paused) {
        return swept;
    }
    state.due.sort();
    let due = state.due.iter().take_while(|(when, _)| *when <= now);
    let due = due.take(GROUP).count();
    let done: Vec<_> = state.due.drain(..due).map(|(_, what)| what).collect();
    state.swept.extend(done);
    swept.more = due == GROUP;
    swept.next = state.due.first().map(|(when, _)| *when - now);
    swept
}
