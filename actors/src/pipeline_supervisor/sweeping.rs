//! The one child that restarts alone.

use std::sync::Arc;
use std::time::Instant;

use actix::{AsyncContext, Context};
use rand::RngExt;

use super::PipelineSupervisor;
use crate::supervision::{ChildExited, Decision, spawn};
use crate::sweeper::{self, Sweeper};

impl PipelineSupervisor {
    /// Starts the sweeper, or its next generation.
    pub(super) fn start_sweeper(&mut self, context: &mut Context<Self>) {
        let Some(sweep) = self.spec.ports.sweep.clone() else {
            return;
        };
        if self.draining || self.sweeper.is_some() {
            return;
        }
        let deps = sweeper::Deps {
            sweep,
            observer: Arc::clone(&self.spec.ports.observer),
            log: self.log.clone(),
        };
        let exits = context.address().recipient::<ChildExited>();
        let generation = self.sweeper_restarts.total() + 1;
        let (_, handle) = spawn("sweeper", generation, exits, move |lifeline| {
            Sweeper::new(deps, lifeline)
        });
        self.sweeper = Some(handle);
    }

    /// Starts it again: nothing else depends on it.
    pub(super) fn sweeper_exited(&mut self, exit: &ChildExited, context: &mut Context<Self>) {
        self.sweeper = None;
        if self.draining {
            return;
        }
        let random = rand::rng().random::<f64>();
        match self.sweeper_restarts.decide(Instant::now(), random) {
            Decision::RestartAfter(wait) => {
                self.measure_restart(exit);
                slog::warn!(self.log, "sweeper restarts";
                    "generation" => exit.generation, "wait_ms" => wait.as_millis() as u64,
                    "reason" => %exit.reason);
                context.run_later(wait, Self::start_sweeper);
            }
            Decision::Escalate => self.give_up(exit, context),
        }
    }
}
