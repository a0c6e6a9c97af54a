//! One pipeline: starts its children in order, and all of them anew when one ends.
//!
//! Reader, accumulator, dead letters and checkpointer hold only what the ledger also knows, or what
//! can be read again: they restart together, from the ledger, exactly as after the death of the
//! process. The claims of the new generation fence what the old one still had in flight. Writers
//! restart one by one, below their own supervisor, without losing their batches. The sweeper has
//! nothing to do with what is loaded: it restarts alone.

mod sweeping;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, ResponseFuture};
use rand::RngExt;

use crate::answer::done;
use crate::batch_accumulator::{self, BatchAccumulator, Flush};
use crate::checkpointer::{self, Checkpointer, Settle};
use crate::dead_letters::{self, DeadLetters};
use crate::directory_watcher::{self, DirectoryWatcher, LookNow};
use crate::error::{Error, ErrorKind};
use crate::failpoint::{Step, pass};
use crate::file_reader::{self, FileReader, SetPaused};
use crate::flow::{Budget, Limits};
use crate::index_builder::{self, IndexBuilder};
use crate::partition_writer;
use crate::port::{Event, Measured, Ports};
use crate::supervision::{
    ChildExited, ChildHandle, Decision, Lifeline, RestartPolicy, Restarts, spawn,
};
use crate::writer_supervisor::{self, WriterSupervisor};

/// How long the ledger may take to let go of a pipeline that ends.
pub(crate) const RELEASE: Duration = Duration::from_secs(5);

/// What a pipeline is, to the tree.
#[derive(Clone)]
pub struct PipelineSpec {
    /// Its name.
    pub name: String,
    /// Its outside.
    pub ports: Ports,
    /// The most that a batch takes.
    pub limits: Limits,
    /// The most bytes in flight.
    pub memory: usize,
    /// How many dead letters a file may have.
    pub budget: Budget,
    /// How often the directory is scanned without a hint.
    pub scan_interval: Duration,
    /// How often its children may fail, and how fast they come back.
    pub restarts: RestartPolicy,
    /// After how long without progress a child counts as stuck.
    pub stuck_after: Duration,
}

/// The actor.
pub struct PipelineSupervisor {
    spec: PipelineSpec,
    log: slog::Logger,
    lifeline: Lifeline,
    generation: u64,
    restarts: Restarts,
    children: Vec<ChildHandle>,
    sweeper: Option<ChildHandle>,
    sweeper_restarts: Restarts,
    running: Option<Running>,
    /// Whether it is paused: children to come have to know.
    paused: bool,
    draining: bool,
}

/// The children that the supervisor itself talks to.
struct Running {
    watcher: Addr<DirectoryWatcher>,
    reader: Addr<FileReader>,
    accumulator: Addr<BatchAccumulator>,
    checkpointer: Addr<Checkpointer>,
}

impl PipelineSupervisor {
    /// A supervisor that starts its children when it is started.
    pub fn new(spec: PipelineSpec, paused: bool, log: &slog::Logger, lifeline: Lifeline) -> Self {
        Self {
            log: log.new(slog::o!("pipeline" => spec.name.clone())),
            restarts: Restarts::new(spec.restarts.of_parent()),
            sweeper_restarts: Restarts::new(spec.restarts),
            sweeper: None,
            spec,
            lifeline,
            generation: 0,
            children: Vec::new(),
            running: None,
            paused,
            draining: false,
        }
    }

