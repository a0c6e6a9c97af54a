//! `ingestd generate`: e-commerce events as CSV files.

use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};

use crate::generate::files::{FileWriter, write_catalogue};
use crate::generate::{Generator, Share, Spec, Weights};

const EXAMPLES: &str = "\
Examples:
  ingestd generate --out inbox --rows 500000 --rows-per-file 50000
      ten files at once
  ingestd generate --out inbox --every 10s --malformed 0.5% --duplicates 1% --seed 42
      a file of 15 rows every 10 seconds, some of them bad, the same ones for the same seed

The same options and seed give the same files, byte for byte and name for name.";

/// Write e-commerce events as CSV files, which appear whole, by rename
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GenerateArgs {
    /// The directory that the files appear in; made where there is none
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// How many rows in all
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(..=Spec::MOST_ROWS))]
    pub rows: u64,

    /// How many rows in each file
    #[arg(long, value_name = "N", default_value_t = 15,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub rows_per_file: u64,

    /// The time from one file to the next, such as 10s or 200ms [default: all at once]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub every: Option<Duration>,

    /// How many users there are
    #[arg(long, value_name = "N", default_value_t = 1_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub users: u64,

    /// How many products there are
    #[arg(long, value_name = "N", default_value_t = 25,
          value_parser = clap::value_parser!(u64).range(1..=Spec::MOST_PRODUCTS))]
    pub products: u64,

    /// How often each event type comes: view, click, add_to_cart, remove_from_cart, purchase, buy;
    /// a type that is not named never comes
    #[arg(long, value_name = "TYPE=WEIGHT,…", default_value_t = Weights::default())]
    pub weights: Weights,

    /// The number that everything follows from [default: another one each time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// The share of rows that can't be loaded: in turn a wrong number of fields, a broken uuid, time,
    /// type or price, a negative price, a quantity of 0, invalid UTF-8, a NUL byte
    #[arg(long, value_name = "PERCENT", default_value_t = Share::NONE)]
    pub malformed: Share,

    /// The share of rows that repeat an earlier event id with other values
    #[arg(long, value_name = "PERCENT", default_value_t = Share::NONE)]
    pub duplicates: Share,

    /// Write the products too, as CSV [default FILE: products.csv in the directory]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub catalogue: Option<Option<PathBuf>>,
}

/// Runs the subcommand.
pub fn run(args: GenerateArgs) -> Result<()> {
    generate(args, &mut io::stdout().lock())
}

fn generate(args: GenerateArgs, log: &mut dyn Write) -> Result<()> {
    let started = Instant::now();
    let generator = Generator::new(Spec {
        seed: args.seed.unwrap_or_else(rand::random),
        rows: args.rows,
        rows_per_file: args.rows_per_file,
        users: args.users,
        products: args.products,
        weights: args.weights,
        malformed: args.malformed,
        duplicates: args.duplicates,
    })?;
    let mut writer = FileWriter::new(&args.out)?;
    let mut log = Log { out: Some(log) };

    if let Some(path) = args.catalogue {
        let path = path.unwrap_or_else(|| args.out.join("products.csv"));
        write_catalogue(&generator, &path)?;
        log.line(&format!(
            "{}: {} products",
            path.display(),
            generator.spec().products
        ))?;
    }

    for file in 1..=generator.files() {
        if let Some(every) = args.every {
            // From the start, not from the last file: the pace doesn't drift.
            let due = every.saturating_mul(u32::try_from(file - 1).unwrap_or(u32::MAX));
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
        let path = writer.write(&generator, file)?;
        if args.every.is_some() {
            let rows = generator.rows_of(file);
            log.line(&format!(
                "{}: {} rows",
                path.display(),
                rows.end - rows.start
            ))?;
        }
    }

    log.line(&format!(
        "{} files with {} rows ({} malformed, {} duplicates) in {}, {:.1} s, seed {}",
        generator.files(),
        generator.spec().rows,
        generator.malformed_rows(),
        generator.duplicate_rows(),
        args.out.display(),
        started.elapsed().as_secs_f64(),
        generator.spec().seed,
    ))
}

/// Lines for whoever listens.
struct Log<'a> {
    out: Option<&'a mut dyn Write>,
}

