//! PURE: what comes of a look: which alerts fire, go on and end, and what has to be done about each.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use super::super::book::Kept;
use super::super::notice::{Alert, Status, time};
use super::super::plan::Plan;
use super::super::rule::{Change, Reading, State, step};
use super::super::standing::{Key, Read, Sight, Standing};
use super::super::words;
use crate::settings::AlertRule;

/// How often it is noted how an alert that fires stands, at the most.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// How all alerts stand.
#[derive(Default)]
pub struct Board {
    standings: HashMap<Key, Standing>,
}

/// When it is, by the clock that only goes forward and by that of the host; and what new alerts are
/// called.
pub struct Moment {
    pub now: Duration,
    pub clock: SystemTime,
    pub new_id: fn() -> String,
}

/// What is still to be done about alerts of before.
pub struct Pending<'a> {
    /// They could not be written down yet.
    pub unwritten: &'a [Alert],
    /// How many notifications of an alert are on their way.
    pub on_their_way: &'a HashMap<String, usize>,
    /// Those that have arrived, which is not written down yet.
    pub told: &'a [String],
}

impl Pending<'_> {
    fn is_unwritten(&self, alert: &Alert) -> bool {
        self.unwritten.iter().any(|it| it.id == alert.id)
    }

    fn is_told(&self, alert: &Alert) -> bool {
        self.on_their_way.contains_key(&alert.id) || self.told.contains(&alert.id)
    }
}

/// What has to be done about an alert.
#[derive(Debug, PartialEq)]
pub enum Act {
    /// It fires: it is written down, and told where no other service was faster.
    Fire(Key, Alert),
    /// It goes on: that is noted, and told where it is news.
    Note { alert: Alert, is_news: bool },
    /// It has ended: that is written down, and told where no other service was faster.
    Resolve(Alert),
    /// It is in the ledger, and whoever had to tell of it has died over it.
    Tell(Status, Alert),
}

impl Board {
    /// Whether none waits or fires.
    pub fn is_empty(&self) -> bool {
        self.standings.is_empty()
    }

    /// What fires in the ledger fires here too; what has ended there by another service has ended.
    pub fn compare(
        &mut self,
        plan: &Plan,
        sight: &Sight<'_>,
        kept: &[Kept],
        pending: &Pending<'_>,
        now: Duration,
    ) -> Vec<Act> {
        self.end_what_is_gone(kept, pending);
        let mut acts = Vec::new();
        for kept in kept {
            let key = Key::of(&kept.alert);
            let untold = !kept.is_told && !pending.is_told(&kept.alert);
            if kept.alert.resolved_at.is_some() {
                if untold {
                    acts.push(Act::Tell(Status::Resolved, kept.alert.clone()));
                }
                continue;
            }
            let is_mine = sight.is_mine(&key);
            let is_ours = kept.is_of_here || is_mine && plan.rule(&key.rule).is_some();
            if !is_ours {
                continue;
            }
            self.take_over(key, kept, now);
            // Whoever had to tell of it has died over it.
            if untold && is_mine && !kept.is_of_another {
                acts.push(Act::Tell(Status::Firing, kept.alert.clone()));
            }
        }
        acts
    }

    fn end_what_is_gone(&mut self, kept: &[Kept], pending: &Pending<'_>) {
        let firing = kept.iter().filter(|it| it.alert.resolved_at.is_none());
        let ids: HashSet<&str> = firing.map(|it| &it.alert.id[..]).collect();
        for standing in self.standings.values_mut() {
            let is_gone =
                |alert: &Alert| !ids.contains(&alert.id[..]) && !pending.is_unwritten(alert);
            if standing.alert.as_ref().is_some_and(is_gone) {
                *standing = Standing::default();
            }
        }
    }

    /// One that the ledger has, and this service from now on.
    fn take_over(&mut self, key: Key, kept: &Kept, now: Duration) {
        let standing = self.standings.entry(key).or_default();
        let known = standing.alert.as_ref();
        if known.is_some_and(|it| it.id == kept.alert.id) {
            return;
        }
        let told = now.saturating_sub(Duration::from_secs_f64(kept.told_ago.max(0.0)));
        standing.state = State::Firing {
            told,
            value: kept.alert.value.unwrap_or(f64::MAX),
        };
        standing.alert = Some(kept.alert.clone());
        standing.noted = None;
    }

