//! PURE: the configuration of the service under test.

use std::fmt::Write;
use std::time::Duration;

use super::wave::Flow;
use crate::settings::toml_string;

/// The pipeline of the demo: its columns are those of the generator's files.
const ECOMMERCE: &str = include_str!("../../config/ecommerce.toml");

/// Small batches, so that every fault meets much that is half done; little memory, so that a file is
/// still being read while its first batches are committed.
const SMALL: &str = "batch_rows = 250\nmemory = \"4MiB\"\npartitions = 2\n";

/// As a service has them.
const USUAL: &str = "batch_rows = 5_000\nmemory = \"8MiB\"\npartitions = 2\n";

/// How a service is configured.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Batches are small.
    pub small_batches: bool,
    /// How long the archive keeps a file.
    pub archive_retention: Option<Duration>,
}

/// The text of the configuration, but for the database, which may have a password in its URL.
pub fn text(data_dir: &str, habits: Habits) -> String {
    let mut text = format!("[service]\ndata_dir = {}\n", toml_string(data_dir));
    if !habits.small_batches {
        // A line for each file would fill the disk in the end.
        text.push_str("\n[log]\nlevel = \"warning\"\n");
    }
    for flow in Flow::ALL {
        let name = flow.name();
        let rules = match flow {
            Flow::Keyed => "key = [\"event_id\"]\n",
            Flow::Plain => "pattern = \"*.csv{,.gz}\"\n",
            Flow::Whole => "all_or_nothing = true\nmax_error_ratio = 0.5\n",
            Flow::Growing => "archive = false\n",
        };
        let batches = if habits.small_batches { SMALL } else { USUAL };
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\n[pipelines.{name}]\ndirectory = \"inbox/{name}\"\ntable = \"{name}\"\n\
             settle = \"200ms\"\nscan_interval = \"200ms\"\n{batches}{rules}"
        );
        if let (true, Some(kept)) = (flow.leaves(), habits.archive_retention) {
            let _ = writeln!(text, "archive_retention = \"{}ms\"", kept.as_millis());
        }
        text.push_str(columns());
    }
    text
}

fn columns() -> &'static str {
    let start = ECOMMERCE.find("columns = [").unwrap_or_default();
    let rest = &ECOMMERCE[start..];
    let end = rest.find("\n]\n").map_or(rest.len(), |end| end + 3);
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{ConfigFile, Environment, Settings, Sources};

    #[test]
    fn it_is_a_valid_configuration() {
        for (small_batches, archive_retention) in
            [(true, None), (false, Some(Duration::from_secs(60)))]
        {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("chaos.toml");
            let habits = Habits {
                small_batches,
                archive_retention,
            };
            std::fs::write(&path, text("/tmp/a \"b\"", habits)).unwrap();
            let environment = Environment::default();
            let file = ConfigFile::find(Some(path), &environment).unwrap();
            let settings = Settings::load(&Sources::new(file, environment)).unwrap();
            assert_eq!(settings.pipelines.len(), Flow::ALL.len());
            assert_eq!(settings.service.data_dir.to_str(), Some("/tmp/a \"b\""));
        }
    }
}
