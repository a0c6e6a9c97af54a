//! Texts of a type: values in the ways that people write them, nearly values, and garbage.

mod documents;
mod times;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a type's texts look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Integer,
    Float,
    Numeric,
    Boolean,
    Text,
    Uuid,
    Date,
    Time,
    Timestamp,
    Json,
    Bytea,
    Label,
    Network,
    Interval,
    Array,
}

/// The labels of the tests' enumeration.
pub const LABELS: [&str; 6] = ["sad", "ok", "Very happy", "é", "\"", "\\"];

/// A source of texts.
pub struct Texts(ChaCha8Rng);

/// What is put into texts to spoil them.
const CHARACTERS: &str =
    "0123456789+-.:,/_ TZeEnNxX{}[]()\"'\\abcdfiptuy\t\n\u{b}\u{c}\r\u{a0}é١\u{1f600}";

impl Texts {
    /// The texts of a seed.
    pub fn new(seed: u64) -> Texts {
        Texts(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A text: six in ten are meant well, three are spoilt, one is garbage.
    pub fn text(&mut self, shape: Shape) -> String {
        let text = self.meant(shape);
        match self.below(10) {
            0..6 => text,
            6..9 => self.spoilt(text),
            _ => self.some(12, CHARACTERS),
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.random_range(0..limit)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Up to so many of these characters.
    fn some(&mut self, most: usize, characters: &str) -> String {
        let characters: Vec<char> = characters.chars().collect();
        let count = self.below(most + 1);
        (0..count)
            .map(|_| characters[self.below(characters.len())])
            .collect()
    }

    fn digits(&mut self, most: usize) -> String {
        match self.below(8) {
            0 => "0".repeat(self.below(most + 1)),
            1 => "9".repeat(self.below(most + 1)),
            _ => self.some(most, "0123456789"),
        }
    }

    /// Between these, in so many digits at least.
    fn number(&mut self, low: usize, high: usize, width: usize) -> String {
        let number = low + self.below(high - low + 1);
        format!("{number:0width$}")
    }

    fn spoilt(&mut self, text: String) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(2) {
            let at = self.below(characters.len() + 1);
            let other = self.some(1, CHARACTERS).chars().next().unwrap_or(' ');
            match self.below(5) {
                0 => characters.insert(at, other),
                1 if at < characters.len() => characters[at] = other,
                2 if at < characters.len() => {
                    characters.remove(at);
                }
                3 if at < characters.len() => {
                    let twice = characters[at];
                    characters.insert(at, twice);
                }
                _ => characters.truncate(at),
            }
        }
        characters.into_iter().collect()
    }

    fn meant(&mut self, shape: Shape) -> String {
        let text = match shape {
            Shape::Integer => self.integer(),
            Shape::Float => self.decimal(330),
            Shape::Numeric => self.decimal(40),
            Shape::Boolean => self.boolean(),
            Shape::Text => return self.some(8, " ab\u{e9}\u{7f8e}\u{1f600}\\N\"\t\n"),
            Shape::Uuid => return self.uuid(),
            Shape::Date => self.date(),
            Shape::Time => self.time(),
            Shape::Timestamp => self.timestamp(),
            Shape::Json => self.json(4),
            Shape::Bytea => return self.bytea(),
            Shape::Label => return self.one(&LABELS).to_owned(),
            Shape::Network => self.network(),
            Shape::Interval => self.interval(),
            Shape::Array => self.array(2),
        };
        match self.below(6) {
            0 => {
                let (before, after) = (self.blanks(), self.blanks());
                before + &text + &after
            }
            _ => text,
        }
    }

    fn blanks(&mut self) -> String {
        if self.one_in(50) {
            return " ".repeat(200);
        }
        self.some(2, " \t\n\u{b}\u{c}\r")
    }

    fn sign(&mut self) -> &'static str {
        self.one(&["", "", "", "-", "-", "+"])
    }

    fn integer(&mut self) -> String {
        let edges = [
            "32767",
            "32768",
            "2147483647",
            "2147483648",
            "9223372036854775807",
            "9223372036854775808",
            "0x1F",
            "1_000",
            "1e3",
            "0",
        ];
        let number = match self.below(4) {
            0 => self.one(&edges).to_owned(),
            1 => self.digits(21),
            _ => self.digits(6),
        };
        self.sign().to_owned() + &number
    }

    fn decimal(&mut self, most_exponent: usize) -> String {
        let special = [
            "NaN",
            "nan",
            "Infinity",
            "infinity",
            "inf",
            "-inf",
            "+Infinity",
            "0x1p3",
            "1e400",
            "4.9e-324",
            "2.4e-324",
            "1.17549435e-38",
            "7.0e-46",
            "3.4028235e38",
            "3.4028236e38",
            "1.7976931348623157e308",
            "1.7976931348623159e308",
            "nan(1)",
            "-nan",
            "1e131071",
        ];
        if self.one_in(12) {
            return self.one(&special).to_owned();
        }
        let mut number = self.sign().to_owned();
        let most = self.one(&["3", "9", "17", "60"]).parse().expect("a number");
        number += &self.digits(most);
        if self.one_in(2) {
            number += ".";
            number += &self.digits(most);
        }
        if self.one_in(5) {
            number += self.one(&["e", "E"]);
            number += self.sign();
            number += &self.below(most_exponent).to_string();
        }
        number
    }

    fn boolean(&mut self) -> String {
        let word = self.one(&[
            "true", "false", "yes", "no", "on", "off", "1", "0", "T", "nO", "oN",
        ]);
        let length = 1 + self.below(word.len());
        word[..length].to_owned()
    }

    fn uuid(&mut self) -> String {
        let mut text = String::new();
        let hyphens = self.below(3);
        for group in 0..8 {
            let usual = matches!(group, 2..=5);
            let hyphen = match hyphens {
                0 => usual,
                1 => group > 0 && self.one_in(2),
                _ => false,
            };
            if hyphen {
                text.push('-');
            }
            for _ in 0..4 {
                text += self.one(&["0", "1", "7", "9", "a", "f", "C", "F"]);
            }
        }
        match self.below(5) {
            0 => format!("{{{text}}}"),
            _ => text,
        }
    }

    fn network(&mut self) -> String {
        let parts: Vec<String> = (0..4).map(|_| self.number(0, 256, 1)).collect();
        match self.below(4) {
            0 => self
                .one(&["::1", "fe80::1/64", "::ffff:1.2.3.4", "2001:db8::/129"])
                .to_owned(),
            1 => format!("{}/{}", parts.join("."), self.below(34)),
            _ => parts.join("."),
        }
    }

    fn array(&mut self, depth: usize) -> String {
        let items: Vec<String> = (0..self.below(4))
            .map(|_| match self.below(8) {
                0 if depth > 0 => self.array(depth - 1),
                1 => self
                    .one(&["NULL", "null", "\"1\"", "\"\"", " 2 "])
                    .to_owned(),
                _ => self.integer(),
            })
            .collect();
        format!("{{{}}}", items.join(","))
    }
}
