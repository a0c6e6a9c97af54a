//! The products that events are about, each a function of its number.

use super::random::{Purpose, Stream};
use super::text;

/// A product of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its number, from 1.
    pub number: u64,
    /// What it is.
    pub name: &'static str,
    /// The category it is sold in.
    pub category: &'static str,
    /// Its list price, in hundredths.
    pub cents: u64,
}

impl Product {
    /// The header of the catalogue.
    pub const HEADER: &'static str = "product_id,name,category,price";

    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut random = Stream::new(seed, Purpose::Product, number);
        // The first products go through all the names, so that a small catalogue has them all.
        let (category, names) = ASSORTMENT[((number - 1) % ASSORTMENT.len() as u64) as usize];
        // The product of two numbers: many cheap things, few dear ones.
        let cents = 199 + random.below(1_000) * random.below(150);
        Self {
            number,
            name: names[random.below(names.len() as u64) as usize],
            category,
            cents,
        }
    }

    /// Writes its id.
    pub(super) fn write_id(number: u64, out: &mut Vec<u8>) {
        out.push(b'P');
        text::padded(out, number, 5);
    }

    /// Writes its record of the catalogue.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        Self::write_id(self.number, out);
        out.push(b',');
        text::csv_field(out, self.name.as_bytes(), false);
        out.push(b',');
        text::csv_field(out, self.category.as_bytes(), false);
        out.push(b',');
        text::money(out, self.cents);
        out.push(b'\n');
    }
}

/// Categories with what is sold in them: with commas, quotes, backslashes and letters of many
/// alphabets, as they come in real life.
const ASSORTMENT: [(&str, [&str; 3]); 12] = [
    (
        "Electronics",
        ["Monitor 27\"", "Headphones", "USB cable, 2 m"],
    ),
    ("Home, Garden", ["Watering can", "Rake", "Lamp \"Luna\""]),
    ("Books", ["Cookbook", "Atlas", "A novel, in two parts"]),
    ("Möbel", ["Stuhl", "Küchentisch", "Bücherregal"]),
    ("Toys & Games", ["Puzzle", "Kite", "Chess set"]),
    ("Café \"Roma\"", ["Espresso", "Crème brûlée", "Mug, blue"]),
    ("電子機器", ["カメラ", "時計", "充電器"]),
    ("Sports", ["Football", "Yoga mat", "Tent, 2 persons"]),
    ("Hi-Fi \\ Audio", ["Turntable", "Amplifier", "Speaker 8\""]),
    ("Книги", ["Словарь", "Роман", "Атлас"]),
    ("Beauty", ["Soap", "Crème de jour", "Comb"]),
    ("Garden; Tools", ["Spade", "Hose, 20 m", "Shears"]),
];
