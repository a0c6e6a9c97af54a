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
