//! What can go wrong at a port, and where.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::ErrorKind;

/// A call of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `Inbox::scan`
    Scan,
    /// `Inbox::changed`
    Changed,
    /// `Ledger::resume`
    Resume,
    /// `Ledger::admit`
    Admit,
    /// `Ledger::progress`
    Progress,
    /// `Ledger::commit`
    Commit,
    /// `Ledger::quarantine`
    Quarantine,
    /// `Control::exchange`
    Exchange,
    /// `Ledger::release`
    Release,
    /// `Source::open`
    SourceOpen,
    /// `RecordStream::next`
    SourceNext,
    /// `Sink::open`
    SinkOpen,
    /// `BatchWriter::write`
    SinkWrite,
    /// `RejectStore::store`
    StoreRejects,
    /// `Archive::archive`
    Archive,
    /// `Archive::quarantine`
    MoveQuarantined,
    /// `Sweep::sweep`
    Sweep,
    /// `DeferredIndexes::missing`
    MissingIndexes,
    /// `DeferredIndexes::build`
    BuildIndex,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 19] = [
        Step::Scan,
        Step::Changed,
        Step::Resume,
        Step::Admit,
        Step::Progress,
        Step::Commit,
        Step::Quarantine,
        Step::Exchange,
        Step::Release,
        Step::SourceOpen,
        Step::SourceNext,
        Step::SinkOpen,
        Step::SinkWrite,
        Step::StoreRejects,
        Step::Archive,
        Step::MoveQuarantined,
        Step::Sweep,
        Step::MissingIndexes,
        Step::BuildIndex,
    ];
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing is done, and an error of this kind is the answer.
    Error(ErrorKind),
    /// Nothing is done, and the call panics.
    Panic,
    /// Nothing is done, and the call never resolves, without telling the pulse that it waits.
    Hang,
    /// Nothing is done until the hold is released; then it is done, even where nobody waits for the
    /// answer any more: as a server does whose client is gone.
    Hold(Hold),
    /// It is done, and an error of this kind is the answer.
    LostAnswer(ErrorKind),
    /// The next chunk names a partition that the plan does not have.
    Poison,
}

/// Keeps calls from going on until it is released.
#[derive(Clone, Debug)]
pub struct Hold {
    released: Arc<watch::Sender<bool>>,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            released: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Hold {
    /// Lets all calls go on, those to come too.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        let mut released = self.released.subscribe();
        // The sender lives in `self`.
        let _ = released.wait_for(|released| *released).await;
    }
}

/// A fault that waits for its step.
#[derive(Debug)]
pub(super) struct Armed {
    pub step: Step,
    /// So many calls go right first.
    pub skip: u64,
    /// So many calls go wrong then.
    pub times: u64,
    pub fault: Fault,
}
