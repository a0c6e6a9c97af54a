//! Numbers as people write them, with separators, to numbers as the server reads them.

use super::space::trim;

/// How a column's numbers are written.
#[derive(Clone, Copy, Debug)]
pub struct NumberFormat {
    thousands: Option<char>,
    decimal: char,
}

impl NumberFormat {
    /// The notation with these separators; a point stands before the fraction unless said otherwise.
    pub fn new(thousands: Option<char>, decimal: Option<char>) -> NumberFormat {
        NumberFormat {
            thousands,
            decimal: decimal.unwrap_or('.'),
        }
    }

    /// The number in plain notation: `text` itself, or a copy in `scratch`. What has none of the
    /// separators is left to the type's encoder and to the server (`1e3`, `NaN`).
    ///
    /// `None` where a separator stands where it can't: thousands are groups of three digits, all of
    /// them or none, before the fraction.
    pub fn plain<'a>(&self, text: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let number = std::str::from_utf8(trim(text)).ok()?;
        let separates = |c: char| {
            // A point in a number with a decimal comma must be one of the thousands.
            Some(c) == self.thousands || self.decimal != '.' && (c == self.decimal || c == '.')
        };
        if !number.contains(separates) {
            return Some(text);
        }
        scratch.clear();
        let (sign, digits) = match number.strip_prefix(['-', '+']) {
            Some(digits) => number.split_at(number.len() - digits.len()),
            None => ("", number),
        };
        scratch.extend_from_slice(sign.as_bytes());
        let rest = self.take_integer(digits, scratch)?;
        let rest = match rest.strip_prefix(self.decimal) {
            Some(fraction) => {
                scratch.push(b'.');
                take_digits(fraction, scratch)
            }
            None => rest,
        };
        if !scratch.iter().any(u8::is_ascii_digit) {
            return None;
        }
        if !rest.is_empty() {
            let exponent = rest.strip_prefix(['e', 'E'])?;
            if exponent.contains(separates) {
                return None;
            }
            scratch.extend_from_slice(rest.as_bytes());
        }
        Some(scratch)
    }

    /// An example for people.
    pub fn example(&self) -> String {
        let (thousands, decimal) = (self.thousands, self.decimal);
        let thousands = thousands.map_or(String::new(), String::from);
        format!("1{thousands}234{thousands}567{decimal}5")
    }

    /// Takes the digits before the fraction, with or without thousands; what follows them.
    fn take_integer<'a>(&self, text: &'a str, out: &mut Vec<u8>) -> Option<&'a str> {
        let first = digits_of(text);
        let mut rest = take_digits(text, out);
        let Some(thousands) = self.thousands else {
            return Some(rest);
        };
        if rest.starts_with(thousands) && !(1..=3).contains(&first) {
            return None;
        }
        while let Some(group) = rest.strip_prefix(thousands) {
            if digits_of(group) != 3 {
                return None;
            }
            rest = take_digits(group, out);
        }
        Some(rest)
    }
}

fn digits_of(text: &str) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    digits.count()
}

fn take_digits<'a>(text: &'a str, out: &mut Vec<u8>) -> &'a str {
    let (digits, rest) = text.split_at(digits_of(text));
    out.extend_from_slice(digits.as_bytes());
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(thousands: Option<char>, decimal: Option<char>, text: &str) -> Option<String> {
        let mut scratch = Vec::new();
        let plain = NumberFormat::new(thousands, decimal).plain(text.as_bytes(), &mut scratch)?;
        Some(String::from_utf8(plain.to_vec()).unwrap())
    }

    #[test]
    fn separators_stand_in_their_places() {
        for (thousands, decimal, text, expected) in [
            ('.', ',', "1.234.567,89", Some("1234567.89")),
            ('.', ',', " -1.234,5 ", Some("-1234.5")),
            ('.', ',', "+12", Some("+12")),
            ('.', ',', "1234567,89", Some("1234567.89")),
            ('.', ',', ",5", Some(".5")),
            ('.', ',', "5,", Some("5.")),
            ('.', ',', "1,5e3", Some("1.5e3")),
            ('.', ',', "1.234", Some("1234")),
            ('.', ',', "1.5", None),
            ('.', ',', "1.2345", None),
            ('.', ',', "1234.567", None),
            ('.', ',', ".234", None),
            ('.', ',', "1..234", None),
            ('.', ',', "1.234.", None),
            ('.', ',', "1,234.567", None),
            ('.', ',', "1,2,3", None),
            ('.', ',', ",", None),
            ('.', ',', "-", Some("-")),
            ('.', ',', "1e1.000", None),
            ('.', ',', "1.234 EUR", None),
            (',', '.', "1,234,567.89", Some("1234567.89")),
            (',', '.', "12,34,567", None),
            (',', '.', "1.5", Some("1.5")),
            (',', '.', "1.234,5", None),
            ('\'', '.', "1'234", Some("1234")),
            ('\u{a0}', ',', "12\u{a0}345,6", Some("12345.6")),
            (' ', ',', "12 345 678", Some("12345678")),
        ] {
            let found = plain(Some(thousands), Some(decimal), text);
            assert_eq!(found.as_deref(), expected, "{thousands} {decimal} {text:?}");
        }
    }

    #[test]
    fn a_point_is_no_decimal_comma() {
        assert_eq!(plain(None, Some(','), "1,5").as_deref(), Some("1.5"));
        assert_eq!(plain(None, Some(','), "1.5"), None);
        assert_eq!(plain(None, Some(','), "1.234,5"), None);
    }

    #[test]
    fn what_has_no_separator_is_left_alone() {
        for text in ["", " 12 ", "1e3", "NaN", "-Infinity", "0x1F", "one"] {
            assert_eq!(plain(Some('.'), Some(','), text).as_deref(), Some(text));
        }
    }

    #[test]
    fn an_example_is_a_number() {
        for (thousands, decimal) in [(Some('.'), Some(',')), (Some(','), None), (None, Some(','))] {
            let format = NumberFormat::new(thousands, decimal);
            let example = format.example();
            assert_eq!(
                plain(thousands, decimal, &example).as_deref(),
                Some("1234567.5")
            );
        }
    }
}
