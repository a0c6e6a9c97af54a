//! PostgreSQL's binary values as text, written from the server's `…_recv` functions and not from the
//! encoders: <https://www.postgresql.org/docs/current/datatype.html>, `src/backend/utils/adt`.

use ingestd::plan::ValueType;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The value as text that the server would take for the same value.
pub fn decode(value_type: ValueType, bytes: &[u8]) -> String {
    match value_type {
        ValueType::Int2 => i16::from_be_bytes(exactly(bytes)).to_string(),
        ValueType::Int4 => i32::from_be_bytes(exactly(bytes)).to_string(),
        ValueType::Int8 => i64::from_be_bytes(exactly(bytes)).to_string(),
        ValueType::Float4 => f32::from_be_bytes(exactly(bytes)).to_string(),
        ValueType::Float8 => f64::from_be_bytes(exactly(bytes)).to_string(),
        ValueType::Numeric => numeric(bytes),
        ValueType::Bool => (bytes == [1]).to_string(),
        ValueType::Uuid => hex(bytes),
        ValueType::Date => match i32::from_be_bytes(exactly(bytes)) {
            i32::MAX => "infinity".to_owned(),
            i32::MIN => "-infinity".to_owned(),
            days => with_era(i64::from(days), ""),
        },
        ValueType::Timestamp => timestamp(i64::from_be_bytes(exactly(bytes)), ""),
        ValueType::Timestamptz => timestamp(i64::from_be_bytes(exactly(bytes)), "+00"),
        ValueType::Time => clock(i64::from_be_bytes(exactly(bytes))),
        ValueType::Jsonb => utf8(&bytes[1..]),
        ValueType::Bytea => format!("\\x{}", hex(bytes)),
        _ => utf8(bytes),
    }
}

/// Whether the bytes are the value that the text says, for types that the standard library reads too.
pub fn means(value_type: ValueType, text: &str, bytes: &[u8]) -> bool {
    let space = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];
    let trimmed = text.trim_matches(space);
    match value_type {
        ValueType::Int2 | ValueType::Int4 | ValueType::Int8 => {
            trimmed.parse::<i64>().map(|value| value.to_string()) == Ok(decode(value_type, bytes))
        }
        ValueType::Float4 => trimmed.parse::<f32>().is_ok_and(|value| {
            let read = f32::from_be_bytes(exactly(bytes));
            value.is_nan() && read.is_nan() || value.to_bits() == read.to_bits()
        }),
        ValueType::Float8 => trimmed.parse::<f64>().is_ok_and(|value| {
            let read = f64::from_be_bytes(exactly(bytes));
            value.is_nan() && read.is_nan() || value.to_bits() == read.to_bits()
        }),
        ValueType::Uuid => {
            let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
            digits.to_ascii_lowercase() == hex(bytes)
        }
        ValueType::Text | ValueType::Json => text.as_bytes() == bytes,
        ValueType::Jsonb => text.as_bytes() == &bytes[1..],
        ValueType::Bool => {
            let word = trimmed.to_ascii_lowercase();
            let yes = ["true", "yes"].iter().any(|it| it.starts_with(&word));
            (yes || word == "on" || word == "1") == (bytes == [1])
        }
        _ => true,
    }
}

fn exactly<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a value of its type's length")
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `numeric_recv`: digits to the base of 10,000, a weight, a sign and the digits behind the point.
fn numeric(bytes: &[u8]) -> String {
    let words: Vec<u16> = bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes(exactly(pair)))
        .collect();
    let [count, weight, sign, scale, ref digits @ ..] = words[..] else {
        panic!("a numeric has four words before its digits");
    };
    assert_eq!(usize::from(count), digits.len());
    let sign = match sign {
        0 => "",
        0x4000 => "-",
        0xC000 => return "NaN".to_owned(),
        0xD000 => return "Infinity".to_owned(),
        0xF000 => return "-Infinity".to_owned(),
        other => panic!("no sign of a numeric: {other:#x}"),
    };
    let weight = i32::from(weight.cast_signed());
    let digit = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        index
            .and_then(|index| digits.get(index))
            .copied()
            .unwrap_or(0)
    };
    let whole: String = (0..=weight.max(0))
        .rev()
        .map(|place| format!("{:04}", digit(place)))
        .collect();
    let scale = usize::from(scale);
    let places = scale.div_ceil(4) as i32;
    let fraction: String = (1..=places)
        .map(|place| format!("{:04}", digit(-place)))
        .collect();
    assert!(
        fraction[scale..].bytes().all(|b| b == b'0'),
        "digits behind the scale"
    );
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match scale {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{}", &fraction[..scale]),
    }
}

fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => {
            let time = format!(" {}{zone}", clock(micros.rem_euclid(DAY)));
            with_era(micros.div_euclid(DAY), &time)
        }
    }
}

fn clock(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        micros % 1_000_000
    )
}

/// The day that is so many days after 2000-01-01, a time behind it, and BC where it is before the year 1.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn with_era(days: i64, time: &str) -> String {
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let date = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    match year {
        1.. => format!("{year:04}-{month:02}-{date:02}{time}"),
        _ => format!("{:04}-{month:02}-{date:02}{time} BC", 1 - year),
    }
}
