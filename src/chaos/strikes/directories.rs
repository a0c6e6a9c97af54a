//! Directories that are gone for a while.
//!
//! They are moved and not closed: permissions don't bind root, and a mount that went away looks so too.

use std::fs;
use std::io;
use std::path::Path;

use ingestd_actors::error::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::super::places::failed;
use super::super::wave::Flow;
use super::{Field, hold};

/// An inbox is gone.
pub fn inbox(field: &mut Field<'_>, random: &mut ChaCha8Rng) -> Result<()> {
    let flow = Flow::ALL[random.random_range(0..Flow::ALL.len())];
    let (inbox, aside) = (field.places.inbox(flow), field.places.aside());
    fs::rename(&inbox, &aside).map_err(|error| failed("move away", &inbox, &error))?;
    hold(random, 50..=700);
    fs::rename(&aside, &inbox).map_err(|error| failed("put back", &inbox, &error))
}

/// An archive is gone, and a file stands in its place, so that nobody can make it anew.
pub fn archive(field: &mut Field<'_>, random: &mut ChaCha8Rng) -> Result<()> {
    let leaving: Vec<Flow> = Flow::ALL.into_iter().filter(|it| it.leaves()).collect();
    let flow = leaving[random.random_range(0..leaving.len())];
    let (archive, aside) = (field.places.archive(flow), field.places.aside());
    fs::write(&aside, "").map_err(|error| failed("write", &aside, &error))?;
    exchange(&archive, &aside).map_err(|error| failed("move away", &archive, &error))?;
    hold(random, 50..=700);
    exchange(&archive, &aside).map_err(|error| failed("put back", &archive, &error))?;
    fs::remove_file(&aside).map_err(|error| failed("remove", &aside, &error))
}

/// Each gets the other's name, in one step.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(io::Error::from)
}
