//! The note beside a quarantined file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::naming::reason_path;
use super::rename::sync_parent;

/// Writes why a file was quarantined into `NAME.reason` beside it, whole or not at all.
///
/// # Errors
/// Where it can't be written.
pub fn write_reason(target: &Path, reason: &str) -> io::Result<()> {
    let path = reason_path(target);
    let parent = path.parent().unwrap_or(Path::new("."));
    let mut hidden = std::ffi::OsString::from(".ingestd-");
    hidden.push(std::process::id().to_string());
    hidden.push(format!("-{:016x}.reason", rand::random::<u64>()));
    let hidden = parent.join(hidden);
    let written = File::create_new(&hidden).and_then(|mut file| {
        writeln!(file, "{reason}")?;
        file.sync_all()?;
        std::fs::rename(&hidden, &path)
    });
    if written.is_err() {
        // Nothing more can be done about a leftover than to try.
        let _ = std::fs::remove_file(&hidden);
    }
    written?;
    sync_parent(&path)
}
