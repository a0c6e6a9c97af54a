//! The indexes that are still to be built after a first load, for `ingestd status`.

use ingestd_actors::error::Result;

use super::output::harmless;
use crate::postgres::classify;
use crate::view::missing_indexes::{MissingIndex, of, query};

/// All of them, pipeline by pipeline.
pub fn read(client: &mut postgres::Client) -> Result<Vec<MissingIndex>> {
    let rows = client
        .query_typed(&query(), &[])
        .map_err(|error| classify(error, "reading which indexes are missing"))?;
    Ok(rows.iter().map(of).collect())
}

fn one_in_words(index: &MissingIndex) -> String {
    let name = harmless(&index.index);
    match (&index.building_since, &index.phase) {
        (Some(since), Some(phase)) => format!("{name} (being built since {since}: {phase})"),
        (Some(since), None) => format!("{name} (being built since {since})"),
        (None, _) => name,
    }
}

/// For people: a line for each pipeline that has any.
pub fn in_words(missing: &[MissingIndex]) -> String {
    let of_pipeline = missing.chunk_by(|one, other| one.pipeline == other.pipeline);
    let lines = of_pipeline.map(|indexes| {
        let names: Vec<String> = indexes.iter().map(one_in_words).collect();
        let count = match indexes.len() {
            1 => "1 index".to_owned(),
            many => format!("{many} indexes"),
        };
        format!(
            "{}: {count} still to be built after the first load: {}\n",
            indexes[0].pipeline,
            names.join(", ")
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pipeline_has_a_line_that_says_what_is_being_built() {
        let index =
            |pipeline: &str, name: &str, since: Option<&str>, phase: Option<&str>| MissingIndex {
                pipeline: pipeline.to_owned(),
                index: name.to_owned(),
                building_since: since.map(str::to_owned),
                phase: phase.map(str::to_owned),
                ..MissingIndex::default()
            };
        let missing = [
            index("a", "one", Some("12:00Z"), Some("building index")),
            index("a", "two", None, None),
            index("b", "three", Some("12:01Z"), None),
        ];
        assert_eq!(
            in_words(&missing),
            "a: 2 indexes still to be built after the first load: \
             one (being built since 12:00Z: building index), two\n\
             b: 1 index still to be built after the first load: \
             three (being built since 12:01Z)\n"
        );
        assert_eq!(in_words(&[]), "");
    }
}
