//! Dates, times and intervals.

use super::Texts;

impl Texts {
    pub(super) fn date(&mut self) -> String {
        let year = match self.below(8) {
            0 => self.number(0, 12_000, 4),
            1 => self.number(0, 99, 2),
            _ => self.number(1890, 2110, 4),
        };
        let (month, day) = match self.below(4) {
            0 => (self.number(0, 13, 2), self.number(0, 32, 2)),
            _ => (self.number(1, 12, 2), self.number(1, 28, 2)),
        };
        let name = self.one(&["Jan", "feb", "March", "JUN", "Septem", "December"]);
        match self.below(32) {
            0 => self
                .one(&[
                    "infinity",
                    "-infinity",
                    "+infinity",
                    "epoch",
                    "J2451187",
                    "allballs",
                    "Infinity",
                ])
                .to_owned(),
            1 => format!("{name} {day} {year}"),
            2 => format!("{day}-{name}-{year}"),
            3 => format!("{year}{month}{day}"),
            4 => format!("{day}/{month}/{year}"),
            5 => format!("{year}/{month}/{day}"),
            6 => format!("{year}.{}", self.number(0, 367, 3)),
            7 => format!("{year}-{month}-{day} {}", self.one(&["BC", "AD", "bc"])),
            8 => format!("{year}-{name}-{day}"),
            9 => format!(
                "{year}-{}-{}",
                month.trim_start_matches('0'),
                day.trim_start_matches('0')
            ),
            _ => format!("{year}-{month}-{day}"),
        }
    }

    pub(super) fn time(&mut self) -> String {
        let (hour, minute) = (self.number(0, 24, 2), self.number(0, 60, 2));
        let mut text = match self.below(20) {
            0 => format!("{hour}{minute}"),
            1 => format!("{}:{minute}", hour.trim_start_matches('0')),
            2 => hour,
            _ => format!("{hour}:{minute}"),
        };
        if self.one_in(2) {
            text += &format!(":{}", self.number(0, 60, 2));
            if self.one_in(2) {
                text += self.one(&[".", ".", ".", ".", ".", ","]);
                text += match self.below(4) {
                    0 => self
                        .one(&["9999995", "9999994999", "0000005", "5", "999999"])
                        .to_owned(),
                    1 => self.digits(32),
                    _ => self.digits(7),
                }
                .as_str();
            }
        }
        if self.one_in(20) {
            text += self.one(&[" AM", " PM", "pm", "am", " BC"]);
        }
        text
    }

    fn zone(&mut self) -> String {
        let sign = self.one(&["+", "+", "-", "-", " +", " -", "  +"]);
        let (hour, minute) = (self.number(0, 16, 2), self.number(0, 60, 2));
        match self.below(10) {
            0 => self
                .one(&[
                    "Z",
                    "z",
                    " Z",
                    "UTC",
                    " utc",
                    " GMT",
                    "zulu",
                    " America/New_York",
                    " EST",
                    " PST8PDT",
                ])
                .to_owned(),
            1 => format!("{sign}{hour}{minute}"),
            2 => format!("{sign}{hour}:{minute}:{}", self.number(0, 60, 2)),
            3 => format!("{sign}{}", hour.trim_start_matches('0')),
            4 | 5 => format!("{sign}{hour}"),
            _ => format!("{sign}{hour}:{minute}"),
        }
    }

    pub(super) fn timestamp(&mut self) -> String {
        let mut text = self.date();
        if self.one_in(6) {
            return text;
        }
        text += self.one(&[" ", " ", " ", " ", "T", "T", "T", "t", "  ", ""]);
        text += &self.time();
        if self.one_in(2) {
            text += &self.zone();
        }
        text
    }

    pub(super) fn interval(&mut self) -> String {
        let unit = self.one(&[
            "day",
            "days",
            "mon",
            "years",
            "hours",
            "secs",
            "weeks",
            "week ago",
            "fortnight",
        ]);
        match self.below(4) {
            0 => self.time(),
            1 => format!("P{}Y{}M", self.below(20), self.below(20)),
            _ => format!("{}{} {unit}", self.sign(), self.digits(5)),
        }
    }
}
