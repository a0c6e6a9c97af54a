//! Documents of JSON, and bytes.

use super::Texts;

impl Texts {
    pub(super) fn json(&mut self, depth: usize) -> String {
        let deepest = if depth == 0 { 6 } else { 10 };
        match self.below(deepest) {
            0 => self.one(&["true", "false", "null"]).to_owned(),
            1 | 2 => self.json_number(),
            3..6 => self.json_string(),
            6 | 7 => {
                let count = self.below(4);
                let items: Vec<String> = (0..count)
                    .map(|_| self.space() + &self.json(depth - 1) + &self.space())
                    .collect();
                format!("[{}{}]", self.space(), items.join(","))
            }
            _ => {
                let count = self.below(4);
                let items: Vec<String> = (0..count)
                    .map(|_| {
                        let key = self.json_string();
                        let (before, after) = (self.space(), self.space());
                        format!("{before}{key}{after}:{}", self.json(depth - 1))
                    })
                    .collect();
                format!("{{{}{}}}", items.join(","), self.space())
            }
        }
    }

    fn space(&mut self) -> String {
        match self.below(5) {
            0 => self.some(2, " \t\n\r"),
            _ => String::new(),
        }
    }

    fn json_number(&mut self) -> String {
        let mut number = self.one(&["", "", "-"]).to_owned();
        number += &match self.below(3) {
            0 => "0".to_owned(),
            1 => self.digits(40),
            _ => self.number(1, 99_999, 1),
        };
        if self.one_in(3) {
            number += ".";
            number += &self.digits(20);
        }
        if self.one_in(4) {
            let exponent = self.one(&["0", "3", "07", "200", "1001", "131071", "131073", "400000"]);
            number += self.one(&["e", "E", "e+", "E-"]);
            number += exponent;
        }
        number
    }

    fn json_string(&mut self) -> String {
        let mut text = String::from("\"");
        for _ in 0..self.below(5) {
            text += match self.below(5) {
                0 => self.one(&[
                    "\\\"",
                    "\\\\",
                    "\\/",
                    "\\b",
                    "\\f",
                    "\\n",
                    "\\r",
                    "\\t",
                    "\\u0000",
                    "\\u0041",
                    "\\u00e9",
                    "\\uD83D\\ude00",
                    "\\ud83d",
                    "\\ude00",
                    "\\ud83d\\ud83d",
                    "\\u12",
                    "\\x",
                    "\\'",
                    "\\uFFFF",
                ]),
                1 => self.one(&["é", "美", "😀", "\u{7f}", "\u{1}", "'", "\u{2028}"]),
                _ => self.one(&["a", "b", " ", "1", "{", "]", ",", ":"]),
            };
        }
        text + "\""
    }

    pub(super) fn bytea(&mut self) -> String {
        let hexadecimal = self.one_in(2);
        let mut text = String::from(if hexadecimal { "\\x" } else { "" });
        for _ in 0..self.below(8) {
            text += match hexadecimal {
                true => self.one(&["00", "ff", "Aa", "5C", " ", "\n", "\t", "7f", "\r", "\u{b}"]),
                false => self.one(&[
                    "a", " ", "\\\\", "\\000", "\\377", "\\400", "\\12", "\"", "x", "é",
                ]),
            };
        }
        text
    }
}
