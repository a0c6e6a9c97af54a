//! Log lines: for people on a terminal, JSON otherwise, to standard error or to a file.
//!
//! A line is one event, whatever its message and values hold: what could end a line or steer a
//! terminal is escaped. Lines are written by a thread of their own; where it can't keep up, those
//! that log wait, and nothing is dropped.

mod json;
mod terminal;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;

use ingestd_actors::error::{Error, ErrorKind, Result};
use slog::{Discard, Drain, Level, LevelFilter, Logger, Never, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};

use crate::settings::{LogFormat, LogLevel, LogSettings};

/// How many lines may wait for the thread that writes them.
const WAITING: usize = 1024;

/// Keeps the lines flowing; dropping it writes those that still wait.
///
/// `std::process::exit` drops nothing: drop the guard before it.
#[must_use = "dropping it ends the log"]
pub struct Guard {
    _writer: AsyncGuard,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A late line from a crate that uses `log` goes nowhere, instead of into a panic.
        slog_scope::set_global_logger(Logger::root(Discard, o!())).cancel_reset();
    }
}

/// Builds the log, and makes it the one that crates that use `log` write their warnings and errors
/// to.
///
/// # Errors
/// `Configuration` where the file can't be opened.
pub fn build(settings: &LogSettings, stderr_is_terminal: bool) -> Result<(Logger, Guard)> {
    let to_terminal = stderr_is_terminal && settings.file.is_none();
    let for_people = is_for_people(settings.format, to_terminal);
    let level = level_of(settings.level);
    let (logger, writer) = match (&settings.file, for_people) {
        (Some(path), true) => start(terminal::plain(open(path)?), level),
        (Some(path), false) => start(json::lines(open(path)?), level),
        (None, true) => start(terminal::stderr(), level),
        (None, false) => start(json::lines(io::stderr()), level),
    };
    slog_scope::set_global_logger(logger.clone()).cancel_reset();
    // It fails where the bridge stands already, from an earlier log: that serves as well.
    let _ = slog_stdlog::init_with_level(log::Level::Warn);
    Ok((logger, Guard { _writer: writer }))
}

/// [`build`] for this process's standard error.
///
/// # Errors
/// As [`build`].
pub fn for_stderr(settings: &LogSettings) -> Result<(Logger, Guard)> {
    build(settings, io::stderr().is_terminal())
}

fn is_for_people(format: LogFormat, to_terminal: bool) -> bool {
    match format {
        LogFormat::Auto => to_terminal,
        LogFormat::Terminal => true,
        LogFormat::Json => false,
    }
}

fn level_of(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warning => Level::Warning,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
    }
}

/// A logger that hands its lines to a thread, which writes them to the drain. A line that can't be
/// written (a full disk, a closed pipe) is lost; the service goes on.
fn start<D>(drain: D, level: Level) -> (Logger, AsyncGuard)
where
    D: Drain<Ok = (), Err = Never> + Send + 'static,
{
    let (queue, guard) = Async::new(drain)
        .chan_size(WAITING)
        .overflow_strategy(OverflowStrategy::Block)
        .thread_name("log".to_owned())
        .build_with_guard();
    // The filter stands before the queue, so that what is not written costs next to nothing.
    let drain = LevelFilter::new(queue, level).ignore_res();
    (Logger::root(drain, o!()), guard)
}

fn open(path: &Path) -> Result<File> {
    let opened = match path.parent() {
        Some(parent) => std::fs::create_dir_all(parent),
        None => Ok(()),
    }
    .and_then(|()| OpenOptions::new().append(true).create(true).open(path));
    opened.map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            format!("the log file {} can't be opened: {error}", path.display()),
        )
        .with_advice("set log.file to one that can, or leave it out")
        .with_source(error)
    })
}

/// Whether a character could end a line, steer a terminal, or turn the direction of the text.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
