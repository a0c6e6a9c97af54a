//! What each step comes to in each way: held against the program by the tests of the cells, and against
//! `docs/reliability.md`.

use ingestd_actors::failpoint::Step;

/// How things go on after something has struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recovery {
    /// The same is tried again, or done at its next turn; nobody restarts.
    Again,
    /// The writer restarts, and is handed its batch again.
    Writer,
    /// The pipeline restarts from the ledger.
    Pipeline,
    /// The sweeper restarts.
    Sweeper,
    /// The control restarts.
    Control,
    /// What runs beside the tree restarts, that part alone.
    Part,
    /// It is noticed that such a part makes no progress: it is ended and restarts.
    StuckPart,
    /// It is noticed that a writer makes no progress: it is ended and restarts.
    StuckWriter,
    /// It is noticed that a child makes no progress: the pipeline restarts.
    StuckChild,
    /// The actors' thread does not answer: the process ends by itself, and the next one goes on.
    Process,
    /// Nothing else suffers, and somebody has to restart the service; it ends in `shutdown_timeout`.
    Operator,
    /// The stop that has begun ends with code 1, and the next process goes on.
    Cut,
    /// Another instance takes the pipeline over.
    Takeover,
}

use Recovery::{
    Again, Control, Cut, Operator, Part, Pipeline, Process, StuckChild, StuckPart, StuckWriter,
    Sweeper, Takeover, Writer,
};

impl Recovery {
    /// As the page says it.
    pub fn words(self) -> &'static str {
        match self {
            Again => "tried again",
            Writer => "writer restarts",
            Pipeline => "pipeline restarts",
            Sweeper => "sweeper restarts",
            Control => "control restarts",
            Part => "part restarts",
            StuckPart => "watchdog: part",
            StuckWriter => "watchdog: writer",
            StuckChild => "watchdog: pipeline",
            Process => "watchdog: process",
            Operator => "operator",
            Cut => "stop fails",
            Takeover => "takeover",
        }
    }
}

/// What a panic, a stop and a hang come to; after a kill it is the next process, always.
type Ways = [Recovery; 3];

/// In an actor's handler, which holds the actors' thread.
const ACTOR: Ways = [Pipeline, Pipeline, Process];
/// In what an actor has under way, with nobody else behind.
const TASK: Ways = [Pipeline, Pipeline, Operator];
/// The same while its pulse says that it works.
const WATCHED_TASK: Ways = [Pipeline, Pipeline, StuckChild];
/// The same before a question to the outside, which may be asked again.
const WATCHED: Ways = [Pipeline, Again, StuckChild];
/// In or before what may wait for the server or the disk, for as long as those take.
const PORT: Ways = [Pipeline, Again, Operator];
/// In a writer, while its pulse says that it works.
const WRITER: Ways = [Writer, Again, StuckWriter];
/// What is lost of it only costs reading again.
const IGNORED: Ways = [Again, Again, Operator];
const SWEEPER: Ways = [Recovery::Sweeper, Again, Operator];
/// It has a limit of its own.
const CONTROL: Ways = [Recovery::Control, Again, Again];
const CONTROL_PORT: Ways = [Again, Again, Again];
/// Of what runs beside the tree.
const PART: Ways = [Part, Part, StuckPart];
/// At the orderly end of a life.
const END: Ways = [Cut, Cut, Process];
const LAST: Ways = [Cut, Cut, Cut];
/// In a task beside everything else.
const RENEWAL: Ways = [Pipeline, Again, Takeover];

/// What a step comes to.
pub fn ways(step: Step) -> Ways {
    match step {
        Step::WatcherScan | Step::ReaderOpen | Step::ReaderChunk => WATCHED,
        Step::WatcherAnnounce | Step::ReaderHandOn => TASK,
        Step::ReaderEnd => WATCHED_TASK,
        Step::AccumulatorAdd
        | Step::AccumulatorFlush
        | Step::AccumulatorSettle
        | Step::AccumulatorGiveUp
        | Step::CheckpointerNoted
        | Step::CheckpointerLeft => ACTOR,
        Step::WriterConnect | Step::WriterWrite | Step::WriterAnswer => WRITER,
        Step::ProgressCommit => IGNORED,
        Step::ArchiveUnlink
        | Step::SweeperRound
        | Step::SweepLeave
        | Step::SweepTaken
        | Step::SweepRemoved
        | Step::SweepCommit
        | Step::SweepCommitted => SWEEPER,
        Step::LeaseRenew => RENEWAL,
        Step::ControlExchange => CONTROL,
        Step::ControlCommit => CONTROL_PORT,
        Step::NotesWrite
        | Step::AlertsRound
        | Step::ReplaysLook
        | Step::MetricsLook
        | Step::HttpServe
        | Step::SnapshotsRead
        | Step::RatesCount => PART,
        Step::DrainFlush | Step::DrainSettle => END,
        Step::DrainRelease => LAST,
        _ => PORT,
    }
}

/// What a fault at a step comes to; `None`: the process is killed.
pub fn recovery(step: Step, fault: &str) -> Option<Recovery> {
    let way = ["panic", "stop", "hang"].iter().position(|it| *it == fault);
    way.map(|way| ways(step)[way])
}

/// The table of the page.
fn table() -> String {
    let mut table = "| step | panic | stop | hang | kill |\n|---|---|---|---|---|\n".to_owned();
    for step in Step::ALL {
        let [panic, stop, hang] = ways(step).map(Recovery::words);
        table += &format!(
            "| `{}` | {panic} | {stop} | {hang} | next process |\n",
            step.name()
        );
    }
    table
}

#[test]
fn the_page_has_what_each_step_comes_to() {
    let page = include_str!("../../docs/reliability.md");
    let table = table();
    assert!(page.contains(&table), "it has to have this:\n{table}");
}
