//! The list of the steps. What stands in it is passed somewhere, and struck by a test in every way.

use super::ReplayStep;
#[cfg(feature = "failpoints")]
use crate::error::ErrorKind;

/// A step of an actor, of a transaction, of a commit, or of the archive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A step of a replay of dead letters, which no file passes.
    Replay(ReplayStep),
    /// Before the directory is looked through.
    WatcherScan,
    /// Before what was found is announced.
    WatcherAnnounce,
    /// Before the reader asks for what earlier lives have left.
    ReaderResume,
    /// Before the COMMIT that claims what is unfinished.
    ResumeCommit,
    /// After it, before the answer.
    ResumeCommitted,
    /// Before the reader asks what is to be done with files.
    ReaderAdmit,
    /// Before the COMMIT that reserves, plans and claims files.
    AdmitCommit,
    /// After it, before the answer.
    AdmitCommitted,
    /// Before a claimed file is opened.
    ReaderOpen,
    /// Before the COMMIT that makes a file's staging table.
    StageMake,
    /// Before a chunk is read.
    ReaderChunk,
    /// Before a chunk goes to the accumulator.
    ReaderHandOn,
    /// As the end of a file is found.
    ReaderEnd,
    /// Before a chunk is queued.
    AccumulatorAdd,
    /// Before a batch goes to its writer.
    AccumulatorFlush,
    /// As a batch has come back.
    AccumulatorSettle,
    /// As a file is given up that is over its error budget.
    AccumulatorGiveUp,
    /// Before a writer connects.
    WriterConnect,
    /// Before a writer writes a batch.
    WriterWrite,
    /// After a batch is durable, before the writer says so.
    WriterAnswer,
    /// Before a batch's transaction.
    BatchBegin,
    /// As the checkpoints have moved.
    BatchFence,
    /// Before rows are copied straight into the table.
    BatchCopy,
    /// Before rows are copied into the connection's staging table.
    BatchStage,
    /// Before the INSERT from there.
    BatchMerge,
    /// Before refused rows are looked for.
    BatchSift,
    /// Before rows are copied into their file's staging table.
    BatchPark,
    /// Before the dead letters of refused rows are stored.
    BatchLetters,
    /// Before the checkpoints' counts are written.
    BatchCount,
    /// Before a batch's COMMIT.
    BatchCommit,
    /// After it, as if its answer was lost.
    BatchCommitted,
    /// Before the checkpoints are read, since an answer was lost.
    BatchReread,
    /// Before dead letters are stored.
    RejectsStore,
    /// As the rejects' checkpoints have moved.
    RejectsFence,
    /// Before the COMMIT of the rejects' lane.
    RejectsCommit,
    /// After it, as if its answer was lost.
    RejectsCommitted,
    /// Before the rejects' checkpoints are read, since an answer was lost.
    RejectsReread,
    /// Before it is noted how far files have come.
    CheckpointerProgress,
    /// Before the COMMIT of that.
    ProgressCommit,
    /// Before files are to become COMMITTED.
    CheckpointerCommit,
    /// As their counts are locked and added up.
    CommitJudge,
    /// Before the COMMIT that makes files COMMITTED.
    CommitCommit,
    /// After it, before the answer.
    CommitCommitted,
    /// Before the checkpointer lets a COMMITTED file go.
    CheckpointerNoted,
    /// As the counts of a file that is loaded as a whole are locked.
    MoveJudge,
    /// Before its staged rows are moved.
    MoveWave,
    /// Before the COMMIT of that.
    MoveCommit,
    /// After it, before the answer.
    MoveCommitted,
    /// Before a file becomes QUARANTINED.
    CheckpointerQuarantine,
    /// Before the COMMIT of that.
    QuarantineCommit,
    /// After it, before the answer.
    QuarantineCommitted,
    /// Before the COMMIT that quarantines a file over its budget.
    GiveUpCommit,
    /// After it, before the answer.
    GiveUpCommitted,
    /// Before a group of files leaves the inbox.
    ArchiveBegin,
    /// Before their targets are noted.
    ArchiveNote,
    /// After that, before anything moves.
    ArchiveNoted,
    /// As a file stands under its private name.
    ArchiveTaken,
    /// As a copy is written and durable, before it gets its name.
    ArchiveCopied,
    /// As the copy has its name.
    ArchiveNamed,
    /// Before the original of a copy is deleted.
    ArchiveDrop,
    /// As a file stands at its target.
    ArchivePlaced,
    /// Before a file is deleted.
    ArchiveUnlink,
    /// Before the directories are made durable.
    ArchiveSync,
    /// Before the reason is written beside a quarantined file.
    ArchiveReason,
    /// As that is written, before it has its name.
    ArchiveExplained,
    /// Before it is noted that files have left.
    ArchiveFinish,
    /// After that, before the answer.
    ArchiveFinished,
    /// Before the checkpointer lets go of files that have left.
    CheckpointerLeft,
    /// Before the sweeper asks what is due.
    SweeperRound,
    /// Before files leave whose time has come.
    SweepLeave,
    /// As a file of the archive stands under the name of its removal.
    SweepTaken,
    /// As it is removed.
    SweepRemoved,
    /// Before the COMMIT that notes it.
    SweepCommit,
    /// After it, before the answer.
    SweepCommitted,
    /// Before the index builder asks what is missing.
    IndexesRound,
    /// As an index is claimed, before it is built.
    IndexClaimed,
    /// As it is built, before it is struck from the list.
    IndexBuilt,
    /// After that, before the answer.
    IndexStruck,
    /// Before the lease is taken.
    LeaseTake,
    /// Before it is renewed.
    LeaseRenew,
    /// Before commands are asked for.
    ControlExchange,
    /// Before the COMMIT of what was done about them.
    ControlCommit,
    /// Before what has happened is noted.
    NotesWrite,
    /// Before it is looked whether anything is wrong for too long.
    AlertsRound,
    /// Before it is looked whether somebody asks for a replay.
    ReplaysLook,
    /// Before the ledger is asked for the metrics.
    MetricsLook,
    /// As the HTTP listener starts.
    HttpServe,
    /// Before the state is read that all who ask share.
    SnapshotsRead,
    /// Before rates are taken down.
    RatesCount,
    /// Before the accumulator flushes at the end of a life.
    DrainFlush,
    /// Before the checkpointer comes to rest there.
    DrainSettle,
    /// Before the lease is given back there.
    DrainRelease,
}

