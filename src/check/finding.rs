//! PURE: what was found, for people and for programs.

use ingestd_actors::error::Error;
use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// It does not work.
    Error,
}

impl Level {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// What was found in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Where: a key of the configuration, or a file.
    pub place: String,
    /// What is.
    pub what: String,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(place: impl Into<String>, what: impl Into<String>) -> Finding {
        Finding::new(Level::Ok, place, what, None)
    }

    /// It works, and somebody should know.
    pub fn warning(place: impl Into<String>, what: impl Into<String>, advice: &str) -> Finding {
        Finding::new(Level::Warning, place, what, Some(advice))
    }

    /// It does not work.
    pub fn error(place: impl Into<String>, what: impl Into<String>, advice: &str) -> Finding {
        Finding::new(Level::Error, place, what, Some(advice))
    }

    /// What an error says.
    pub fn of(place: impl Into<String>, error: &Error) -> Finding {
        let what = match error.code() {
            Some(code) => format!("{} ({code})", error.message()),
            None => error.message().to_owned(),
        };
        Finding::new(Level::Error, place, what, error.advice())
    }

    fn new(
        level: Level,
        place: impl Into<String>,
        what: impl Into<String>,
        advice: Option<&str>,
    ) -> Finding {
        Finding {
            level,
            place: place.into(),
            what: what.into(),
            advice: advice.map(str::to_owned),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "level": self.level.name(), "where": self.place, "what": self.what,
            "advice": self.advice,
        })
    }

    /// What is, and what to do about it.
    pub fn in_words(&self) -> String {
        match &self.advice {
            Some(advice) => format!("{}; {advice}", self.what),
            None => self.what.clone(),
        }
    }
}
