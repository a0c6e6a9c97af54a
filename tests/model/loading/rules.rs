//! The lines of the protocol, each by a name, so that each can be taken out.

/// One line of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    PositionIsFrom,
    EpochIsEpoch,
    AllOrNothing,
    TrimAbove,
    BelowWritesNothing,
    GoneWritesNothing,
    OneTransaction,
    RejectsOneTransaction,
    UnknownIsRead,
    FromIsLedger,
    LaneRemembers,
    ClaimRaisesEpoch,
    ClaimIsOnDisk,
    LeaseIsHeld,
    TakeoverTerminates,
    ResumeFromLowest,
    ResumeCountsRejects,
    WatermarkWaits,
    NoteComparesSeen,
    NoteComparesEpoch,
    NotesNeverGoBack,
    RestartTogether,
    CommitWaits,
    CommitAddsUp,
    CommitComparesSeen,
    CommitComparesEpoch,
    CommitIsOnDisk,
    LeavesAfterCommitted,
    GrowthStays,
    RowsAreStaged,
    MoveIsTheCommit,
    StagedAreCounted,
    MovedAddUp,
    StageIsOfTheClaim,
    EndDropsStage,
    ClearsWhatHasEnded,
    EndIsJudged,
    ErrorsAreKept,
    GiveUpWaits,
    GiveUpIsNewest,
    QuarantineRaisesEpoch,
    KeptAreFenced,
    LoadedGoesOn,
    BeyondIsForgotten,
    AfreshForgets,
    AdmissionsAreCounted,
    LivingKeepTheirs,
    ClaimTakesOwner,
}

