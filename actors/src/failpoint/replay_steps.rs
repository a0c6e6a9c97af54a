//! The steps of a replay of dead letters, which has no actor: a command runs it, or a task of the service.

/// A step of a replay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReplayStep {
    /// As a service has taken a request up.
    Claimed,
    /// Before it is asked which letters come next.
    Next,
    /// Before a part's transaction.
    Begin,
    /// As the replay's own row has moved.
    Moved,
    /// As the letters are locked.
    Locked,
    /// As their rows are written.
    Written,
    /// As they are marked and counted, before the COMMIT.
    Commit,
    /// After it, as if its answer was lost.
    Committed,
    /// Before it is noted how the replay has ended.
    Close,
}

#[cfg(feature = "failpoints")]
impl ReplayStep {
    /// All of them, in their order.
    pub const ALL: [ReplayStep; 9] = [
        ReplayStep::Claimed,
        ReplayStep::Next,
        ReplayStep::Begin,
        ReplayStep::Moved,
        ReplayStep::Locked,
        ReplayStep::Written,
        ReplayStep::Commit,
        ReplayStep::Committed,
        ReplayStep::Close,
    ];

    /// Its name, in `FAILPOINTS` and in the documents.
    pub fn name(self) -> &'static str {
        match self {
            ReplayStep::Claimed => "replay.claimed",
            ReplayStep::Next => "replay.next",
            ReplayStep::Begin => "replay.begin",
            ReplayStep::Moved => "replay.moved",
            ReplayStep::Locked => "replay.locked",
            ReplayStep::Written => "replay.written",
            ReplayStep::Commit => "replay.commit",
            ReplayStep::Committed => "replay.committed",
            ReplayStep::Close => "replay.close",
        }
    }
}
