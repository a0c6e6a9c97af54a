//! PURE: how fast pipelines are, out of what they have counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::metrics::PipelineFigures;
use crate::view::pipelines::Rates;

/// Over how long rates are taken.
const OVER: Duration = Duration::from_secs(10);

/// What was counted in the last seconds.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<(Instant, BTreeMap<String, PipelineFigures>)>,
}

impl History {
    /// One more sample.
    pub fn add(&mut self, now: Instant, figures: Vec<PipelineFigures>) {
        let figures = figures.into_iter().map(|it| (it.name.clone(), it));
        self.samples.push_back((now, figures.collect()));
        while self.samples.len() > 2 && now.duration_since(self.samples[1].0) >= OVER {
            self.samples.pop_front();
        }
    }

    /// How fast each pipeline is that is counted here. One that has just come has no past, and one
    /// whose counters have begun anew counts from there.
    pub fn rates(&self) -> BTreeMap<String, Rates> {
        let Some((last, now)) = self.samples.back() else {
            return BTreeMap::new();
        };
        let rate = |(name, figures): (&String, &PipelineFigures)| {
            let mut past = self.samples.iter();
            let first = past.find_map(|(at, all)| Some((at, all.get(name)?)));
            let rates = first.map_or_else(Rates::default, |(at, before)| {
                between(before, figures, last.duration_since(*at))
            });
            (name.clone(), rates)
        };
        now.iter().map(rate).collect()
    }
}

fn between(before: &PipelineFigures, now: &PipelineFigures, took: Duration) -> Rates {
    let seconds = took.as_secs_f64();
    let rate = |now: u64, before: u64| match seconds > 0.0 {
        true => (now.saturating_sub(before) as f64 / seconds * 10.0).round() / 10.0,
        false => 0.0,
    };
    Rates {
        records_per_second: rate(now.records_read, before.records_read),
        rows_per_second: rate(now.rows_written, before.rows_written),
        bytes_per_second: rate(now.bytes_read, before.bytes_read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(records: u64) -> Vec<PipelineFigures> {
        vec![PipelineFigures {
            name: "events".to_owned(),
            records_read: records,
            rows_written: records / 2,
            bytes_read: records * 100,
            ..PipelineFigures::default()
        }]
    }

    #[test]
    fn rates_are_of_the_last_ten_seconds() {
        let start = Instant::now();
        let mut history = History::default();
        assert!(history.rates().is_empty());
        history.add(start, figures(0));
        assert_eq!(history.rates()["events"], Rates::default());
        // A thousand a second for a minute, then nothing.
        for second in 1..=60 {
            history.add(start + Duration::from_secs(second), figures(second * 1000));
        }
        let rates = history.rates()["events"];
        assert_eq!(rates.records_per_second, 1000.0);
        assert_eq!(rates.rows_per_second, 500.0);
        assert_eq!(rates.bytes_per_second, 100_000.0);
        assert!(history.samples.len() <= 12);
        for second in 61..=65 {
            history.add(start + Duration::from_secs(second), figures(60_000));
        }
        assert_eq!(history.rates()["events"].records_per_second, 500.0);
        for second in 66..=75 {
            history.add(start + Duration::from_secs(second), figures(60_000));
        }
        assert_eq!(history.rates()["events"], Rates::default());
        history.add(start + Duration::from_secs(76), Vec::new());
        assert!(history.rates().is_empty());
    }
}