impl Rule {
    /// What it says.
    pub fn says(self) -> &'static str {
        use Rule::*;
        match self {
            PositionIsFrom => {
                "the checkpoint stands at the start of the batch: `record = from and byte = from`"
            }
            EpochIsEpoch => "the checkpoint's epoch is the batch's: `epoch = epoch`",
            AllOrNothing => "where not all checkpoints of a batch move, it is rolled back",
            TrimAbove => "where a checkpoint stands above, the rows that it covers are left out",
            BelowWritesNothing => "where it stands below, nothing is written",
            GoneWritesNothing => "where it is gone, nothing is written",
            OneTransaction => "rows and checkpoint are one transaction",
            RejectsOneTransaction => {
                "dead letters, counts and the rejects' checkpoint are one transaction"
            }
            UnknownIsRead => "what came of an unanswered COMMIT is read from the checkpoint",
            FromIsLedger => "a batch starts where the ledger stands, not where its chunk does",
            LaneRemembers => {
                "on a new connection, what the lane was seen to commit is still there, or nothing is written"
            }
            ClaimRaisesEpoch => "a claim raises the epoch",
            ClaimIsOnDisk => "a number or an epoch is on the disk before it is used",
            LeaseIsHeld => "files are begun only while the lease is held",
            TakeoverTerminates => "a takeover ends the backends of the other instance",
            ResumeFromLowest => "reading goes on from the lowest checkpoint",
            ResumeCountsRejects => "the rejects' checkpoint is one of them",
            WatermarkWaits => "the watermark passes only lanes that have nothing outstanding",
            NoteComparesSeen => "no watermark is noted where a lane stands below where it was seen",
            NoteComparesEpoch => "the claim that notes is the newest",
            NotesNeverGoBack => "a note never takes a watermark back",
            RestartTogether => "the reader and the accumulator restart together",
            CommitWaits => "a file is complete once all its lanes are durable",
            CommitAddsUp => "the counts of a file add up to its records",
            CommitComparesSeen => "no lane stands below where it was seen",
            CommitComparesEpoch => "the claim that commits is the newest",
            CommitIsOnDisk => "COMMITTED is on the disk before it is answered",
            LeavesAfterCommitted => "a file leaves the inbox after COMMITTED, never before",
            GrowthStays => "a file that is longer than what was committed stays",
            RowsAreStaged => "rows of a file that is loaded as a whole wait in a staging table",
            MoveIsTheCommit => "the move of the rows and COMMITTED are one transaction",
            StagedAreCounted => "the staging table has as many rows as the checkpoints say",
            MovedAddUp => "the counts add up to the records after the move too",
            StageIsOfTheClaim => {
                "a staging table is made under the newest claim of a file that has not ended"
            }
            EndDropsStage => "what ends a file drops its staging table",
            ClearsWhatHasEnded => "what a start clears away belongs to no file on its way",
            EndIsJudged => "the budget is judged at a file's end too",
            ErrorsAreKept => "a claim counts what earlier lives have rejected",
            GiveUpWaits => "a file is given up once nothing of it is in flight",
            GiveUpIsNewest => "the claim that gives a file up is the newest",
            QuarantineRaisesEpoch => "a quarantine raises the epoch",
            KeptAreFenced => "the checkpoints that it keeps take that epoch",
            LoadedGoesOn => "a retried file with rows in the table goes on from its checkpoints",
            BeyondIsForgotten => {
                "dead letters beyond the rejects' checkpoint are forgotten, and not counted, since they come again"
            }
            AfreshForgets => "a file that is looked at afresh leaves no dead letters behind",
            AdmissionsAreCounted => {
                "an admission is decided anew where files were admitted since it looked"
            }
            LivingKeepTheirs => "what an instance that lives has in hand is not taken from it",
            ClaimTakesOwner => "who claims a file owns it",
        }
    }

    /// Where the program has it.
    pub fn stands_in(self) -> &'static str {
        use Rule::*;
        match self {
            PositionIsFrom | AllOrNothing | GoneWritesNothing => "fence::advance",
            EpochIsEpoch => "fence::advance, fence::decide",
            TrimAbove => "Selection::new, rejects::attempt",
            BelowWritesNothing => "fence::decide",
            OneTransaction => "Writer::attempt",
            RejectsOneTransaction => "rejects::attempt",
            UnknownIsRead => "Claims::settle_by",
            FromIsLedger => "LaneQueue::take",
            ClaimRaisesEpoch => "Core::claim",
            ClaimIsOnDisk | LeaseIsHeld => "Lease::hold",
            TakeoverTerminates => "Core::end_dead_writers",
            LaneRemembers => "Acknowledged::compare",
            ResumeFromLowest | ResumeCountsRejects => "Claim::resume_at",
            WatermarkWaits => "FileTracker",
            NoteComparesSeen | NoteComparesEpoch | NotesNeverGoBack => "Core::progress",
            RestartTogether => "PipelineSupervisor",
            CommitWaits => "Checkpointer::completions",
            CommitAddsUp | CommitComparesSeen | CommitComparesEpoch => "balance::judge",
            CommitIsOnDisk => "ledger::commit",
            LeavesAfterCommitted => "Checkpointer::note_committed",
            GrowthStays => "next::next",
            RowsAreStaged => "Staging::all",
            MoveIsTheCommit | MovedAddUp => "Core::move_and_commit",
            StagedAreCounted => "Moving::carry_out",
            StageIsOfTheClaim => "Stages::make",
            EndDropsStage => "stages::drop_tables",
            ClearsWhatHasEnded => "stages::LEFT_OVER",
            EndIsJudged => "Passed::at_end",
            ErrorsAreKept => "Core::claim",
            GiveUpWaits => "BatchAccumulator::forget_if_done",
            GiveUpIsNewest => "Core::give_up_over_budget",
            QuarantineRaisesEpoch => "budget::quarantine",
            KeptAreFenced => "keep_checkpoints",
            AdmissionsAreCounted => "Core::hold_admission",
            LivingKeepTheirs => "others::takeable",
            ClaimTakesOwner => "Core::raise_epochs",
            LoadedGoesOn | BeyondIsForgotten | AfreshForgets => "Retry::begin",
        }
    }
}

/// The lines that are taken out.
#[derive(Clone, Copy)]
pub struct Rules(pub &'static [Rule]);

impl Rules {
    /// Whether a line stands.
    pub fn hold(self, rule: Rule) -> bool {
        !self.0.contains(&rule)
    }
}
