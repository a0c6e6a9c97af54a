//! The lines by which files are told apart and leave, each by a name.

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    WholeIsHashed,
    EqualsWait,
    MovedGoesOn,
    TailOnly,
    TargetIsStored,
    NeverReplaces,
    FileIsCompared,
    LooksAgain,
    ComparesBeforeUnlink,
    RecognisesContent,
    OverwrittenIsNoted,
    DropsItsOwn,
    IsAnotherFile,
    LeavesThoseOnTheirWay,
}

impl Rule {
    /// What it says.
    pub fn says(self) -> &'static str {
        use Rule::*;
        match self {
            WholeIsHashed => "where the ends are equal, the whole content is hashed",
            EqualsWait => "what equals a file that is being loaded waits for it",
            MovedGoesOn => "an unfinished file that was moved goes on at its new path",
            TailOnly => "of a file that has grown only the tail is loaded",
            TargetIsStored => "the target is in the ledger before the file moves",
            NeverReplaces => "a rename never replaces",
            FileIsCompared => "what moves is the file that was loaded",
            LooksAgain => "at its private name it is looked at again",
            ComparesBeforeUnlink => "a copy is compared before the original goes",
            RecognisesContent => "what stands at the target alone is the file by its content",
            OverwrittenIsNoted => "what is replaced in the archive is noted",
            IsAnotherFile => "what stands where a file has left is another one",
            LeavesThoseOnTheirWay => {
                "a tail takes its parents with it, but none that is on its own way"
            }
            DropsItsOwn => {
                "of two names of a file the first is taken away only while it is one of them"
            }
        }
    }

    /// Where the program has it.
    pub fn stands_in(self) -> &'static str {
        use Rule::*;
        match self {
            WholeIsHashed => "evidence::look_closer",
            EqualsWait | MovedGoesOn | TailOnly => "verdict::by_content",
            TargetIsStored => "departures::store",
            NeverReplaces => "rename_new",
            FileIsCompared => "look::look_at",
            LooksAgain => "next::next",
            IsAnotherFile => "comes_again::decide, equal_to",
            LeavesThoseOnTheirWay => "departures::finish",
            OverwrittenIsNoted => "departures::note_overwritten",
            DropsItsOwn => "rename::drop_first_name",
            ComparesBeforeUnlink | RecognisesContent => "steps::do_step",
        }
    }
}
