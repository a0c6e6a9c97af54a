//! What a pipeline says of its dead letters.

use std::time::Duration;

use super::entry::Entry;
use super::letter_rules::LetterRules;
use super::problems::Section;
use super::units::period;

/// What is written of it.
pub(super) struct RawLetters {
    pub retention: Option<Entry<String>>,
    pub most: Option<Entry<u64>>,
    pub new_retention: Option<Entry<String>>,
}

/// Validates it.
pub(super) fn check(raw: RawLetters, section: &mut Section<'_, '_>) -> LetterRules {
    LetterRules {
        retention: section.converted("dead_letter_retention", raw.retention, retention),
        most: section.optional("dead_letter_most", raw.most),
        new_retention: section.converted("new_dead_letter_retention", raw.new_retention, retention),
    }
}

fn retention(text: String) -> Result<Duration, String> {
    let period = period(&text)?;
    if period < Duration::from_secs(1) {
        return Err("is too short; write \"1s\" or more".to_owned());
    }
    Ok(period)
}
