//! What a pipeline says of files that leave its inbox, and of how long they are kept.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::archive_rules::{ArchiveRules, Collision, Finished};
use super::entry::{Entry, Target};
use super::problems::Section;
use super::service::{check_path, one_of};
use super::units::period;

/// What is written of it.
pub(super) struct RawArchive {
    pub archive: Option<Entry<Target>>,
    pub quarantine: Option<Entry<Target>>,
    pub finished: Option<Entry<String>>,
    pub delete_after: Option<Entry<String>>,
    pub archive_collision: Option<Entry<String>>,
    pub archive_dates: Option<Entry<String>>,
    pub archive_compression: Option<Entry<String>>,
    pub archive_retention: Option<Entry<String>>,
    pub quarantine_retention: Option<Entry<String>>,
}

/// Where files go, and how.
pub(super) struct Checked {
    pub archive: Option<PathBuf>,
    pub quarantine: Option<PathBuf>,
    pub rules: ArchiveRules,
}

/// What is to become of a file, as it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Move,
    Keep,
    Delete,
}

/// Validates it. Directories that are not named are below the data directory, under the pipeline's
/// name.
pub(super) fn check(
    raw: RawArchive,
    name: &str,
    data_dir: &Path,
    section: &mut Section<'_, '_>,
) -> Checked {
    let named = |entry: &Option<Entry<Target>>| {
        let target = entry.as_ref().map(|entry| &entry.0);
        matches!(target, Some(Ok(Target::Directory(_) | Target::Default)))
    };
    let archive_is_named = named(&raw.archive);
    let archive = directory("archive", raw.archive, name, data_dir, section);
    let quarantine = directory("quarantine", raw.quarantine, name, data_dir, section);

    let word = section.converted("finished", raw.finished, |text| match text.as_str() {
        "move" => Ok(Word::Move),
        "keep" => Ok(Word::Keep),
        "delete" => Ok(Word::Delete),
        _ => Err(one_of(&text, &["move", "keep", "delete"])),
    });
    let unclear = section.concern("finished") || section.concern("archive");
    if !unclear {
        check_word(word, archive.is_some(), archive_is_named, section);
    }
    let moves = archive.is_some() && matches!(word, None | Some(Word::Move));

    let written = raw.delete_after.is_some();
    let after = section.converted("delete_after", raw.delete_after, |text| period(&text));
    let finished = match word {
        Some(Word::Delete) => {
            if !written {
                section.problem(
                    "delete_after",
                    "is missing; write how long a file stays in the inbox after its commit, such as \"7d\", or \"0s\" to delete it at once",
                );
            }
            // What is not known is never done: the problem ends the start anyway.
            after.map_or(Finished::Keep, |after| Finished::Delete { after })
        }
        Some(Word::Keep) => Finished::Keep,
        None | Some(Word::Move) if archive.is_none() => Finished::Keep,
        None | Some(Word::Move) => Finished::Move,
    };
    if written && word != Some(Word::Delete) && !unclear {
        section.problem(
            "delete_after",
            "is for finished = \"delete\" alone; write that too, or leave this out",
        );
    }

    for (key, is_written) in [
        ("archive_collision", raw.archive_collision.is_some()),
        ("archive_dates", raw.archive_dates.is_some()),
        ("archive_compression", raw.archive_compression.is_some()),
        ("archive_retention", raw.archive_retention.is_some()),
    ] {
        if is_written && !moves && !unclear {
            section.problem(key, "has no meaning where files don't go to an archive; leave it out, or write finished = \"move\" and an archive");
        }
    }
    if raw.quarantine_retention.is_some() && quarantine.is_none() && !section.concern("quarantine")
    {
        section.problem(
            "quarantine_retention",
            "has no meaning with quarantine = false: files that can't be loaded stay in the inbox",
        );
    }
    let collision = section.converted(
        "archive_collision",
        raw.archive_collision,
        |text| match text.as_str() {
            "rename" => Ok(Collision::Rename),
            "replace" => Ok(Collision::Replace),
            "keep" => Ok(Collision::Keep),
            "fail" => Ok(Collision::Fail),
            _ => Err(one_of(&text, &["rename", "replace", "keep", "fail"])),
        },
    );
    let compress =
        section.converted(
            "archive_compression",
            raw.archive_compression,
            |text| match text.as_str() {
                "none" => Ok(false),
                "zstd" => Ok(true),
                _ => Err(one_of(&text, &["none", "zstd"])),
            },
        );
    let rules = ArchiveRules {
        finished,
        collision: collision.unwrap_or_default(),
        dates: section.converted("archive_dates", raw.archive_dates, check_dates),
        compress: compress.unwrap_or(false),
        archive_retention: section.converted("archive_retention", raw.archive_retention, retention),
        quarantine_retention: section.converted(
            "quarantine_retention",
            raw.quarantine_retention,
            retention,
        ),
    };
    Checked {
        archive: archive.filter(|_| finished == Finished::Move),
        quarantine,
        rules,
    }
}