impl Log<'_> {
    /// Writes a line at once. A listener that has gone is no error: the files are what counts.
    fn line(&mut self, line: &str) -> Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.out = None;
                Ok(())
            }
            written => written.map_err(|error| {
                Error::new(
                    ErrorKind::File,
                    format!("cannot write to standard output: {error}"),
                )
                .with_source(error)
            }),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, such as 10s, 200ms or 2min"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn parse(line: &str) -> Result<GenerateArgs, String> {
        let words = std::iter::once("generate").chain(line.split_whitespace());
        Command::try_parse_from(words)
            .map(|command| command.args)
            .map_err(|error| error.to_string())
    }

    /// A listener that goes away after the first line.
    struct Closing(Vec<u8>);

    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.contains(&b'\n') {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_defaults_are_as_documented() {
        let args = parse("--out x").unwrap();
        assert_eq!((args.rows, args.rows_per_file), (10_000, 15));
        assert_eq!((args.users, args.products), (1_000, 25));
        assert_eq!((args.every, args.seed), (None, None));
        assert_eq!(
            (args.malformed, args.duplicates),
            (Share::NONE, Share::NONE)
        );
        assert_eq!(args.catalogue, None);
    }

    #[test]
    fn every_option_is_read() {
        let args = parse(
            "--out x --rows 7 --rows-per-file 3 --every 200ms --users 5 --products 4 --seed 9 \
             --weights view=30,purchase=70 --malformed 0.5% --duplicates 1% --catalogue",
        )
        .unwrap();
        assert_eq!((args.rows, args.rows_per_file), (7, 3));
        assert_eq!((args.users, args.products), (5, 4));
        assert_eq!(args.every, Some(Duration::from_millis(200)));
        assert_eq!(args.seed, Some(9));
        assert_eq!(args.weights.to_string(), "view=30,purchase=70");
        assert_eq!(args.malformed.per_million(), 5_000);
        assert_eq!(args.duplicates.per_million(), 10_000);
        assert_eq!(args.catalogue, Some(None));
        let args = parse("--out x --catalogue=y.csv").unwrap();
        assert_eq!(args.catalogue, Some(Some("y.csv".into())));
    }

    #[test]
    fn errors_say_what_would_be_right() {
        for (line, hint) in [
            ("", "--out"),
            ("--out x --malformed 0.5", "such as 0.5%"),
            ("--out x --duplicates 101%", "0% to 100%"),
            ("--out x --weights view", "view=30,purchase=70"),
            ("--out x --weights sell=1", "add_to_cart"),
            ("--out x --every 10", "such as 10s"),
            ("--out x --rows-per-file 0", "1.."),
            ("--out x --users 0", "1.."),
            ("--out x --products 0", "1.."),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(hint), "{line}: {error}");
        }
        let args = parse("--out x --malformed 60% --duplicates 60%").unwrap();
        let error = generate(args, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }

    #[test]
    fn the_help_has_an_example() {
        let help = Command::command().render_long_help().to_string();
        assert!(help.contains("ingestd generate --out inbox"), "{help}");
    }

    #[test]
    fn the_files_and_the_summary_agree() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("inbox");
        let line = format!(
            "--out {} --rows 100 --malformed 9% --duplicates 10% --seed 4 --catalogue --every 1us",
            out.display()
        );
        let mut log = Vec::new();
        generate(parse(&line).unwrap(), &mut log).unwrap();

        let log = String::from_utf8(log).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 1 + 7 + 1, "{log}");
        assert!(lines[0].ends_with("products.csv: 25 products"), "{log}");
        assert!(lines[1].ends_with("-000001.csv: 15 rows"), "{log}");
        assert!(lines[7].ends_with("-000007.csv: 10 rows"), "{log}");
        let summary = lines[8];
        assert!(
            summary.starts_with("7 files with 100 rows (9 malformed, "),
            "{log}"
        );
        assert!(summary.ends_with("seed 4"), "{log}");
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 8);
    }

    #[test]
    fn there_is_a_pause_between_files_and_none_after_the_last() {
        let directory = tempfile::tempdir().unwrap();
        let run = |rows: u64| {
            let line = format!(
                "--out {} --rows {rows} --rows-per-file 10 --every 60ms",
                directory.path().display()
            );
            let started = Instant::now();
            generate(parse(&line).unwrap(), &mut io::sink()).unwrap();
            started.elapsed()
        };
        assert!(run(30) >= Duration::from_millis(120));
    }

    #[test]
    fn a_listener_that_goes_away_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let line = format!("--out {} --rows 60 --every 1us", directory.path().display());
        let mut log = Closing(Vec::new());
        generate(parse(&line).unwrap(), &mut log).unwrap();
        assert_eq!(log.0.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}
