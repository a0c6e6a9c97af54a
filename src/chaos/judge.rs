//! PURE: what differs from the known answer.

use super::wave::{Fate, Flow, Input, Wave};

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The rows that were to be there.
    pub rows_expected: u64,
    /// Those of them that are missing, or have other values.
    pub rows_missing: u64,
    /// Rows that are there and were not to be, or twice.
    pub rows_extra: u64,
    /// The dead letters that were to be there.
    pub letters_expected: u64,
    /// Those of them that are missing.
    pub letters_missing: u64,
    /// Dead letters that were not to be there.
    pub letters_extra: u64,
    /// The files that were to come to their end.
    pub files_expected: u64,
    /// What is wrong with files, by the ledger or in the archive.
    pub files_wrong: Vec<String>,
    /// Some of the rows and dead letters.
    pub examples: Vec<String>,
}

impl Differences {
    /// How many rows and dead letters were lost.
    pub fn lost(&self) -> u64 {
        self.rows_missing + self.letters_missing
    }

    /// How many were doubled.
    pub fn doubled(&self) -> u64 {
        self.rows_extra + self.letters_extra
    }

    /// Whether there is no difference.
    pub fn is_none(&self) -> bool {
        self.lost() == 0 && self.doubled() == 0 && self.files_wrong.is_empty()
    }

    /// Notes rows of a table: how many, and some of them by their keys.
    pub fn note_rows(
        &mut self,
        table: &str,
        missing: (u64, Vec<String>),
        extra: (u64, Vec<String>),
    ) {
        self.rows_missing += missing.0;
        self.rows_extra += extra.0;
        let line = |what: &str, of: &str| format!("{table}: the row of event {of} is {what}");
        self.examples.extend(
            missing
                .1
                .iter()
                .map(|of| line("missing, or has other values", of)),
        );
        self.examples.extend(
            extra
                .1
                .iter()
                .map(|of| line("one too many, or has other values", of)),
        );
    }

    /// Notes dead letters: how many, and some of them by their places.
    pub fn note_letters(&mut self, missing: (u64, Vec<String>), extra: (u64, Vec<String>)) {
        self.letters_missing += missing.0;
        self.letters_extra += extra.0;
        let line = |what: &str, of: &str| format!("the dead letter of {of} is {what}");
        self.examples
            .extend(missing.1.iter().map(|of| line("missing", of)));
        self.examples
            .extend(extra.1.iter().map(|of| line("one too many", of)));
    }

    /// Adds those of another comparison.
    pub fn add(&mut self, other: Differences) {
        self.rows_expected += other.rows_expected;
        self.rows_missing += other.rows_missing;
        self.rows_extra += other.rows_extra;
        self.letters_expected += other.letters_expected;
        self.letters_missing += other.letters_missing;
        self.letters_extra += other.letters_extra;
        self.files_expected += other.files_expected;
        self.files_wrong.extend(other.files_wrong);
        self.examples.extend(other.examples);
    }
}

/// What the ledger says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFile {
    /// Its pipeline.
    pub pipeline: String,
    /// Where it came.
    pub path: String,
    /// Its state.
    pub state: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// Its records.
    pub records: Option<u64>,
    /// The sum of what became of them.
    pub sum: Option<u64>,
    /// Where it went.
    pub archive_path: Option<String>,
}