fn directory(
    key: &str,
    entry: Option<Entry<Target>>,
    name: &str,
    data_dir: &Path,
    section: &mut Section<'_, '_>,
) -> Option<PathBuf> {
    let target = section.converted(key, entry, |target| match target {
        Target::Directory(text) => check_path(text).map(|directory| Some(data_dir.join(directory))),
        Target::Default => Ok(Some(data_dir.join(key).join(name))),
        Target::Stay => Ok(None),
    });
    target.unwrap_or_else(|| Some(data_dir.join(key).join(name)))
}

/// What is said twice must be said alike.
fn check_word(
    word: Option<Word>,
    archives: bool,
    archive_is_named: bool,
    section: &mut Section<'_, '_>,
) {
    match word {
        Some(Word::Move) if !archives => section.problem(
            "finished",
            "\"move\" needs an archive, and archive is false; name a directory there, or write \"keep\"",
        ),
        Some(Word::Keep) if archive_is_named => section.problem(
            "finished",
            "\"keep\" leaves files in the inbox, but an archive is named; leave archive out, or write \"move\"",
        ),
        Some(Word::Delete) if archive_is_named => section.problem(
            "finished",
            "\"delete\" moves nothing to an archive, but one is named; leave archive out, or write \"move\" and archive_retention",
        ),
        _ => {}
    }
}

fn retention(text: String) -> Result<Duration, String> {
    let period = period(&text)?;
    if period < Duration::from_secs(1) {
        return Err("is too short; write \"1s\" or more".to_owned());
    }
    Ok(period)
}

/// Moments whose dates have every length that a date can have.
const SAMPLES: [i64; 4] = [0, 951_827_696, 1_783_241_999, 4_102_444_799];

fn check_dates(format: String) -> Result<String, String> {
    const HOW: &str = "write one such as \"%Y/%m/%d\" or \"year=%Y/week=%V\"";
    for second in SAMPLES {
        let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        let dated = format_date(&format, time)
            .map_err(|error| format!("{format:?} is no format of a date: {error}; {HOW}"))?;
        if !is_safe(&dated) {
            return Err(format!(
                "{format:?} gives {dated:?}, which is no plain path below the archive (letters, digits, \"-\", \"_\", \"=\", \"+\" and \".\", which no part begins with); {HOW}"
            ));
        }
    }
    Ok(format)
}

/// The directories of a moment (UTC).
///
/// # Errors
/// What is wrong with the format.
pub fn format_date(format: &str, time: Timestamp) -> Result<String, jiff::Error> {
    let zoned: Zoned = time.to_zoned(TimeZone::UTC);
    BrokenDownTime::from(&zoned).to_string(format)
}

fn is_safe(dated: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_=+.".contains(c);
    let part = |part: &str| {
        !part.is_empty() && part.len() <= 100 && !part.starts_with('.') && part.chars().all(fits)
    };
    let plain = |component| matches!(component, Component::Normal(_));
    dated.split('/').all(part) && Path::new(dated).components().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_give_plain_paths() {
        for good in [
            "%Y/%m/%d",
            "%Y-%m-%d",
            "year=%Y/month=%m",
            "%G-W%V",
            "%Y/%b/%A",
            "%s",
        ] {
            assert_eq!(check_dates(good.to_owned()), Ok(good.to_owned()));
        }
        for bad in [
            "", "/%Y", "%Y/", "%Y//%m", "../%Y", "%Y/..", ".%Y", "%Y %m", "%T", "%e", "%Y\0",
        ] {
            let problem = check_dates(bad.to_owned()).unwrap_err();
            assert!(problem.contains("no plain path"), "{bad:?}: {problem}");
        }
        for bad in ["%", "%Y/%!"] {
            let problem = check_dates(bad.to_owned()).unwrap_err();
            assert!(
                problem.contains("is no format of a date"),
                "{bad:?}: {problem}"
            );
        }
    }

    #[test]
    fn the_day_is_that_of_utc() {
        let time: Timestamp = "2026-03-01T00:30:00+02:00".parse().unwrap();
        assert_eq!(format_date("%Y/%m/%d", time).unwrap(), "2026/02/28");
    }
}
