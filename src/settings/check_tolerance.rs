//! What a pipeline does with files of which some records can't be loaded.

use ingestd_actors::flow::{Budget, Millionths};

use super::entry::Entry;
use super::problems::Section;
use super::tolerance::{MIN_RECORDS, Tolerance};

/// What is written of it.
pub(super) struct RawTolerance {
    pub all_or_nothing: Option<Entry<bool>>,
    pub max_errors: Option<Entry<u64>>,
    pub max_error_ratio: Option<Entry<f64>>,
    pub min_records: Option<Entry<u64>>,
}

pub(super) fn check(raw: RawTolerance, section: &mut Section<'_, '_>) -> Tolerance {
    let all_or_nothing = section.optional("all_or_nothing", raw.all_or_nothing) == Some(true);
    let unlimited = raw.max_errors.is_none() && raw.max_error_ratio.is_none();
    let needless = raw.min_records.is_some() && raw.max_error_ratio.is_none();
    let max_errors = section.optional("max_errors", raw.max_errors);
    let max_ratio = section.converted("max_error_ratio", raw.max_error_ratio, millionths);
    let min_records = section.optional("min_records", raw.min_records);
    // The default itself may stand there, as it does in the example.
    if needless && min_records.is_some_and(|records| records != MIN_RECORDS) {
        section.problem(
            "min_records",
            "is for max_error_ratio, which is not there; write the ratio too, or leave it out",
        );
    }
    Tolerance {
        all_or_nothing,
        budget: Budget {
            // All of a file means every record of it, unless something else is said.
            max_errors: max_errors.or((all_or_nothing && unlimited).then_some(0)),
            max_ratio,
            min_records: min_records.unwrap_or(MIN_RECORDS),
        },
    }
}

fn millionths(ratio: f64) -> Result<Millionths, String> {
    const WHOLE: f64 = 1_000_000.0;
    if !(0.0..=1.0).contains(&ratio) {
        return Err(format!(
            "{ratio} can't be; write a share of 1 such as 0.05, which is 5 of 100 records"
        ));
    }
    let millionths = (ratio * WHOLE).round();
    if (ratio - millionths / WHOLE).abs() > 1e-12 {
        return Err(format!(
            "{ratio} has more than six digits; write at most six"
        ));
    }
    Ok(Millionths(millionths as u32))
}
