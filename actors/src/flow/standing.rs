//! PURE: what is wanted of a pipeline, and how far that has come about.

use crate::model::{Order, Report, Wanted};

/// The commands of one pipeline: those of the ledger, and those given here that it does not know
/// yet.
#[derive(Debug, Default)]
pub struct Standing {
    /// What is wanted; `None` until the ledger has said it.
    wanted: Option<Wanted>,
    /// The number of the ledger's last command.
    command: i64,
    /// Commands that were given here, and are not in the ledger yet.
    unnoted: Vec<Wanted>,
    /// Rises whenever something else is wanted, so that an answer to what was wanted before is known
    /// to be one.
    turn: u64,
    /// The last turn that has come about.
    reached: u64,
    rescan: i64,
    rescanned: i64,
}

impl Standing {
    /// What is wanted; `None` until the ledger has said it.
    pub fn wanted(&self) -> Option<Wanted> {
        self.wanted
    }

    /// The number of what is wanted now, for [`Standing::reach`].
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// A command that was given here. It counts at once, and the ledger learns it.
    pub fn command(&mut self, command: Wanted) {
        self.unnoted.push(command);
        if let Some(wanted) = self.wanted {
            self.want(wanted.after(command));
        }
    }

    /// What the ledger says, after it has learnt the first `noted` of the commands that it did not
    /// know. Returns whether the directory is to be looked through.
    pub fn obey(&mut self, order: &Order, noted: usize) -> bool {
        self.unnoted.drain(..noted.min(self.unnoted.len()));
        let is_first = self.wanted.is_none();
        self.command = order.command;
        let commands = self.unnoted.iter();
        let wanted = commands.fold(order.wanted, |wanted, &command| wanted.after(command));
        self.want(wanted);
        let asked = order.rescan != self.rescan;
        self.rescan = order.rescan;
        if is_first {
            // Whatever starts looks by itself.
            self.rescanned = order.rescan;
        }
        asked && !is_first
    }

    fn want(&mut self, wanted: Wanted) {
        if self.wanted != Some(wanted) {
            self.wanted = Some(wanted);
            self.turn += 1;
        }
    }

    /// What was wanted in this turn has come about.
    pub fn reach(&mut self, turn: u64) {
        self.reached = self.reached.max(turn);
    }

    /// The directory was looked through, for this request.
    pub fn looked(&mut self, rescan: i64) {
        self.rescanned = rescan;
    }

    /// The request that [`Standing::obey`] has told of.
    pub fn rescan(&self) -> i64 {
        self.rescan
    }

    /// Whether all that was commanded here is in the ledger and has come about.
    pub fn is_settled(&self) -> bool {
        self.wanted.is_some() && self.unnoted.is_empty() && self.reached == self.turn
    }

    /// What the ledger is to be told.
    pub fn report(&self, pipeline: &str) -> Report {
        Report {
            pipeline: pipeline.to_owned(),
            commanded: self.unnoted.clone(),
            done: self
                .wanted
                .filter(|_| self.is_settled())
                .map(|wanted| (self.command, wanted)),
            rescanned: self.rescanned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Wanted::{Drained, Paused, Running};

    fn order(wanted: Wanted, command: i64) -> Order {
        Order {
            wanted,
            command,
            ..Order::default()
        }
    }

    #[test]
    fn nothing_is_wanted_until_the_ledger_has_spoken() {
        let mut standing = Standing::default();
        assert_eq!(standing.wanted(), None);
        standing.command(Running);
        assert_eq!(standing.wanted(), None, "the ledger may know of a drain");
        assert_eq!(standing.report("a").commanded, [Running]);
        // It has learnt the command in the same breath.
        standing.obey(&order(Running, 3), 1);
        assert_eq!(standing.wanted(), Some(Running));
    }

    #[test]
    fn what_was_commanded_while_the_ledger_was_asked_stays() {
        let mut standing = Standing::default();
        standing.obey(&order(Running, 0), 0);
        standing.command(Paused);
        let noted = standing.report("a").commanded.len();
        standing.command(Running);
        standing.obey(&order(Paused, 1), noted);
        assert_eq!(standing.wanted(), Some(Running));
        assert_eq!(standing.report("a").commanded, [Running]);
        standing.obey(&order(Running, 2), 1);
        assert_eq!(standing.report("a").commanded, []);
    }

    #[test]
    fn a_late_answer_is_none_to_what_is_wanted_now() {
        let mut standing = Standing::default();
        standing.obey(&order(Paused, 1), 0);
        let pausing = standing.turn();
        standing.obey(&order(Running, 2), 0);
        standing.reach(pausing);
        assert_eq!(standing.report("a").done, None);
        standing.reach(standing.turn());
        assert_eq!(standing.report("a").done, Some((2, Running)));
    }

    #[test]
    fn the_same_again_has_come_about_already() {
        let mut standing = Standing::default();
        standing.obey(&order(Paused, 1), 0);
        standing.reach(standing.turn());
        standing.obey(&order(Paused, 2), 0);
        assert_eq!(standing.report("a").done, Some((2, Paused)));
    }

    #[test]
    fn to_go_on_and_then_to_pause_ends_a_drain_although_both_are_told_at_once() {
        let mut standing = Standing::default();
        standing.obey(&order(Drained, 1), 0);
        standing.command(Paused);
        assert_eq!(standing.wanted(), Some(Drained));
        standing.command(Running);
        standing.command(Paused);
        assert_eq!(standing.wanted(), Some(Paused));
        assert_eq!(standing.report("a").commanded, [Paused, Running, Paused]);
    }

    #[test]
    fn a_ledger_that_was_reset_counts_anew() {
        let mut standing = Standing::default();
        standing.obey(&order(Drained, 7), 0);
        standing.obey(&order(Running, 1), 0);
        assert_eq!(standing.wanted(), Some(Running));
    }

    #[test]
    fn a_request_to_look_is_heard_once_and_not_at_the_start() {
        let asked = |rescan| Order {
            rescan,
            ..Order::default()
        };
        let mut standing = Standing::default();
        assert!(!standing.obey(&asked(4), 0));
        assert_eq!(standing.report("a").rescanned, 4);
        assert!(standing.obey(&asked(5), 0));
        assert!(!standing.obey(&asked(5), 0));
        assert_eq!(standing.report("a").rescanned, 4);
        standing.looked(standing.rescan());
        assert_eq!(standing.report("a").rescanned, 5);
    }
}