#[cfg(feature = "failpoints")]
impl Step {
    /// All of them but a replay's, in the order in which a file passes them.
    pub const ALL: [Step; 92] = [
        Step::WatcherScan,
        Step::WatcherAnnounce,
        Step::ReaderResume,
        Step::ResumeCommit,
        Step::ResumeCommitted,
        Step::ReaderAdmit,
        Step::AdmitCommit,
        Step::AdmitCommitted,
        Step::ReaderOpen,
        Step::StageMake,
        Step::ReaderChunk,
        Step::ReaderHandOn,
        Step::ReaderEnd,
        Step::AccumulatorAdd,
        Step::AccumulatorFlush,
        Step::AccumulatorSettle,
        Step::AccumulatorGiveUp,
        Step::WriterConnect,
        Step::WriterWrite,
        Step::WriterAnswer,
        Step::BatchBegin,
        Step::BatchFence,
        Step::BatchCopy,
        Step::BatchStage,
        Step::BatchMerge,
        Step::BatchSift,
        Step::BatchPark,
        Step::BatchLetters,
        Step::BatchCount,
        Step::BatchCommit,
        Step::BatchCommitted,
        Step::BatchReread,
        Step::RejectsStore,
        Step::RejectsFence,
        Step::RejectsCommit,
        Step::RejectsCommitted,
        Step::RejectsReread,
        Step::CheckpointerProgress,
        Step::ProgressCommit,
        Step::CheckpointerCommit,
        Step::CommitJudge,
        Step::CommitCommit,
        Step::CommitCommitted,
        Step::CheckpointerNoted,
        Step::MoveJudge,
        Step::MoveWave,
        Step::MoveCommit,
        Step::MoveCommitted,
        Step::CheckpointerQuarantine,
        Step::QuarantineCommit,
        Step::QuarantineCommitted,
        Step::GiveUpCommit,
        Step::GiveUpCommitted,
        Step::ArchiveBegin,
        Step::ArchiveNote,
        Step::ArchiveNoted,
        Step::ArchiveTaken,
        Step::ArchiveCopied,
        Step::ArchiveNamed,
        Step::ArchiveDrop,
        Step::ArchivePlaced,
        Step::ArchiveUnlink,
        Step::ArchiveSync,
        Step::ArchiveReason,
        Step::ArchiveExplained,
        Step::ArchiveFinish,
        Step::ArchiveFinished,
        Step::CheckpointerLeft,
        Step::SweeperRound,
        Step::SweepLeave,
        Step::SweepTaken,
        Step::SweepRemoved,
        Step::SweepCommit,
        Step::SweepCommitted,
        Step::IndexesRound,
        Step::IndexClaimed,
        Step::IndexBuilt,
        Step::IndexStruck,
        Step::LeaseTake,
        Step::LeaseRenew,
        Step::ControlExchange,
        Step::ControlCommit,
        Step::NotesWrite,
        Step::AlertsRound,
        Step::ReplaysLook,
        Step::MetricsLook,
        Step::HttpServe,
        Step::SnapshotsRead,
        Step::RatesCount,
        Step::DrainFlush,
        Step::DrainSettle,
        Step::DrainRelease,
    ];

