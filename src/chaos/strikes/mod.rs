//! The faults, as they are injected.

mod connections;
mod directories;
mod files;
mod locks;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use ingestd_actors::error::Result;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::fault::Fault;
use super::places::Places;
use super::process::Process;
use super::sequence::Strike;
use super::server::Server;
use super::watcher::Watcher;
use super::wave::Wave;

/// How long a server or an answer is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// All that a fault may strike.
pub struct Field<'a> {
    /// The service.
    pub process: &'a mut Process,
    /// Its database's server.
    pub server: &'a mut Server,
    /// A connection to it.
    pub watcher: &'a mut Watcher,
    /// What is loaded.
    pub wave: &'a mut Wave,
    /// Where it is.
    pub places: &'a Places,
    /// The newest file before the wave.
    pub base: i64,
}

/// Injects a fault; since when the recovery counts: from the blow, or from the end of what lasts.
///
/// # Errors
/// Where the fault can't be injected.
pub fn strike(strike: &Strike, field: &mut Field<'_>) -> Result<Instant> {
    let mut random = strike.random();
    let now = Instant::now();
    match strike.fault {
        Fault::Kill => {
            field.process.kill();
            field.process.start_again()?;
            Ok(now)
        }
        Fault::Server => {
            field.server.crash()?;
            Ok(now)
        }
        Fault::Cut => {
            connections::cut(field, &mut random)?;
            Ok(now)
        }
        Fault::Writer => {
            connections::cut_writer(field, &mut random)?;
            Ok(now)
        }
        Fault::Pause => {
            connections::pause(field, &mut random)?;
            Ok(Instant::now())
        }
        Fault::Lock => {
            locks::lock(field, &mut random)?;
            Ok(Instant::now())
        }
        Fault::Grow => {
            files::grow(field, strike.number, &mut random)?;
            Ok(Instant::now())
        }
        Fault::Replace => {
            files::replace(field, strike.number, &mut random)?;
            Ok(Instant::now())
        }
        Fault::Inbox => {
            directories::inbox(field, &mut random)?;
            Ok(Instant::now())
        }
        Fault::Archive => {
            directories::archive(field, &mut random)?;
            Ok(Instant::now())
        }
    }
}

/// Lets so many milliseconds pass.
fn hold(random: &mut ChaCha8Rng, milliseconds: RangeInclusive<u64>) {
    let milliseconds = random.random_range(milliseconds);
    std::thread::sleep(Duration::from_millis(milliseconds));
}
