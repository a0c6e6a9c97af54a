//! PURE: what may be done to a service, and which of it is chosen.

use std::fmt;
use std::str::FromStr;

/// A fault that is injected. None of them needs a privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The process is killed, and started again.
    Kill,
    /// Connections of the service are cut.
    Cut,
    /// The server stops as by a crash, and is started again.
    Server,
    /// Somebody else locks a table, its rows, or rows of the ledger.
    Lock,
    /// All pipelines are paused, and let go on.
    Pause,
    /// A file grows while it is read.
    Grow,
    /// A file is replaced while it is read.
    Replace,
    /// An inbox is gone for a while.
    Inbox,
    /// An archive is gone for a while, and something stands in its place.
    Archive,
    /// A writer's connection is cut.
    Writer,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 10] = [
        Fault::Kill,
        Fault::Cut,
        Fault::Server,
        Fault::Lock,
        Fault::Pause,
        Fault::Grow,
        Fault::Replace,
        Fault::Inbox,
        Fault::Archive,
        Fault::Writer,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Cut => "cut",
            Fault::Server => "server",
            Fault::Lock => "lock",
            Fault::Pause => "pause",
            Fault::Grow => "grow",
            Fault::Replace => "replace",
            Fault::Inbox => "inbox",
            Fault::Archive => "archive",
            Fault::Writer => "writer",
        }
    }

    /// Whether it needs the server's process.
    pub fn needs_server(self) -> bool {
        self == Fault::Server
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which faults are injected, and how often each comes in a round of them; written `kill=5,server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(Vec<(Fault, u32)>);

impl Choice {
    /// Each once in a round.
    pub fn all() -> Choice {
        Choice(Fault::ALL.into_iter().map(|fault| (fault, 1)).collect())
    }

    /// One round of them, in the order in which they were named.
    pub fn round(&self) -> Vec<Fault> {
        let times = |&(fault, times): &(Fault, u32)| vec![fault; times as usize];
        self.0.iter().flat_map(times).collect()
    }

    /// Those that are among them.
    pub fn faults(&self) -> Vec<Fault> {
        self.0.iter().map(|(fault, _)| *fault).collect()
    }

    /// Without those that need the server's process.
    pub fn without_the_server(&self) -> Choice {
        let kept = self.0.iter().filter(|(fault, _)| !fault.needs_server());
        Choice(kept.copied().collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// So often may a fault come in a round.
const MOST: u32 = 1_000;

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        let mut chosen: Vec<(Fault, u32)> = Vec::new();
        for word in text.split(',').map(str::trim) {
            let (name, times) = word.split_once('=').unwrap_or((word, "1"));
            let Some(fault) = Fault::ALL.into_iter().find(|fault| fault.name() == name) else {
                let names = Fault::ALL.map(Fault::name).join(", ");
                return Err(format!("there is no fault {name:?}; there are {names}"));
            };
            let times = match times.parse() {
                Ok(times) if (1..=MOST).contains(&times) => times,
                _ => {
                    return Err(format!(
                        "{word:?}: write how often {name} comes in a round, 1 to {MOST}, as in {name}=5"
                    ));
                }
            };
            if chosen.iter().any(|(known, _)| *known == fault) {
                return Err(format!(
                    "{name} is named twice; {name}=2 makes it come twice"
                ));
            }
            chosen.push((fault, times));
        }
        Ok(Choice(chosen))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.iter().map(|(fault, times)| match times {
            1 => fault.to_string(),
            times => format!("{fault}={times}"),
        });
        f.write_str(&words.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_chosen_by_name_and_how_often_they_come() {
        let choice: Choice = "kill=5, server".parse().unwrap();
        let round = choice.round();
        assert_eq!(round.iter().filter(|it| **it == Fault::Kill).count(), 5);
        assert_eq!(round.iter().filter(|it| **it == Fault::Server).count(), 1);
        assert_eq!(choice.to_string(), "kill=5,server");
        assert_eq!(choice.without_the_server().faults(), [Fault::Kill]);
        assert_eq!(Choice::all().to_string().parse(), Ok(Choice::all()));
    }

    #[test]
    fn what_is_no_choice_is_told_with_what_would_be_right() {
        let error = |text: &str| text.parse::<Choice>().unwrap_err();
        assert!(error("kil").contains("kill, cut, server"));
        assert!(error("").contains("there are kill"));
        assert!(error("kill=0").contains("kill=5"));
        assert!(error("kill=x").contains("1 to 1000"));
        assert!(error("kill,kill").contains("kill=2"));
    }
}
