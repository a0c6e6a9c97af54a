//! PURE: what operators want of pipelines, and what was done about it.

/// What a pipeline is to do, by the last command, whichever way it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Load files.
    #[default]
    Running,
    /// Read nothing more; keep the lease.
    Paused,
    /// Read nothing more, and let go of the lease.
    Drained,
}

impl Wanted {
    /// What is wanted after one more command. A drained pipeline stays drained until it is let go
    /// on: a pause, which asks for less, would take the lease again.
    pub fn after(self, command: Wanted) -> Wanted {
        match (self, command) {
            (Wanted::Drained, Wanted::Paused) => Wanted::Drained,
            (_, command) => command,
        }
    }

    /// Its name in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Wanted::Running => "running",
            Wanted::Paused => "paused",
            Wanted::Drained => "drained",
        }
    }

    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Wanted> {
        [Wanted::Running, Wanted::Paused, Wanted::Drained]
            .into_iter()
            .find(|wanted| wanted.name() == name)
    }
}

/// What the ledger knows to be wanted of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The pipeline.
    pub pipeline: String,
    /// What it is to do.
    pub wanted: Wanted,
    /// The number of the command that said so; every command has another.
    pub command: i64,
    /// How often somebody has asked that its directory be looked through.
    pub rescan: i64,
    /// Who gave the command.
    pub by: Option<String>,
}

/// What a service has to tell of one of its pipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The pipeline.
    pub pipeline: String,
    /// What was commanded here and the ledger does not know yet, in order.
    pub commanded: Vec<Wanted>,
    /// What has come about, and by which command; `None` while it is on its way.
    pub done: Option<(i64, Wanted)>,
    /// Up to which request its directory was looked through.
    pub rescanned: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_to_go_on_ends_a_drain() {
        use Wanted::{Drained, Paused, Running};
        assert_eq!(Drained.after(Paused), Drained);
        assert_eq!(Drained.after(Running).after(Paused), Paused);
        assert_eq!(Paused.after(Drained), Drained);
        assert_eq!(Running.after(Paused).after(Running), Running);
    }

    #[test]
    fn names_are_read_back() {
        for wanted in [Wanted::Running, Wanted::Paused, Wanted::Drained] {
            assert_eq!(Wanted::of_name(wanted.name()), Some(wanted));
        }
        assert_eq!(Wanted::of_name("stopped"), None);
    }
}
