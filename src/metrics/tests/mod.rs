//! What a running service tells of itself, on a real server.

mod agree;
mod counted;
mod monitoring;
mod running;
mod without;

use std::collections::BTreeMap;

/// What a scrape says: the value of each series, named as it stands there.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let samples = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a series and its value");
        (series.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

/// The value of a series, which has to be there.
pub fn value(text: &str, series: &str) -> f64 {
    let samples = samples(text);
    let value = samples.get(series).copied();
    value.unwrap_or_else(|| panic!("{series} is missing in:\n{text}"))
}

/// The value of a series of the pipeline `events`, which may have another label.
pub fn of_events(text: &str, metric: &str, label: Option<(&str, &str)>) -> f64 {
    let mut labels: Vec<_> = label.into_iter().chain([("pipeline", "events")]).collect();
    labels.sort_unstable();
    let labels: Vec<String> = labels
        .into_iter()
        .map(|(name, value)| format!("{name}=\"{value}\""))
        .collect();
    value(text, &format!("{metric}{{{}}}", labels.join(",")))
}
