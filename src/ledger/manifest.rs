//! PURE: what a manifest says of its file, and whether the file agrees.

use serde_json::Value;

/// The longest manifest that is read.
pub const LONGEST: u64 = 64 << 10;

/// What a manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// How many records the file has, those that can't be loaded included, the header not.
    pub records: u64,
    /// How long the file is, as it stands.
    pub bytes: Option<u64>,
}

/// What is to be found at a file's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The records of the whole file.
    pub records: u64,
    /// Those of them that stand before a tail's own.
    pub before: u64,
}

impl Expected {
    /// Why a file with so many records of its own is not what its manifest says.
    pub fn mismatch(self, records: u64) -> Option<String> {
        let found = self.before + records;
        (found != self.records).then(|| {
            format!(
                "the manifest says {}, the file has {found}",
                counted(self.records)
            )
        })
    }
}

fn counted(records: u64) -> String {
    match records {
        1 => "1 record".to_owned(),
        other => format!("{other} records"),
    }
}

/// How a file's length compares with what the manifest says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Length {
    /// It agrees, or nothing is said.
    Agrees,
    /// The file is not complete yet: why, for people.
    Short(String),
    /// The file has more: why, for people.
    Long(String),
}

impl Manifest {
    /// Compares the file's length.
    pub fn length(&self, size: u64) -> Length {
        let Some(bytes) = self.bytes else {
            return Length::Agrees;
        };
        let reason = || format!("the manifest says {bytes} bytes, the file has {size}");
        match size.cmp(&bytes) {
            std::cmp::Ordering::Less => Length::Short(reason()),
            std::cmp::Ordering::Equal => Length::Agrees,
            std::cmp::Ordering::Greater => Length::Long(reason()),
        }
    }
}

/// Reads a manifest: a plain decimal number, or a JSON object.
///
/// # Errors
/// What is wrong with it, for people; never its text.
pub fn parse(content: &[u8]) -> Result<Manifest, String> {
    const WANTED: &str =
        "it has to hold the number of records, or JSON such as {\"records\": 1000}";
    let text = std::str::from_utf8(content)
        .map_err(|_| format!("the manifest is not UTF-8; {WANTED}"))?
        .trim_start_matches('\u{FEFF}')
        .trim();
    if text.is_empty() {
        return Err(format!("the manifest is empty; {WANTED}"));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let records = text
            .parse()
            .map_err(|_| format!("the manifest's number is too large; {WANTED}"))?;
        return Ok(Manifest {
            records,
            bytes: None,
        });
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|_| format!("the manifest is neither a number nor JSON; {WANTED}"))?;
    let Value::Object(fields) = value else {
        return Err(format!("the manifest is no JSON object; {WANTED}"));
    };
    let count = |name: &str| {
        let field = fields.get(name);
        let number = field.map(|value| value.as_u64().ok_or(()));
        number.transpose().map_err(|()| {
            format!("the manifest's {name:?} is not a whole number, 0 or more; {WANTED}")
        })
    };
    let records = count("records")?;
    Ok(Manifest {
        records: records.ok_or_else(|| format!("the manifest has no \"records\"; {WANTED}"))?,
        bytes: count("bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_an_object_is_read() {
        let plain = |records| Manifest {
            records,
            bytes: None,
        };
        for (text, expected) in [
            ("0", plain(0)),
            (" 1000\r\n", plain(1000)),
            ("\u{FEFF}7\n", plain(7)),
            ("{\"records\": 5}", plain(5)),
            (
                "{\"records\":5,\"bytes\":70,\"made_by\":\"x\"}\n",
                Manifest {
                    records: 5,
                    bytes: Some(70),
                },
            ),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_says_what_is_wrong_and_not_what_it_holds() {
        for (content, said) in [
            (&b""[..], "is empty"),
            (b" \n", "is empty"),
            (b"secret", "neither a number nor JSON"),
            (b"-5", "no JSON object"),
            (b"+5", "neither"),
            (b"5.0", "no JSON object"),
            (b"1_000", "neither"),
            (b"99999999999999999999", "too large"),
            (b"[5]", "no JSON object"),
            (b"{\"bytes\": 5}", "no \"records\""),
            (b"{\"records\": \"5\"}", "\"records\" is not a whole number"),
            (
                b"{\"records\": 5, \"bytes\": -1}",
                "\"bytes\" is not a whole number",
            ),
            (b"{\"records\": 5", "neither a number nor JSON"),
            (b"\xFF", "not UTF-8"),
        ] {
            let error = parse(content).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_count_has_to_agree_over_the_whole_file() {
        let expected = Expected {
            records: 7,
            before: 2,
        };
        assert_eq!(expected.mismatch(5), None);
        let reason = expected.mismatch(4).unwrap();
        assert_eq!(reason, "the manifest says 7 records, the file has 6");
    }

    #[test]
    fn a_short_file_is_waited_for_and_a_long_one_is_not() {
        let manifest = Manifest {
            records: 1,
            bytes: Some(10),
        };
        assert_eq!(manifest.length(10), Length::Agrees);
        assert!(matches!(manifest.length(9), Length::Short(_)));
        assert!(matches!(manifest.length(11), Length::Long(_)));
    }
}