    /// What comes of a reading.
    pub fn apply(
        &mut self,
        rule: &AlertRule,
        (key, reading, detail): Read,
        moment: &Moment,
    ) -> Option<Act> {
        let machine = words::machine(rule);
        let standing = self.standings.entry(key.clone()).or_default();
        let (state, change) = step(&machine, standing.state, reading, moment.now);
        standing.state = state;
        let Reading::Value(value) = reading else {
            return None;
        };
        match change {
            Some(Change::Fires { since }) => {
                let alert = new_alert(rule, &key, (value, &detail), since, moment);
                Some(Act::Fire(key, alert))
            }
            Some(Change::Resolves) => {
                let mut alert = standing.alert.take()?;
                alert.value = finite(value);
                alert.text = words::resolved(rule, &key.pipeline, value);
                alert.resolved_at = Some(time(moment.clock));
                Some(Act::Resolve(alert))
            }
            Some(Change::Repeats) | None => {
                let is_news = change.is_some();
                let since_noted = |at| moment.now.saturating_sub(at);
                let is_due = standing
                    .noted
                    .is_none_or(|at| since_noted(at) >= NOTE_EVERY);
                let alert = standing.alert.as_mut()?;
                let text = words::firing(rule, &key.pipeline, value, &detail);
                // As many files in quarantine may be other ones.
                let is_same = alert.value == finite(value) && alert.text == text;
                if !is_news && (!is_due || is_same) {
                    return None;
                }
                alert.value = finite(value);
                alert.text = text;
                standing.noted = Some(moment.now);
                let alert = alert.clone();
                Some(Act::Note { alert, is_news })
            }
        }
    }

    /// It was written down, or will be. Nothing, where another service was faster: the next look finds
    /// whose it is.
    pub fn fires(&mut self, key: Key, alert: Option<Alert>, now: Duration) {
        let standing = self.standings.entry(key).or_default();
        if alert.is_some() {
            standing.noted = Some(now);
        }
        standing.alert = alert;
    }

    /// What fires of a rule, a pipeline or a disk that is configured no more ends.
    pub fn drop_unwatched(
        &mut self,
        plan: &Plan,
        sight: &Sight<'_>,
        clock: SystemTime,
    ) -> Vec<Act> {
        let is_watched = |key: &Key, standing: &Standing| {
            let alert = standing.alert.as_ref();
            alert.is_none_or(|alert| sight.is_watched(plan, key, alert))
        };
        let gone = self.standings.extract_if(|key, it| !is_watched(key, it));
        let acts = gone
            .filter_map(|(_, standing)| standing.alert)
            .map(|mut alert| {
                alert.text = "it is watched no more: its rule, its pipeline or its disk is \
                              not in the configuration"
                    .to_owned();
                alert.resolved_at = Some(time(clock));
                Act::Resolve(alert)
            })
            .collect();
        let pipelines = &plan.pipelines;
        self.standings.retain(|key, standing| {
            standing.alert.is_some()
                || plan.rule(&key.rule).is_some()
                    && (key.pipeline.is_empty() || pipelines.contains(&key.pipeline))
                    // What another service looks after begins anew where it comes back.
                    && (sight.look.is_none() || sight.is_mine(key))
        });
        acts
    }
}

fn new_alert(
    rule: &AlertRule,
    key: &Key,
    (value, detail): (f64, &str),
    since: Duration,
    moment: &Moment,
) -> Alert {
    let past = moment.now.saturating_sub(since);
    Alert {
        id: (moment.new_id)(),
        alert: rule.name.clone(),
        rule: rule.condition.word().to_owned(),
        pipeline: some(&key.pipeline),
        host: some(&key.host),
        subject: some(&key.subject),
        since: time(moment.clock.checked_sub(past).unwrap_or(moment.clock)),
        fired_at: time(moment.clock),
        resolved_at: None,
        notified_at: None,
        value: finite(value),
        threshold: words::machine(rule).limit.threshold(),
        unit: words::unit(&rule.condition).to_owned(),
        text: words::firing(rule, &key.pipeline, value, detail),
        look_at: words::look_at(&rule.condition, &key.pipeline),
    }
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