impl LedgerFile {
    /// Whether it is this one.
    pub fn is_of(&self, input: &Input) -> bool {
        self.pipeline == input.flow.name() && self.name() == input.name
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    fn says(&self) -> String {
        let reason = self.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        let number = |number: Option<u64>| number.map_or("no".to_owned(), |n| n.to_string());
        format!(
            "{}{reason}, {} records, {} counted",
            self.state,
            number(self.records),
            number(self.sum)
        )
    }

    fn holds(&self, state: &str, records: u64) -> bool {
        self.state == state && self.records == Some(records) && self.sum == Some(records)
    }
}

/// What is wrong with what the ledger says of the files of a wave.
pub fn judge_files(wave: &Wave, files: &[LedgerFile]) -> Vec<String> {
    let mut wrong = Vec::new();
    for input in wave.inputs() {
        let its: Vec<&LedgerFile> = files.iter().filter(|file| file.is_of(input)).collect();
        let records = wave.records_of(input);
        if !is_right(input, &its, records) {
            let said: Vec<String> = its.iter().map(|file| file.says()).collect();
            let said = match said.len() {
                0 => "the ledger does not know it".to_owned(),
                _ => said.join("; "),
            };
            wrong.push(format!("{}, {records} records: {said}", input.name));
        }
    }
    let is_strange = |file: &&LedgerFile| !wave.inputs().iter().any(|input| file.is_of(input));
    let strange = files.iter().filter(is_strange);
    wrong.extend(strange.map(|file| format!("{} was never dropped", file.path)));
    wrong
}

fn is_right(input: &Input, files: &[&LedgerFile], records: u64) -> bool {
    match input.fate {
        // Once, by one line of the ledger.
        Fate::Whole | Fate::Gzip => match files {
            [file] => file.holds("ARCHIVED", records),
            _ => false,
        },
        // In as many parts as it was found in.
        Fate::Grows => {
            let parts = files
                .iter()
                .map(|file| file.records.unwrap_or(0))
                .sum::<u64>();
            let holds = |file: &&LedgerFile| file.holds("COMMITTED", file.records.unwrap_or(0));
            !files.is_empty() && parts == records && files.iter().all(holds)
        }
        // What it was before has ended in some way, and what it is now is loaded.
        Fate::Replaced => match files {
            [before @ .., last] => {
                let has_ended = |file: &&LedgerFile| {
                    matches!(file.state.as_str(), "ARCHIVED" | "FAILED" | "SKIPPED")
                };
                last.holds("ARCHIVED", records) && before.iter().all(has_ended)
            }
            [] => false,
        },
    }
}

/// How many records of growing files have to be loaded.
pub fn growing_records(wave: &Wave) -> u64 {
    let growing = wave.inputs().iter().filter(|it| it.flow == Flow::Growing);
    growing.map(|input| wave.records_of(input)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(wave: &Wave) -> Vec<LedgerFile> {
        let file = |input: &Input| LedgerFile {
            pipeline: input.flow.name().to_owned(),
            path: format!("/in/{}", input.name),
            state: if input.flow.leaves() {
                "ARCHIVED"
            } else {
                "COMMITTED"
            }
            .to_owned(),
            reason: None,
            records: Some(wave.records_of(input)),
            sum: Some(wave.records_of(input)),
            archive_path: None,
        };
        wave.inputs().iter().map(file).collect()
    }

    #[test]
    fn a_wave_whose_files_are_all_loaded_is_right() {
        let mut wave = Wave::new(1, 1, 500).unwrap();
        wave.add_growing(1, 100).unwrap();
        wave.add_replaced(2, 100).unwrap();
        let mut files = files(&wave);
        assert_eq!(judge_files(&wave, &files), [""; 0]);

        // A tail is a line of its own; what was replaced half-way is another.
        let growing = files
            .iter()
            .position(|file| file.state == "COMMITTED")
            .unwrap();
        let mut tail = files[growing].clone();
        (files[growing].records, files[growing].sum) = (Some(60), Some(60));
        (tail.records, tail.sum) = (Some(40), Some(40));
        files.push(tail);
        let mut before = files[growing + 1].clone();
        before.state = "FAILED".to_owned();
        files.insert(0, before);
        assert_eq!(judge_files(&wave, &files), [""; 0]);
    }

    #[test]
    fn every_way_to_be_wrong_is_told() {
        let wave = Wave::new(1, 1, 500).unwrap();
        let right = files(&wave);
        let wrong = |change: &dyn Fn(&mut Vec<LedgerFile>)| {
            let mut files = right.clone();
            change(&mut files);
            let told = judge_files(&wave, &files);
            assert_eq!(told.len(), 1, "{told:?}");
            told[0].clone()
        };
        let told = wrong(&|files| drop(files.remove(0)));
        assert!(told.contains("does not know it"), "{told}");
        let told = wrong(&|files| files.push(files[0].clone()));
        assert!(told.contains("; ARCHIVED"), "{told}");
        let told = wrong(&|files| files[1].state = "QUARANTINED".to_owned());
        assert!(told.contains("QUARANTINED"), "{told}");
        let told = wrong(&|files| files[1].sum = Some(3));
        assert!(told.contains("3 counted"), "{told}");
        let told = wrong(&|files| files[1].records = None);
        assert!(told.contains("no records"), "{told}");
        let mut strange = right[0].clone();
        strange.path = "/in/other.csv".to_owned();
        let told = wrong(&|files| files.push(strange.clone()));
        assert!(told.contains("never dropped"), "{told}");
    }
}
