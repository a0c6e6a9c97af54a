//! PURE: a wave: files that are dropped together, and what has to come of them.
//!
//! Memory holds one wave at a time, as the numbers that its files follow from.

use std::io::{self, Write};

use ingestd_actors::error::Result;

use crate::generate::{Generator, HEADER, Share, Spec};

/// A pipeline of the service under test; its table and its directory are called like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// With a key: a row of the same key replaces the one that is there.
    Keyed,
    /// Without a key: a row that is loaded twice is there twice. Every second file is gzip.
    Plain,
    /// Without a key, each file as a whole.
    Whole,
    /// Without a key, files that stay and grow.
    Growing,
}

impl Flow {
    /// All of them.
    pub const ALL: [Flow; 4] = [Flow::Keyed, Flow::Plain, Flow::Whole, Flow::Growing];

    /// The pipeline, its table, its directory.
    pub fn name(self) -> &'static str {
        match self {
            Flow::Keyed => "chaos_keyed",
            Flow::Plain => "chaos_plain",
            Flow::Whole => "chaos_whole",
            Flow::Growing => "chaos_growing",
        }
    }

    /// Whether its files leave the inbox.
    pub fn leaves(self) -> bool {
        self != Flow::Growing
    }
}

/// A file, and what has to come of it.
#[derive(Clone, Debug)]
pub struct Input {
    /// Whose it is.
    pub flow: Flow,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// What it is made of.
    generator: usize,
    /// Which file of the generator.
    file: u64,
}

/// What is done to a file while it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Whole,
    /// The same, and it is compressed.
    Gzip,
    /// It grows.
    Grows,
    /// It is replaced by another one with the same keys.
    Replaced,
}

/// Files that are dropped together, and those that faults add.
pub struct Wave {
    /// The how many-th, from 1.
    pub number: u64,
    seed: u64,
    generators: Vec<(Flow, Generator)>,
    inputs: Vec<Input>,
}

impl Wave {
    /// A wave of about so many rows.
    ///
    /// # Errors
    /// Where so many rows can't be generated.
    pub fn new(seed: u64, number: u64, rows: u64) -> Result<Wave> {
        let mut wave = Wave {
            number,
            seed: spread(seed ^ spread(number)),
            generators: Vec::new(),
            inputs: Vec::new(),
        };
        // Two fifths, two fifths, a fifth.
        for (flow, files, share) in [
            (Flow::Keyed, 3, 2),
            (Flow::Plain, 4, 2),
            (Flow::Whole, 2, 1),
        ] {
            let rows_per_file = (rows * share / 5).div_ceil(files).max(1);
            let spec = Spec {
                rows: files * rows_per_file,
                rows_per_file,
                malformed: Share::of_million(5_000),
                duplicates: Share::of_million(20_000),
                ..Spec::new(wave.next_seed())
            };
            let generator = wave.add_generator(flow, spec)?;
            for file in 1..=files {
                let is_gzip = flow == Flow::Plain && file % 2 == 0;
                let ending = if is_gzip { ".csv.gz" } else { ".csv" };
                wave.inputs.push(Input {
                    flow,
                    name: format!("wave-{number:06}-events-{file:02}{ending}"),
                    fate: if is_gzip { Fate::Gzip } else { Fate::Whole },
                    generator,
                    file,
                });
            }
        }
        Ok(wave)
    }

    fn next_seed(&self) -> u64 {
        spread(self.seed.wrapping_add(self.generators.len() as u64))
    }

    fn add_generator(&mut self, flow: Flow, spec: Spec) -> Result<usize> {
        self.generators.push((flow, Generator::new(spec)?));
        Ok(self.generators.len() - 1)
    }

    /// The files, those that faults have added too.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Adds a file of so many rows, none of them malformed, that grows; its name and all of its lines.
    ///
    /// # Errors
    /// Where so many rows can't be generated.
    pub fn add_growing(&mut self, strike: u64, rows: u64) -> Result<(String, Vec<u8>)> {
        let spec = whole(self.next_seed(), rows);
        let generator = self.add_generator(Flow::Growing, spec)?;
        let name = format!("wave-{:06}-grows-{strike:06}.csv", self.number);
        self.add_special(Flow::Growing, &name, Fate::Grows, generator);
        Ok((name, self.generators[generator].1.file(1)))
    }

    /// Adds a file of so many rows that is replaced; its name, its first content and its last, which
    /// has the same keys and other values.
    ///
    /// # Errors
    /// Where so many rows can't be generated.
    pub fn add_replaced(&mut self, strike: u64, rows: u64) -> Result<(String, Vec<u8>, Vec<u8>)> {
        let first = whole(self.next_seed(), rows);
        let last = Spec {
            users: first.users * 5,
            ..first.clone()
        };
        let first = Generator::new(first)?.file(1);
        let generator = self.add_generator(Flow::Keyed, last)?;
        // Before the others in the order of names.
        let name = format!("wave-{:06}-between-{strike:06}.csv", self.number);
        self.add_special(Flow::Keyed, &name, Fate::Replaced, generator);
        Ok((name, first, self.generators[generator].1.file(1)))
    }

    fn add_special(&mut self, flow: Flow, name: &str, fate: Fate, generator: usize) {
        self.inputs.push(Input {
            flow,
            name: name.to_owned(),
            fate,
            generator,
            file: 1,
        });
    }