    /// Its name, in `FAILPOINTS` and in the documents.
    pub fn name(self) -> &'static str {
        match self {
            Step::Replay(step) => step.name(),
            Step::WatcherScan => "watcher.scan",
            Step::WatcherAnnounce => "watcher.announce",
            Step::ReaderResume => "reader.resume",
            Step::ResumeCommit => "resume.commit",
            Step::ResumeCommitted => "resume.committed",
            Step::ReaderAdmit => "reader.admit",
            Step::AdmitCommit => "admit.commit",
            Step::AdmitCommitted => "admit.committed",
            Step::ReaderOpen => "reader.open",
            Step::StageMake => "stage.make",
            Step::ReaderChunk => "reader.chunk",
            Step::ReaderHandOn => "reader.hand_on",
            Step::ReaderEnd => "reader.end",
            Step::AccumulatorAdd => "accumulator.add",
            Step::AccumulatorFlush => "accumulator.flush",
            Step::AccumulatorSettle => "accumulator.settle",
            Step::AccumulatorGiveUp => "accumulator.give_up",
            Step::WriterConnect => "writer.connect",
            Step::WriterWrite => "writer.write",
            Step::WriterAnswer => "writer.answer",
            Step::BatchBegin => "batch.begin",
            Step::BatchFence => "batch.fence",
            Step::BatchCopy => "batch.copy",
            Step::BatchStage => "batch.stage",
            Step::BatchMerge => "batch.merge",
            Step::BatchSift => "batch.sift",
            Step::BatchPark => "batch.park",
            Step::BatchLetters => "batch.letters",
            Step::BatchCount => "batch.count",
            Step::BatchCommit => "batch.commit",
            Step::BatchCommitted => "batch.committed",
            Step::BatchReread => "batch.reread",
            Step::RejectsStore => "rejects.store",
            Step::RejectsFence => "rejects.fence",
            Step::RejectsCommit => "rejects.commit",
            Step::RejectsCommitted => "rejects.committed",
            Step::RejectsReread => "rejects.reread",
            Step::CheckpointerProgress => "checkpointer.progress",
            Step::ProgressCommit => "progress.commit",
            Step::CheckpointerCommit => "checkpointer.commit",
            Step::CommitJudge => "commit.judge",
            Step::CommitCommit => "commit.commit",
            Step::CommitCommitted => "commit.committed",
            Step::CheckpointerNoted => "checkpointer.noted",
            Step::MoveJudge => "move.judge",
            Step::MoveWave => "move.wave",
            Step::MoveCommit => "move.commit",
            Step::MoveCommitted => "move.committed",
            Step::CheckpointerQuarantine => "checkpointer.quarantine",
            Step::QuarantineCommit => "quarantine.commit",
            Step::QuarantineCommitted => "quarantine.committed",
            Step::GiveUpCommit => "give_up.commit",
            Step::GiveUpCommitted => "give_up.committed",
            Step::ArchiveBegin => "archive.begin",
            Step::ArchiveNote => "archive.note",
            Step::ArchiveNoted => "archive.noted",
            Step::ArchiveTaken => "archive.taken",
            Step::ArchiveCopied => "archive.copied",
            Step::ArchiveNamed => "archive.named",
            Step::ArchiveDrop => "archive.drop",
            Step::ArchivePlaced => "archive.placed",
            Step::ArchiveUnlink => "archive.unlink",
            Step::ArchiveSync => "archive.sync",
            Step::ArchiveReason => "archive.reason",
            Step::ArchiveExplained => "archive.explained",
            Step::ArchiveFinish => "archive.finish",
            Step::ArchiveFinished => "archive.finished",
            Step::CheckpointerLeft => "checkpointer.left",
            Step::SweeperRound => "sweeper.round",
            Step::SweepLeave => "sweep.leave",
            Step::SweepTaken => "sweep.taken",
            Step::SweepRemoved => "sweep.removed",
            Step::SweepCommit => "sweep.commit",
            Step::SweepCommitted => "sweep.committed",
            Step::IndexesRound => "indexes.round",
            Step::IndexClaimed => "index.claimed",
            Step::IndexBuilt => "index.built",
            Step::IndexStruck => "index.struck",
            Step::LeaseTake => "lease.take",
            Step::LeaseRenew => "lease.renew",
            Step::ControlExchange => "control.exchange",
            Step::ControlCommit => "control.commit",
            Step::NotesWrite => "notes.write",
            Step::AlertsRound => "alerts.round",
            Step::ReplaysLook => "replays.look",
            Step::MetricsLook => "metrics.look",
            Step::HttpServe => "http.serve",
            Step::SnapshotsRead => "snapshots.read",
            Step::RatesCount => "rates.count",
            Step::DrainFlush => "drain.flush",
            Step::DrainSettle => "drain.settle",
            Step::DrainRelease => "drain.release",
        }
    }

    /// The kind of the error that the step ends in where it stops: whoever talks to the server or the
    /// disk may try again, a lost answer of a COMMIT is one, and an actor stops.
    pub fn kind(self) -> ErrorKind {
        match self {
            Step::BatchCommitted | Step::RejectsCommitted | Step::Replay(ReplayStep::Committed) => {
                ErrorKind::Unknown
            }
            Step::WatcherAnnounce
            | Step::ReaderHandOn
            | Step::ReaderEnd
            | Step::AccumulatorAdd
            | Step::AccumulatorFlush
            | Step::AccumulatorSettle
            | Step::AccumulatorGiveUp
            | Step::CheckpointerNoted
            | Step::CheckpointerLeft
            | Step::DrainFlush
            | Step::DrainSettle => ErrorKind::Bug,
            _ => ErrorKind::Transient,
        }
    }
}
