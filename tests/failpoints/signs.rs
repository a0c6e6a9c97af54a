//! What a service has said in one life: what struck, and what it did about that.

use std::collections::BTreeSet;

use super::table::Recovery;

/// What of a log is about faults.
#[derive(Default)]
pub struct Signs {
    /// The steps that were struck, with the fault.
    pub struck: Vec<(String, String)>,
    /// Whatever restarted or was noticed.
    pub seen: BTreeSet<Recovery>,
}

impl Signs {
    /// Reads a log, or what of it belongs to one life.
    pub fn of(log: &str) -> Signs {
        let mut signs = Signs::default();
        for line in log.lines() {
            if let Some(words) = line.strip_prefix("failpoint ") {
                if let Some((step, fault)) = words.split_once(' ') {
                    signs.struck.push((step.to_owned(), fault.to_owned()));
                }
            } else if let Some(recovery) = recovery_of(line) {
                signs.seen.insert(recovery);
            }
        }
        // What is ended because it made no progress restarts, too.
        for (noticed, restarts) in [
            (Recovery::StuckPart, Recovery::Part),
            (Recovery::StuckWriter, Recovery::Writer),
            (Recovery::StuckChild, Recovery::Pipeline),
        ] {
            if signs.seen.contains(&noticed) {
                signs.seen.remove(&restarts);
            }
        }
        signs
    }

    /// Whether this was struck.
    pub fn has(&self, step: &str, fault: &str) -> bool {
        let mut all = self.struck.iter();
        all.any(|(name, how)| name == step && how == fault)
    }
}

fn recovery_of(line: &str) -> Option<Recovery> {
    let says = |message: &str| line.contains(&format!("\"msg\":\"{message}\""));
    if says("writer restarts") {
        Some(Recovery::Writer)
    } else if says("pipeline restarts from the ledger") {
        Some(Recovery::Pipeline)
    } else if says("sweeper restarts") {
        Some(Recovery::Sweeper)
    } else if says("child of the service restarts") {
        Some(Recovery::Control)
    } else if says("part of the service restarts") {
        Some(Recovery::Part)
    } else if says("part of the service makes no progress: ending it") {
        Some(Recovery::StuckPart)
    } else if says("writer makes no progress: ending it") {
        Some(Recovery::StuckWriter)
    } else if says("child makes no progress: ending it") {
        Some(Recovery::StuckChild)
    } else if line.starts_with("ingestd: the actors have not answered for") {
        Some(Recovery::Process)
    } else {
        None
    }
}
