//! What happens at a step that is to fail.

use std::io::{self, Write};

use rustix::process::{Signal, getpid, kill_process};

use super::{ReplayStep, Step};
use crate::error::{Error, Result};

/// The words for what can happen: the step panics, it ends in an error, it never ends, or the process is
/// killed there.
pub const FAULTS: [&str; 4] = ["panic", "stop", "hang", "kill"];

/// Reads `FAILPOINTS`, as the crate `fail` has it: `writer.write=1*off->1*return(panic)` strikes as that
/// step is passed for the second time.
///
/// # Panics
/// Where it names a step that there is not, or can't be read.
pub fn set_up() {
    // It lasts as long as the process.
    std::mem::forget(fail::FailScenario::setup());
    for (name, actions) in fail::list() {
        let replays = ReplayStep::ALL.map(Step::Replay);
        let mut steps = Step::ALL.iter().chain(&replays);
        let known = steps.any(|step| step.name() == name);
        assert!(known, "FAILPOINTS: there is no step {name:?}");
        let strikes = FAULTS.map(|fault| actions.contains(&format!("return({fault})")));
        assert!(
            strikes.contains(&true),
            "FAILPOINTS: {name} does none of {FAULTS:?}"
        );
    }
}

/// Passes a step, if it is not to fail.
///
/// # Errors
/// Where it is to stop.
pub async fn pass(step: Step) -> Result<()> {
    match fault_at(step).as_deref() {
        None => Ok(()),
        Some("hang") => std::future::pending().await,
        Some(fault) => strike(step, fault),
    }
}

/// The same where nothing can be awaited: a hang there holds the thread.
///
/// # Errors
/// See [`pass`].
pub fn pass_at_once(step: Step) -> Result<()> {
    match fault_at(step).as_deref() {
        None => Ok(()),
        Some("hang") => rest_for_ever(),
        Some(fault) => strike(step, fault),
    }
}

/// The same in the middle of work on files.
///
/// # Errors
/// See [`pass`]; one that passes by itself.
pub fn pass_io(step: Step) -> io::Result<()> {
    pass_at_once(step).map_err(|error| io::Error::new(io::ErrorKind::ResourceBusy, error))
}

/// What is to happen now, which is told at once: whoever reads it knows that the step was passed.
fn fault_at(step: Step) -> Option<String> {
    let fault = action(step.name())?;
    // At once, and on a line of its own: others write to it at the same time.
    let line = format!("\nfailpoint {} {fault}\n", step.name());
    let _ = io::stderr().write_all(line.as_bytes());
    Some(fault)
}

fn action(name: &str) -> Option<String> {
    fail::fail_point!(name, |argument| argument);
    None
}

fn strike(step: Step, fault: &str) -> Result<()> {
    let name = step.name();
    match fault {
        "stop" => Err(Error::new(
            step.kind(),
            format!("the failpoint {name} stops here"),
        )),
        "kill" => {
            // A process may always kill itself.
            let _ = kill_process(getpid(), Signal::KILL);
            rest_for_ever()
        }
        _ => panic!("the failpoint {name} panics here"),
    }
}

fn rest_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}