    fn start_children(&mut self, context: &mut Context<Self>) {
        if self.draining {
            return;
        }
        self.generation += 1;
        let generation = self.generation;
        let exits = context.address().recipient::<ChildExited>();
        let ports = self.spec.ports.clone();
        let (log, observer) = (self.log.clone(), Arc::clone(&ports.observer));

        let writer_deps = writer_supervisor::Deps {
            writer: partition_writer::Deps {
                sink: ports.sink,
                observer: Arc::clone(&observer),
                log: log.clone(),
            },
            restarts: self.spec.restarts,
            stuck_after: self.spec.stuck_after,
        };
        let (writers, writers_handle) =
            spawn("writers", generation, exits.clone(), move |lifeline| {
                WriterSupervisor::new(writer_deps, lifeline)
            });

        let dead_letter_deps = dead_letters::Deps {
            store: ports.rejects,
            observer: Arc::clone(&observer),
            log: log.clone(),
        };
        let (dead_letters, dead_letters_handle) =
            spawn("dead letters", generation, exits.clone(), move |lifeline| {
                DeadLetters::new(dead_letter_deps, lifeline)
            });

        let checkpointer_deps = checkpointer::Deps {
            ledger: Arc::clone(&ports.ledger),
            observer: Arc::clone(&observer),
            archive: ports.archive,
            log: log.clone(),
        };
        let (checkpointer, checkpointer_handle) =
            spawn("checkpointer", generation, exits.clone(), move |lifeline| {
                Checkpointer::new(checkpointer_deps, lifeline)
            });

        let accumulator_deps = batch_accumulator::Deps {
            writers: writers.recipient(),
            dead_letters: dead_letters.recipient(),
            opened: checkpointer.clone().recipient(),
            accepted: checkpointer.clone().recipient(),
            moved: checkpointer.clone().recipient(),
            ended: checkpointer.clone().recipient(),
            observer: Arc::clone(&observer),
            limits: self.spec.limits,
            memory: self.spec.memory,
            budget: self.spec.budget,
        };
        let (accumulator, accumulator_handle) = spawn(
            "batch accumulator",
            generation,
            exits.clone(),
            move |lifeline| BatchAccumulator::new(accumulator_deps, lifeline),
        );

        let reader_deps = file_reader::Deps {
            ledger: ports.ledger,
            source: ports.source,
            open: accumulator.clone().recipient(),
            chunks: accumulator.clone().recipient(),
            ended: accumulator.clone().recipient(),
            are_open: checkpointer.clone().recipient(),
            wait_for_all: checkpointer.clone().recipient(),
            wait_for_room: checkpointer.clone().recipient(),
            take_out: checkpointer.clone().recipient(),
            observer: Arc::clone(&observer),
            log: log.clone(),
        };
        let paused = self.paused;
        let (reader, reader_handle) =
            spawn("file reader", generation, exits.clone(), move |lifeline| {
                FileReader::new(reader_deps, paused, lifeline)
            });

        let index_deps = index_builder::Deps {
            indexes: ports.indexes,
            observer: Arc::clone(&observer),
            log: log.clone(),
        };
        let (indexes, indexes_handle) = spawn(
            "index builder",
            generation,
            exits.clone(),
            move |lifeline| IndexBuilder::new(index_deps, lifeline),
        );

        let watcher_deps = directory_watcher::Deps {
            inbox: ports.inbox,
            reader: reader.clone().recipient(),
            wait_for_all: checkpointer.clone().recipient(),
            indexes: indexes.recipient(),
            observer,
            log,
            scan_interval: self.spec.scan_interval,
        };
        let (watcher, watcher_handle) =
            spawn("directory watcher", generation, exits, move |lifeline| {
                DirectoryWatcher::new(watcher_deps, lifeline)
            });

        self.children = vec![
            writers_handle,
            dead_letters_handle,
            checkpointer_handle,
            accumulator_handle,
            reader_handle,
            indexes_handle,
            watcher_handle,
        ];
        self.running = Some(Running {
            watcher,
            reader,
            accumulator,
            checkpointer,
        });
    }

    fn give_up(&mut self, exit: &ChildExited, context: &mut Context<Self>) {
        let error = Error::new(
            ErrorKind::Bug,
            format!(
                "pipeline {:?}: child {:?} fails too often; last: {}",
                self.spec.name, exit.child, exit.reason
            ),
        );
        self.lifeline.fail(error, context);
    }

    fn measure_restart(&self, exit: &ChildExited) {
        let child = exit.child.clone();
        let measured = Measured::Restarted { child };
        self.spec.ports.observer.observe(&Event::Measured(measured));
    }

    fn end_children(&mut self) {
        self.running = None;
        self.children.clear();
    }

    fn abort_stuck(&mut self, _: &mut Context<Self>) {
        for child in &self.children {
            if child.pulse.is_stuck(self.spec.stuck_after) {
                slog::error!(self.log, "child makes no progress: ending it";
                    "child" => &child.name, "stuck_after_s" => self.spec.stuck_after.as_secs());
                child.abort();
            }
        }
    }
}

