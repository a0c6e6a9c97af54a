//! PURE: what lists are narrowed by: times, and patterns of names.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A moment: so long ago ("2h"), or a time (UTC, unless it says otherwise); as PostgreSQL reads it.
///
/// # Errors
/// What would be right.
pub fn moment(text: &str) -> Result<String, String> {
    moment_at(text, Timestamp::now())
}

fn moment_at(text: &str, now: Timestamp) -> Result<String, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        let then = SignedDuration::try_from(ago)
            .ok()
            .and_then(|ago| now.checked_sub(ago).ok());
        return then
            .map(|then| then.to_string())
            .ok_or_else(|| "that is too long ago".to_owned());
    }
    let of_day = |day: Date| day.to_datetime(jiff::civil::Time::midnight());
    let plain = text
        .parse::<DateTime>()
        .or_else(|_| text.parse::<Date>().map(of_day));
    let parsed = text.parse::<Timestamp>().or_else(|_| {
        plain.and_then(|time| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()))
    });
    parsed.map(|time| time.to_string()).map_err(|_| {
        "write how long ago, as in \"2h\" or \"7days\", or a time, as in \"2026-11-21\" or \"2026-11-21T10:30:00Z\"".to_owned()
    })
}

/// A pattern of names as a regular expression of PostgreSQL: with `*`, `?` or `[…]` for the whole name,
/// without any for a part of it. With a slash it is about paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    /// The expression.
    pub regex: String,
    /// Whether it is about the path.
    pub of_path: bool,
}

/// Reads one.
///
/// # Errors
/// What would be right.
pub fn name_pattern(text: &str) -> Result<NamePattern, String> {
    if text.is_empty() {
        return Err("write a part of the name, or a pattern such as \"events-*.csv\"".to_owned());
    }
    let is_glob = text.contains(['*', '?', '[']);
    let mut regex = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if is_glob => regex.push_str(".*"),
            '?' if is_glob => regex.push('.'),
            '[' if is_glob => class(&mut chars, &mut regex)?,
            c if c.is_alphanumeric() || c == '/' || c == '_' => regex.push(c),
            c => {
                regex.push('\\');
                regex.push(c);
            }
        }
    }
    if is_glob {
        regex = format!("^{regex}$");
    }
    Ok(NamePattern {
        regex,
        of_path: text.contains('/'),
    })
}

/// A class, after its opening bracket.
fn class(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    regex: &mut String,
) -> Result<(), String> {
    regex.push('[');
    if chars.next_if(|c| matches!(c, '!' | '^')).is_some() {
        regex.push('^');
    }
    let mut first = true;
    loop {
        match chars.next() {
            Some(']') if !first => break,
            // In PostgreSQL's classes these stand for something else.
            Some(c @ ('\\' | '[')) => {
                regex.push('\\');
                regex.push(c);
            }
            Some(c) => regex.push(c),
            None => return Err("a [ of the pattern has no ]".to_owned()),
        }
        first = false;
    }
    regex.push(']');
    Ok(())
}

/// What a path is like whose name fits a pattern, for `LIKE`: it may fit others, too, but it is quick.
/// `None` where the pattern has a class.
pub fn like_pattern(text: &str) -> Option<String> {
    if text.contains('[') {
        return None;
    }
    let mut like = String::new();
    for c in text.chars() {
        match c {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', c]),
            c => like.push(c),
        }
    }
    let is_glob = text.contains(['*', '?']);
    Some(match (is_glob, text.contains('/')) {
        (true, true) => like,
        (true, false) => format!("%{like}"),
        (false, _) => format!("%{like}%"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_so_long_ago() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let moment = |text: &str| moment_at(text, now);
        for (text, wanted) in [
            ("2h", "2026-11-21T08:00:00Z"),
            ("1day 1h", "2026-11-20T09:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20 12:30", "2026-11-20T12:30:00Z"),
            ("2026-11-20T12:30:00+02:00", "2026-11-20T10:30:00Z"),
        ] {
            assert_eq!(moment(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["yesterday", "5", "", "900000000000y"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_are_globs_or_parts() {
        let regex = |text: &str| name_pattern(text).map(|it| (it.regex, it.of_path));
        let wanted = |regex: &str, of_path| Ok((regex.to_owned(), of_path));
        assert_eq!(regex("a.csv"), wanted("a\\.csv", false));
        assert_eq!(regex("a-*.csv"), wanted("^a\\-.*\\.csv$", false));
        assert_eq!(regex("in/[!a-c]?"), wanted("^in/[^a-c].$", true));
        for (text, like) in [
            ("a-*.csv", Some("%a-%.csv")),
            ("in/?.csv", Some("in/_.csv")),
            ("50%_", Some("%50\\%\\_%")),
            ("[ab]*", None),
        ] {
            assert_eq!(like_pattern(text).as_deref(), like, "{text}");
        }
        assert!(regex("[a").is_err());
        assert!(regex("").is_err());
    }
}
