//! The one error of the tree: a kind that decides what happens next, and words for people.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as the tree has to act on it.
///
/// Adapters classify (by SQLSTATE, by I/O error kind); the tree never looks at a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Passes by itself: connection lost, server starting, disk full, deadlock, lock timeout.
    Transient,
    /// The outcome of a commit is not known; the checkpoint has to be read under its lock.
    Unknown,
    /// The statement was too big for the server's limits: halve the batch.
    TooBig,
    /// The server refuses one or more rows of the statement.
    Row,
    /// The file cannot be loaded: wrong header, unreadable, changed while it was read.
    File,
    /// Another file, or other content, took a claimed file's place before it was read on.
    Replaced,
    /// Somebody has to change something: no such table, no permission, a missing column.
    Configuration,
    /// The ledger does not stand where this life believed: start again from the ledger.
    Fenced,
    /// A fault of the program.
    Bug,
}

/// An error with its kind, a message that says what happened and where, and advice.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    advice: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What the ports and the pure parts return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` says what happened and where, without any cell's value.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
            advice: None,
            source: None,
        }
    }

    /// Adds the SQLSTATE or the name of the I/O error.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds what the operator can do about it.
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Keeps the error that caused this one.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the tree does about it follows from this alone.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened and where.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The SQLSTATE or the I/O error's name, where there is one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What the operator can do, where anything is known.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
