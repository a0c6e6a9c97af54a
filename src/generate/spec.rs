//! What is to be generated.

use std::fmt;
use std::str::FromStr;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::Weights;
use super::random::mix;

/// What is to be generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// From which everything follows.
    pub seed: u64,
    /// How many rows in all, at most [`Spec::MOST_ROWS`].
    pub rows: u64,
    /// How many rows a file holds; the last one may hold fewer.
    pub rows_per_file: u64,
    /// How many users there are.
    pub users: u64,
    /// How many products there are, at most [`Spec::MOST_PRODUCTS`].
    pub products: u64,
    /// How often each event type comes.
    pub weights: Weights,
    /// The share of rows that no pipeline can load.
    pub malformed: Share,
    /// The share of rows that repeat an earlier event id with other values.
    pub duplicates: Share,
}

impl Spec {
    /// So many that the event times stay within four-digit years.
    pub const MOST_ROWS: u64 = 100_000_000_000;

    /// So many that a catalogue of them fits into memory.
    pub const MOST_PRODUCTS: u64 = 1_000_000;

    /// The defaults, with a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rows: 10_000,
            rows_per_file: 15,
            users: 1_000,
            products: 25,
            weights: Weights::default(),
            malformed: Share::NONE,
            duplicates: Share::NONE,
        }
    }

    /// Whether something can be generated from it.
    pub fn check(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::new(ErrorKind::Configuration, message));
        if self.rows > Self::MOST_ROWS {
            return wrong(
                "more than 100,000,000,000 rows are more than event times can be had for",
            );
        }
        if self.rows_per_file == 0 {
            return wrong("a file has to hold at least 1 row");
        }
        if self.users == 0 || self.products == 0 {
            return wrong("there has to be at least 1 user and 1 product");
        }
        if self.products > Self::MOST_PRODUCTS {
            return wrong("there can be at most 1,000,000 products");
        }
        let special = self.malformed.per_million() + self.duplicates.per_million();
        if special > Share::ALL.per_million() {
            return wrong("malformed rows and duplicates are more than 100% together; lower one");
        }
        Ok(())
    }

    /// Eight hexadecimal digits that stand for everything but the number of rows: two specs with
    /// the same ones begin with the same rows.
    pub(super) fn fingerprint(&self) -> u32 {
        let weights = super::EventType::ALL.map(|of| u64::from(self.weights.of(of)));
        let numbers = [
            self.seed,
            self.rows_per_file,
            self.users,
            self.products,
            self.malformed.per_million(),
            self.duplicates.per_million(),
        ];
        let hash = numbers
            .into_iter()
            .chain(weights)
            .fold(0, |hash: u64, number| {
                mix(hash.rotate_left(5) ^ mix(!number))
            });
        (hash >> 32) as u32
    }
}

/// A share of all rows, in steps of a millionth; written `0.5%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u64);

impl Share {
    /// No row.
    pub const NONE: Share = Share(0);
    /// Every row.
    pub const ALL: Share = Share(1_000_000);

    /// That many rows of each million, at most all.
    pub fn of_million(rows: u64) -> Share {
        Share(rows.min(Share::ALL.0))
    }

    /// How many rows of each million.
    pub fn per_million(self) -> u64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const DECIMALS: usize = 4;
        let Some(number) = text.strip_suffix('%') else {
            return match text {
                "0" => Ok(Share::NONE),
                _ => Err("a share is written as a percentage, such as 0.5%".to_owned()),
            };
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 9 || !digits(whole) || !digits(fraction) {
            return Err("write a number from 0 to 100 before the %, such as 0.5%".to_owned());
        }
        if fraction.len() > DECIMALS {
            return Err("the finest step is 0.0001%; leave out the digits after that".to_owned());
        }
        let millionths = format!("{whole}{fraction:0<DECIMALS$}");
        match millionths.parse() {
            Ok(number) if number <= Share::ALL.0 => Ok(Share(number)),
            _ => Err("more than all is not to be had; write a number from 0% to 100%".to_owned()),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / 10_000, self.0 % 10_000);
        if fraction == 0 {
            return write!(f, "{whole}%");
        }
        let fraction = format!("{fraction:04}");
        write!(f, "{whole}.{}%", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        let share = |text: &str| text.parse::<Share>().map(Share::per_million);
        assert_eq!(share("0.5%"), Ok(5_000));
        assert_eq!(share("1%"), Ok(10_000));
        assert_eq!(share("0"), Ok(0));
        assert_eq!(share("100%"), Ok(1_000_000));
        assert_eq!(share("0.0001%"), Ok(1));
        for text in ["0.5%", "100%", "0%", "12.0304%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_say_what_would_be_right() {
        for text in ["0.5", "half", "", "%", "-1%", ".5%", "1e2%", "٣%"] {
            let error = text.parse::<Share>().unwrap_err();
            assert!(error.contains("such as 0.5%"), "{text}: {error}");
        }
        let error = "100.1%".parse::<Share>().unwrap_err();
        assert!(error.contains("0% to 100%"), "{error}");
        let error = "0.00001%".parse::<Share>().unwrap_err();
        assert!(error.contains("0.0001%"), "{error}");
    }

    #[test]
    fn impossible_specs_are_refused() {
        assert!(Spec::new(1).check().is_ok());
        let wrong: [fn(&mut Spec); 6] = [
            |spec| spec.rows = Spec::MOST_ROWS + 1,
            |spec| spec.rows_per_file = 0,
            |spec| spec.users = 0,
            |spec| spec.products = 0,
            |spec| spec.products = Spec::MOST_PRODUCTS + 1,
            |spec| {
                spec.malformed = Share::of_million(600_000);
                spec.duplicates = Share::of_million(400_001);
            },
        ];
        for change in wrong {
            let mut spec = Spec::new(1);
            change(&mut spec);
            let error = spec.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
        }
    }

    #[test]
    fn the_fingerprint_stands_for_all_but_the_number_of_rows() {
        let base = Spec::new(1);
        let more_rows = Spec {
            rows: 5,
            ..base.clone()
        };
        assert_eq!(base.fingerprint(), more_rows.fingerprint());
        let others = [
            Spec::new(2),
            Spec {
                users: 1_001,
                ..base.clone()
            },
            Spec {
                products: 26,
                ..base.clone()
            },
            Spec {
                rows_per_file: 16,
                ..base.clone()
            },
            Spec {
                malformed: Share::of_million(1),
                ..base.clone()
            },
            Spec {
                duplicates: Share::of_million(1),
                ..base.clone()
            },
            Spec {
                weights: "view=1".parse().unwrap(),
                ..base.clone()
            },
        ];
        for other in others {
            assert_ne!(base.fingerprint(), other.fingerprint(), "{other:?}");
        }
    }
}
