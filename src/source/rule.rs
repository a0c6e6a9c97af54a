//! The rules of columns in words.

use crate::plan::{Column, EpochUnit};
use crate::row::{Broken, NumberFormat, TimeFormat};

/// What a column's fields must be, to follow its name.
pub fn rule(column: &Column, broken: Broken) -> String {
    let rules = &column.rules;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    match broken {
        Broken::TooLong => {
            let most = rules.max_length.unwrap_or_default();
            format!("may have at most {most} characters")
        }
        Broken::Pattern => format!("must match the pattern {:?}", text(&rules.pattern)),
        Broken::NotAllowed => format!("allows only {}", list(&column.allowed)),
        Broken::Number => {
            let example = NumberFormat::new(rules.thousands, rules.decimal).example();
            format!("must be written as a number such as {example}")
        }
        Broken::Format => {
            let format = text(&rules.format);
            let example = TimeFormat::new(&format).map(|format| format.example());
            let example = example.unwrap_or_default();
            format!("must be written as {format:?}, such as {example}")
        }
        Broken::Epoch => match rules.epoch {
            Some(EpochUnit::Milliseconds) => {
                "must be a whole number of milliseconds since 1970, such as 1735669805500"
            }
            Some(EpochUnit::Microseconds) => {
                "must be a whole number of microseconds since 1970, such as 1735669805500000"
            }
            _ => "must be a number of seconds since 1970, such as 1735669805.5",
        }
        .to_owned(),
        Broken::TimeRange => "must be a time between the years 4713 BC and 294276".to_owned(),
    }
}

/// The first of some values.
fn list(values: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut list = values[..values.len().min(SHOWN)].join(", ");
    if values.len() > SHOWN {
        list.push_str(&format!(" and {} more", values.len() - SHOWN));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ValueRules, ValueType};

    #[test]
    fn every_rule_says_what_would_be_right() {
        let mut column = Column::new("c", ValueType::Text, "text");
        column.allowed = (0..30).map(|number| number.to_string()).collect();
        column.rules = ValueRules {
            pattern: Some("[a-z]+".into()),
            max_length: Some(5),
            format: Some("%d.%m.%Y".into()),
            epoch: Some(EpochUnit::Seconds),
            decimal: Some(','),
            ..ValueRules::default()
        };
        for (broken, said) in [
            (Broken::TooLong, "may have at most 5 characters"),
            (Broken::Pattern, "must match the pattern \"[a-z]+\""),
            (Broken::NotAllowed, "allows only 0, 1, 2, "),
            (Broken::NotAllowed, " and 10 more"),
            (Broken::Number, "such as 1234567,5"),
            (Broken::Format, "as \"%d.%m.%Y\", such as 31.12.2024"),
            (Broken::Epoch, "seconds since 1970"),
            (Broken::TimeRange, "4713 BC"),
        ] {
            let rule = rule(&column, broken);
            assert!(rule.contains(said), "{rule}");
        }
    }
}
