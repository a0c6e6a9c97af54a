//! PURE: durations and sizes as people write them: `200ms`, `8MiB`.

use std::time::Duration;

/// The longest duration: a year. Anything longer is a slip, and sums of times stay far from limits.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Reads a duration: a whole number and its unit, or several of them (`1m 30s`).
///
/// # Errors
/// What is wrong and how to write it instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    const HOW: &str = "write a number with its unit: \"200ms\", \"8s\", \"1m\", \"1h\"";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text != "0" {
        return Err(format!("{text:?} has no unit; {HOW}"));
    }
    let duration =
        humantime::parse_duration(text).map_err(|_| format!("{text:?} is no duration; {HOW}"))?;
    if duration > LONGEST {
        return Err(format!(
            "{text:?} is longer than a year (m are minutes, M are months); {HOW}"
        ));
    }
    Ok(duration)
}

/// The longest time for which files are kept: anything longer is a slip.
const LONGEST_PERIOD: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Reads a period for which files are kept, which may be years: `7d`, `2y 6M`.
///
/// # Errors
/// What is wrong and how to write it instead.
pub fn period(text: &str) -> Result<Duration, String> {
    const HOW: &str = "write a number with its unit: \"12h\", \"7d\", \"2y\"";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text:?} has no unit; {HOW}"));
    }
    let period =
        humantime::parse_duration(text).map_err(|_| format!("{text:?} is no duration; {HOW}"))?;
    if period > LONGEST_PERIOD {
        return Err(format!("{text:?} is longer than 100 years; {HOW}"));
    }
    Ok(period)
}

/// Reads a size in bytes: a whole number, alone or with a unit (`512`, `64KiB`, `8MiB`, `1GB`).
///
/// # Errors
/// What is wrong and how to write it instead.
pub fn size(text: &str) -> Result<u64, String> {
    const HOW: &str = "write bytes as \"512\", \"64KiB\", \"8MiB\" or \"1GB\"";
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number = number.replace('_', "");
    if number.is_empty() || unit.starts_with('.') {
        return Err(format!("{text:?} is no whole number of bytes; {HOW}"));
    }
    let unit = unit.trim();
    let Some(factor) = factor(unit) else {
        return Err(format!("{unit:?} in {text:?} is no unit of size; {HOW}"));
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("{text:?} is too large"))
}

fn factor(unit: &str) -> Option<u64> {
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    Some(factor)
}

/// A size as it would be written: with the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, factor) in units {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("8s"), Ok(Duration::from_secs(8)));
        assert_eq!(duration("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert!(duration("5").unwrap_err().contains("has no unit"));
        assert!(duration("").unwrap_err().contains("no duration"));
        assert!(duration("-1s").unwrap_err().contains("no duration"));
        assert!(duration("5 parsecs").unwrap_err().contains("no duration"));
        assert!(duration("13M").unwrap_err().contains("longer than a year"));
    }

    #[test]
    fn periods_may_be_years() {
        assert_eq!(period("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(period("0s"), Ok(Duration::ZERO));
        assert!(period("5y").unwrap() > LONGEST);
        assert!(period("0").unwrap_err().contains("has no unit"));
        assert!(period("soon").unwrap_err().contains("no duration"));
        assert!(period("101y").unwrap_err().contains("longer than 100"));
    }

    #[test]
    fn sizes() {
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("50_000"), Ok(50_000));
        assert_eq!(size("512B"), Ok(512));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("8 MiB"), Ok(8 << 20));
        assert_eq!(size("8mib"), Ok(8 << 20));
        assert_eq!(size("1GB"), Ok(1_000_000_000));
        assert!(size("8M").unwrap_err().contains("no unit of size"));
        assert!(size("8MBit").unwrap_err().contains("no unit of size"));
        assert!(size("1.5MiB").unwrap_err().contains("no whole number"));
        assert!(size("-1").unwrap_err().contains("no whole number"));
        assert!(size("").unwrap_err().contains("no whole number"));
        assert!(size("99999999TiB").unwrap_err().contains("too large"));
    }

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        assert_eq!(show_size(8 << 20), "8MiB");
        assert_eq!(show_size(1536), "1536 bytes");
        assert_eq!(show_size(3 << 30), "3GiB");
        assert_eq!(show_size(0), "0 bytes");
    }
}
