//! `ingestd dead-letters export`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::super::context::ConfigArgs;
use super::super::output::{complain, count_of, harmless, print};
use super::meant::{FileArgs, MeantArgs};
use super::{asking, with_ledger};
use crate::dead_letters::{Exported, Layout, LetterFilter, export_layouts, write_layout};

/// Write them as a CSV that can be mended, and replayed by `replay --file`
///
/// The first columns tie each row to its dead letter and say what is wrong with it; then come the
/// record's own fields. A record that can't be split into fields stands in the last column, `_raw`. Only
/// letters that are NEW are exported. The file is made, and never replaces another one.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  ingestd dead-letters export --reason invalid_value --out mended.csv
  ingestd dead-letters export --pipeline events --out mended/
  ingestd dead-letters export --where column=price --out - | head")]
pub struct ExportArgs {
    #[command(flatten)]
    config: ConfigArgs,

    #[command(flatten)]
    of: FileArgs,

    #[command(flatten)]
    meant: MeantArgs,

    /// Where to: a new file; - for standard output; a directory (or a name that ends in /) for one file
    /// for each header
    #[arg(long, value_name = "PATH")]
    out: PathBuf,

    /// Begin with a byte order mark, by which Excel knows UTF-8
    #[arg(long)]
    bom: bool,
}

/// Runs the subcommand.
pub fn run(args: &ExportArgs) -> Result<()> {
    let settings = args.config.settings_or_defaults()?;
    let file = args.of.named();
    with_ledger(
        &settings,
        |client| args.meant.filter(client, file, args.of.record),
        async |database, mut filter| {
            filter.status = Some("NEW".to_owned());
            export(args, &asking(database).await?, &filter).await
        },
    )
}

async fn export(
    args: &ExportArgs,
    client: &tokio_postgres::Client,
    filter: &LetterFilter,
) -> Result<()> {
    let layouts = export_layouts(client, filter).await?;
    if layouts.is_empty() {
        let none = super::list::none(client, filter, &args.config).await?;
        complain(none.trim_end());
        return Ok(());
    }
    let into_directory = args.out.is_dir() || args.out.as_os_str().to_string_lossy().ends_with('/');
    if into_directory {
        std::fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, &error))?;
        for (number, layout) in layouts.iter().enumerate() {
            let name = format!("dead-letters-{}.csv", number + 1);
            write_to(args, client, filter, layout, &args.out.join(name)).await?;
        }
        return Ok(());
    }
    let [layout] = &layouts[..] else {
        return Err(several(&layouts));
    };
    if args.out.as_os_str() == "-" {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = write_all(args, client, filter, layout, &mut out).await;
        return match written {
            Ok(exported) => {
                warn(&exported);
                Ok(())
            }
            // A reader that has gone (`| head`) is no error.
            Err(_) if out.flush().is_err() => {
                // What is left in it would be tried once more.
                drop(out.into_parts());
                Ok(())
            }
            Err(error) => Err(error),
        };
    }
    write_to(args, client, filter, layout, &args.out).await
}

async fn write_to(
    args: &ExportArgs,
    client: &tokio_postgres::Client,
    filter: &LetterFilter,
    layout: &Layout,
    path: &Path,
) -> Result<()> {
    let mut options = OpenOptions::new();
    // The records are nobody's but the operator's.
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    let file: File = made.map_err(|error| unwritable(path, &error))?;
    let mut out = BufWriter::new(file);
    let exported = write_all(args, client, filter, layout, &mut out).await?;
    let path = harmless(&path.display().to_string());
    print(&format!(
        "{}: {path}\n",
        count_of(exported.letters, "dead letter")
    ))?;
    warn(&exported);
    Ok(())
}

async fn write_all(
    args: &ExportArgs,
    client: &tokio_postgres::Client,
    filter: &LetterFilter,
    layout: &Layout,
    out: &mut impl Write,
) -> Result<Exported> {
    let failed = |error: io::Error| {
        Error::new(
            ErrorKind::Transient,
            format!("the export can't be written: {error}"),
        )
    };
    if args.bom {
        out.write_all("\u{FEFF}".as_bytes()).map_err(failed)?;
    }
    let exported = write_layout(client, filter, layout, out).await?;
    out.flush().map_err(failed)?;
    Ok(exported)
}

fn warn(exported: &Exported) {
    if exported.whole > 0 {
        complain(&format!(
            "{} can't be split into fields: mend the text in _raw, or empty it and fill in the fields",
            count_of(exported.whole, "record")
        ));
    }
    if exported.partly > 0 {
        complain(&format!(
            "{} held bytes that are no text, or were not kept whole: U+FFFD stands for what is no text",
            count_of(exported.partly, "record")
        ));
    }
    if exported.formulas > 0 {
        complain(&format!(
            "{} would be computed by a spreadsheet as a formula: open the file there with all columns as text",
            count_of(exported.formulas, "record")
        ));
    }
}

/// Records of different fields have no common columns.
fn several(layouts: &[Layout]) -> Error {
    let listed = layouts.iter().take(10).map(|layout| {
        let names: Vec<&str> = layout.names.iter().take(6).map(String::as_str).collect();
        let more = if layout.names.len() > 6 { ", …" } else { "" };
        format!(
            "\n  {} of {}, such as file {} ({}): {}{more}",
            count_of(layout.letters, "dead letter"),
            count_of(layout.files.len() as u64, "file"),
            layout.files.first().copied().unwrap_or(0),
            harmless(&layout.sample),
            harmless(&names.join(", ")),
        )
    });
    let message = format!(
        "the files of these dead letters have {} different headers:{}\n",
        layouts.len(),
        listed.collect::<String>()
    );
    Error::new(ErrorKind::Configuration, message)
        .with_advice("name a directory (--out DIR/) for one export each, or one of the files")
        .with_source(crate::settings::Lines)
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let path = path.display();
    let message = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{path} is there already; an export replaces nothing")
        }
        _ => format!("{path} can't be made: {error}"),
    };
    Error::new(ErrorKind::Configuration, message)
}
