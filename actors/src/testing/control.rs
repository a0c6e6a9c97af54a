//! Where commands are kept.

use std::time::Duration;

use super::{State, Step, World};
use crate::model::{Order, Report, Wanted};
use crate::port::{Control, PortFuture};

impl Control for World {
    fn changed(&self) -> PortFuture<()> {
        let mut commands = self.commands.subscribe();
        Box::pin(async move {
            // Whether there was a command, or a while has passed: the sender lives in the world.
            let _ = tokio::time::timeout(Duration::from_secs(1), commands.changed()).await;
            Ok(())
        })
    }

    fn exchange(&self, reports: Vec<Report>) -> PortFuture<Vec<Order>> {
        let world = self.clone();
        Box::pin(async move {
            world
                .call(Step::Exchange, None, move |state| {
                    let orders = reports.into_iter().map(|report| state.exchange(report));
                    Ok(orders.collect())
                })
                .await
        })
    }
}

impl World {
    /// Gives a command, as by SQL.
    pub fn command(&self, pipeline: &str, wanted: Wanted) -> i64 {
        let number = self.state().command(pipeline, wanted);
        self.commands.send_modify(|command| *command += 1);
        number
    }

    /// Asks that a directory be looked through, as by SQL.
    pub fn ask_to_look(&self, pipeline: &str) -> i64 {
        let number = {
            let mut state = self.state();
            let order = state.order(pipeline);
            order.rescan += 1;
            order.rescan
        };
        self.commands.send_modify(|command| *command += 1);
        number
    }

    /// Waits until a command was done.
    pub async fn until_done(&self, pipeline: &str, command: i64, wanted: Wanted) {
        self.until(&format!("command {command}: {}", wanted.name()), |state| {
            let report = state.reports.get(pipeline);
            report.is_some_and(|report| report.done == Some((command, wanted)))
        })
        .await;
    }
}

impl State {
    /// What is wanted of a pipeline.
    pub fn wanted(&self, pipeline: &str) -> Wanted {
        self.orders
            .get(pipeline)
            .map(|order| order.wanted)
            .unwrap_or_default()
    }

    fn order(&mut self, pipeline: &str) -> &mut Order {
        self.orders
            .entry(pipeline.to_owned())
            .or_insert_with(|| Order {
                pipeline: pipeline.to_owned(),
                ..Order::default()
            })
    }

    fn command(&mut self, pipeline: &str, wanted: Wanted) -> i64 {
        let order = self.order(pipeline);
        order.wanted = order.wanted.after(wanted);
        order.command += 1;
        order.command
    }

    fn exchange(&mut self, report: Report) -> Order {
        let pipeline = report.pipeline.clone();
        for &command in &report.commanded {
            self.command(&pipeline, command);
        }
        self.reports.insert(pipeline.clone(), report);
        self.order(&pipeline).clone()
    }
}
