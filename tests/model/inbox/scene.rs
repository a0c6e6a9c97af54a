//! What people do, how the pipeline treats files, and what may go wrong.

use ingestd::ledger::verdict::Rules;
use ingestd::settings::{Collision, OnReturn, Redropped};

use super::files::Deed;
use super::rules::Rule;

/// A pipeline, and the bounds of what happens.
#[derive(Clone)]
pub struct Scene {
    pub name: &'static str,
    pub deeds: Vec<Deed>,
    pub crashes: u8,
    /// Whether the archive is on another device, so that files are copied there.
    pub copies: bool,
    /// Whether a rename that replaces nothing is made of two steps.
    pub halves: bool,
    /// Whether people replace files that are not loaded yet.
    pub hasty: bool,
    /// Whether people do one thing after the other, in this order.
    pub in_turn: bool,
    pub finished: Finished,
    pub redropped: Redropped,
    pub off: &'static [Rule],
}

/// What becomes of files that are finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    Moves(Collision),
    Stays,
    Deleted,
}

impl Scene {
    /// Defaults, and a service that may die twice.
    pub fn new(name: &'static str, deeds: &[Deed]) -> Scene {
        Scene {
            name,
            deeds: deeds.to_vec(),
            crashes: 2,
            copies: false,
            halves: false,
            hasty: false,
            in_turn: false,
            finished: Finished::Moves(Collision::Rename),
            redropped: Redropped::default(),
            off: &[],
        }
    }

    /// As `Core` has them.
    pub fn rules(&self) -> Rules {
        Rules {
            keeps: self.finished == Finished::Stays,
            keeps_quarantined: self.finished == Finished::Stays,
            redropped: self.redropped,
            ..Rules::default()
        }
    }

    /// What happens where the archive has a file of that name.
    pub fn collision(&self) -> Collision {
        match self.finished {
            Finished::Moves(collision) => collision,
            Finished::Stays | Finished::Deleted => Collision::Rename,
        }
    }

    /// Whether a file may be left in the inbox for good.
    pub fn leaves_some(&self) -> bool {
        let holds = matches!(self.collision(), Collision::Keep | Collision::Fail);
        self.finished == Finished::Stays || holds
    }

    /// Whether what was loaded may be loaded once more.
    pub fn loads_again(&self) -> bool {
        let Redropped {
            same,
            appended,
            renamed,
            ..
        } = self.redropped;
        [same, appended, renamed].contains(&OnReturn::Reload)
    }

    /// Whether a file may be quarantined.
    pub fn quarantines(&self) -> bool {
        self.hasty || self.says(OnReturn::Quarantine)
    }

    fn says(&self, what: OnReturn) -> bool {
        let Redropped {
            same,
            appended,
            changed,
            renamed,
        } = self.redropped;
        [same, appended, changed, renamed].contains(&what)
    }
}
