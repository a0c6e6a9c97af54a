//! What a pipeline says of files that come again, and of the small files that come with a file.

use super::entry::Entry;
use super::problems::Section;
use super::raw::RawRedropped;
use super::service::one_of;
use super::{Companions, OnReturn, Redropped};

/// The words for what may be done, whatever the situation.
const WORDS: [(&str, OnReturn); 4] = [
    ("skip", OnReturn::Skip),
    ("tail", OnReturn::Tail),
    ("reload", OnReturn::Reload),
    ("quarantine", OnReturn::Quarantine),
];

/// Validates what is to be done with files that come again.
pub(super) fn check(raw: Option<RawRedropped>, section: &mut Section<'_, '_>) -> Redropped {
    let defaults = Redropped::default();
    let Some(raw) = raw else {
        return defaults;
    };
    let path = section.path_of("redropped");
    let section = &mut section.below(path);
    let mut choice = |situation: &str, entry, default| {
        let has_tail = situation == "appended";
        let chosen = section.converted(situation, entry, |text: String| {
            on_return(&text, situation, has_tail)
        });
        chosen.unwrap_or(default)
    };
    Redropped {
        same: choice("same", raw.same, defaults.same),
        appended: choice("appended", raw.appended, defaults.appended),
        changed: choice("changed", raw.changed, defaults.changed),
        renamed: choice("renamed", raw.renamed, defaults.renamed),
    }
}

fn on_return(text: &str, situation: &str, has_tail: bool) -> Result<OnReturn, String> {
    let words = WORDS.iter();
    let fitting = words.filter(|(_, what)| has_tail || *what != OnReturn::Tail);
    let fitting: Vec<&str> = fitting.map(|(word, _)| *word).collect();
    let known = WORDS.iter().find(|(word, _)| *word == text);
    match known {
        Some((_, OnReturn::Tail)) if !has_tail => Err(format!(
            "\"tail\" is for appended alone, since a file that is {situation} has no tail; write one of {}",
            fitting
                .iter()
                .map(|word| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
        Some((_, what)) => Ok(*what),
        None => Err(one_of(text, &fitting)),
    }
}

/// What is written of the files that come with a file.
pub(super) struct RawCompanions {
    pub done_marker: Option<Entry<String>>,
    pub manifest: Option<Entry<String>>,
}

/// Validates the endings of the files that come with a file.
pub(super) fn check_companions(raw: RawCompanions, section: &mut Section<'_, '_>) -> Companions {
    let companions = Companions {
        done_marker: section.converted("done_marker", raw.done_marker, check_ending),
        manifest: section.converted("manifest", raw.manifest, check_ending),
    };
    if let (Some(marker), Some(manifest)) = (&companions.done_marker, &companions.manifest)
        && (marker.ends_with(manifest.as_str()) || manifest.ends_with(marker.as_str()))
    {
        section.problem(
            "manifest",
            format!(
                "{manifest:?} can't be told from done_marker {marker:?} by its end; write another"
            ),
        );
    }
    companions
}

fn check_ending(ending: String) -> Result<String, String> {
    if ending.is_empty() {
        return Err("is empty; write what follows the file's name, such as \".done\"".to_owned());
    }
    if ending.contains(['/', '\0']) {
        return Err(format!(
            "{ending:?} has a character that no name has; write what follows the file's name, such as \".done\""
        ));
    }
    if ending.len() > LONGEST_ENDING {
        return Err(format!(
            "is {} bytes long, which leaves no room for names; write at most {LONGEST_ENDING}",
            ending.len()
        ));
    }
    Ok(ending)
}

/// The longest ending: names have at most 255 bytes.
const LONGEST_ENDING: usize = 64;