    /// What stands in a file at last, before it is compressed.
    pub fn text_of(&self, input: &Input) -> Vec<u8> {
        self.generators[input.generator].1.file(input.file)
    }

    /// How many records a file has at last.
    pub fn records_of(&self, input: &Input) -> u64 {
        let rows = self.generators[input.generator].1.rows_of(input.file);
        rows.end - rows.start
    }

    /// Writes the rows that have to be in a pipeline's table, as COPY text; returns their number.
    ///
    /// # Errors
    /// Where `out` says so.
    pub fn write_rows(&self, flow: Flow, out: &mut dyn Write) -> io::Result<u64> {
        let mut rows = 0;
        for (_, generator) in self.of(flow) {
            rows += match flow {
                Flow::Keyed => generator.write_expected_table(out)?,
                Flow::Plain | Flow::Whole | Flow::Growing => generator.write_expected_rows(out)?,
            };
        }
        Ok(rows)
    }

    /// Writes the dead letters that a pipeline has to have, as COPY text: the file's name, the record,
    /// the reason; returns their number.
    ///
    /// # Errors
    /// Where `out` says so.
    pub fn write_dead_letters(&self, flow: Flow, out: &mut dyn Write) -> io::Result<u64> {
        let mut letters = 0;
        for (index, generator) in self.of(flow) {
            for letter in generator.expected_dead_letters() {
                let is_its = |input: &&Input| (input.generator, input.file) == (index, letter.file);
                let name = self
                    .inputs
                    .iter()
                    .find(is_its)
                    .map_or("", |input| &input.name);
                writeln!(out, "{name}\t{}\t{}", letter.record, letter.reason.code())?;
                letters += 1;
            }
        }
        Ok(letters)
    }

    fn of(&self, flow: Flow) -> impl Iterator<Item = (usize, &Generator)> {
        let all = self.generators.iter().enumerate();
        all.filter(move |(_, (its, _))| *its == flow)
            .map(|(index, (_, generator))| (index, generator))
    }
}

/// The header line, and what stands between it and byte `at`, cut at a line's end; and the rest.
pub fn cut_at_line(text: &[u8], at: usize) -> (&[u8], &[u8]) {
    let least = HEADER.len() + 1;
    let at = at.clamp(least, text.len());
    // A quoted field of the generator may hold a line end, but none with a uuid behind it.
    let is_start = |position: usize| {
        let rest = &text[position..];
        rest.len() >= 37
            && rest[8] == b'-'
            && rest[13] == b'-'
            && rest[18] == b'-'
            && rest[23] == b'-'
    };
    let ends = (at..text.len()).filter(|&position| text[position - 1] == b'\n');
    let cut = ends
        .into_iter()
        .find(|&end| is_start(end))
        .unwrap_or(text.len());
    text.split_at(cut)
}

/// A file without malformed rows: so that every record has a row, whatever life has read it.
fn whole(seed: u64, rows: u64) -> Spec {
    Spec {
        rows,
        rows_per_file: rows,
        ..Spec::new(seed)
    }
}

/// Spreads a number's bits over all (the finalizer of SplitMix64).
fn spread(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_files_and_every_wave_others() {
        let texts = |seed, number| {
            let wave = Wave::new(seed, number, 100).unwrap();
            let texts = wave.inputs().iter().map(|input| wave.text_of(input));
            texts.collect::<Vec<_>>()
        };
        assert_eq!(texts(1, 1), texts(1, 1));
        assert_ne!(texts(1, 1), texts(1, 2));
        assert_ne!(texts(1, 1), texts(2, 1));
    }

    #[test]
    fn what_replaces_a_file_has_its_keys_and_other_values() {
        let mut wave = Wave::new(3, 1, 100).unwrap();
        let (_, first, last) = wave.add_replaced(1, 200).unwrap();
        let key = |line: &[u8]| line[..36].to_vec();
        let lines = |text: &[u8]| -> HashSet<Vec<u8>> {
            let starts = text.split(|byte| *byte == b'\n').skip(1);
            starts.filter(|line| line.len() > 60).map(key).collect()
        };
        assert_eq!(lines(&first), lines(&last));
        assert_ne!(first, last);
        assert_eq!(wave.records_of(wave.inputs().last().unwrap()), 200);
    }

    #[test]
    fn a_growing_file_is_cut_between_records() {
        let mut wave = Wave::new(5, 1, 100).unwrap();
        let (_, text) = wave.add_growing(1, 300).unwrap();
        for at in (0..text.len()).step_by(97) {
            let (before, after) = cut_at_line(&text, at);
            assert!(before.starts_with(HEADER.as_bytes()) && before.ends_with(b"\n"));
            assert!(after.is_empty() || after[8] == b'-');
            assert_eq!([before, after].concat(), text);
        }
    }

    #[test]
    fn every_dead_letter_has_the_name_of_its_file() {
        let wave = Wave::new(1, 2, 10_000).unwrap();
        let mut letters = Vec::new();
        let count = wave.write_dead_letters(Flow::Plain, &mut letters).unwrap();
        assert_eq!(count, 20);
        let letters = String::from_utf8(letters).unwrap();
        assert!(
            letters.lines().all(|line| line.starts_with("wave-000002-")),
            "{letters}"
        );
    }
}
