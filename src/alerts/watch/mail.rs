//! What the sinks are told, and which of it has arrived.

use std::collections::HashMap;

use tokio::sync::mpsc::UnboundedSender;

use super::super::notice::{Alert, Notice, Status};
use super::super::plan::Plan;
use super::super::sink::{Done, Sinks};

/// Tells the sinks.
pub struct Mail {
    pub sinks: Sinks,
    /// Where each notification says by its alert's number that the sinks are done with it.
    tell: UnboundedSender<String>,
    /// How many notifications of an alert are on their way.
    pub on_their_way: HashMap<String, usize>,
}

impl Mail {
    pub fn new(sinks: Sinks, tell: UnboundedSender<String>) -> Mail {
        Mail {
            sinks,
            tell,
            on_their_way: HashMap::new(),
        }
    }

    /// Tells those that the alert's rule names; never waits.
    pub fn tell(&mut self, plan: &Plan, status: Status, repeated: bool, alert: &Alert) {
        *self.on_their_way.entry(alert.id.clone()).or_default() += 1;
        let done = Done {
            alert: alert.id.clone(),
            tell: self.tell.clone(),
        };
        let notice = Notice::new(status, repeated, alert.clone());
        self.sinks.tell(&plan.sinks_of(&alert.alert), notice, done);
    }

    /// The sinks are done with a notification; whether it was the last of this alert.
    pub fn arrived(&mut self, alert: &str) -> bool {
        let Some(count) = self.on_their_way.get_mut(alert) else {
            return false;
        };
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            self.on_their_way.remove(alert);
        }
        is_last
    }
}