impl Actor for PipelineSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.start_children(context);
        self.start_sweeper(context);
        context.run_interval(self.spec.stuck_after / 4, Self::abort_stuck);
    }
}

impl Handler<ChildExited> for PipelineSupervisor {
    type Result = ();

    fn handle(&mut self, exit: ChildExited, context: &mut Self::Context) {
        let sweeper = self.sweeper.as_ref();
        if sweeper.is_some_and(|child| child.is_meant_by(&exit)) {
            return self.sweeper_exited(&exit, context);
        }
        if !self.children.iter().any(|child| child.is_meant_by(&exit)) {
            return;
        }
        self.end_children();
        if self.draining {
            slog::warn!(self.log, "child ended in the drain";
                "child" => &exit.child, "reason" => %exit.reason);
            return;
        }
        match self
            .restarts
            .decide(Instant::now(), rand::rng().random::<f64>())
        {
            Decision::RestartAfter(wait) => {
                self.measure_restart(&exit);
                slog::warn!(self.log, "pipeline restarts from the ledger";
                    "child" => &exit.child, "generation" => exit.generation,
                    "wait_ms" => wait.as_millis() as u64, "reason" => %exit.reason);
                context.run_later(wait, Self::start_children);
            }
            Decision::Escalate => self.give_up(&exit, context),
        }
    }
}

/// Pauses the pipeline, or lets it go on. The answer comes once nothing is read any more; what is
/// in flight commits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Pause(pub bool);

impl Handler<Pause> for PipelineSupervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Pause(paused): Pause, _: &mut Self::Context) -> Self::Result {
        if self.paused != paused {
            slog::info!(self.log, "{}", if paused { "pausing" } else { "going on" });
        }
        self.paused = paused;
        let reader = self.running.as_ref().map(|running| running.reader.clone());
        Box::pin(async move {
            if let Some(reader) = reader {
                // A reader that is gone reads nothing; the next one is told when it starts.
                let _ = reader.send(SetPaused(paused)).await;
            }
        })
    }
}

/// Looks through the directory now. The answer comes once that is done, or is bound to come about:
/// whoever is reading what was found before looks again after that.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Look;

impl Handler<Look> for PipelineSupervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Self::Result {
        let watcher = self.running.as_ref().map(|running| running.watcher.clone());
        Box::pin(async move {
            if let Some(watcher) = watcher {
                // The next watcher begins with a look.
                let _ = watcher.send(LookNow).await;
            }
        })
    }
}

/// Ends the pipeline in order: reads nothing more, commits what is in flight, lets go of the lease.
/// The answer says whether everything was committed.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub struct Drain;

impl Handler<Drain> for PipelineSupervisor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, _: Drain, context: &mut Self::Context) -> Self::Result {
        let ledger = Arc::clone(&self.spec.ports.ledger);
        let again = std::mem::replace(&mut self.draining, true);
        let running = self.running.take();
        // What it has begun, the next life ends.
        self.sweeper = None;
        let supervisor = context.address();
        Box::pin(async move {
            if again {
                return false;
            }
            // Where the children are down, nobody can tell what they had in flight.
            let drained = match &running {
                Some(running) => drain(running).await,
                None => false,
            };
            // The children end first, so that none of them sees its neighbours go.
            let ended = supervisor.send(EndChildren).await.is_ok();
            // Where the ledger can't be told, it finds out by itself.
            let released = async {
                pass(Step::DrainRelease).await?;
                ledger.release().await
            };
            let released = tokio::time::timeout(RELEASE, released).await;
            let released = matches!(released, Ok(Ok(())));
            drained && ended && released
        })
    }
}

async fn drain(running: &Running) -> bool {
    done(&running.reader, SetPaused(true)).await
        && done(&running.accumulator, Flush).await
        && done(&running.checkpointer, Settle).await
}

#[derive(Message)]
#[rtype(result = "()")]
struct EndChildren;

impl Handler<EndChildren> for PipelineSupervisor {
    type Result = ();

    fn handle(&mut self, _: EndChildren, _: &mut Self::Context) {
        self.end_children();
    }
}
