//! The note beside a quarantined file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use ingestd_actors::failpoint::{Step, pass_io};

use super::naming::{reason_draft_path, reason_path};
use super::rename::sync_parent;

/// Writes why a file was quarantined into `NAME.reason` beside it, whole or not at all.
///
/// # Errors
/// Where it can't be written.
pub fn write_reason(target: &Path, reason: &str) -> io::Result<()> {
    let path = reason_path(target);
    let draft = reason_draft_path(target);
    // What an earlier life has left; never written to, since it may be a link by now.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = File::create_new(&draft).and_then(|mut file| {
        writeln!(file, "{reason}")?;
        file.sync_all()?;
        pass_io(Step::ArchiveExplained)?;
        std::fs::rename(&draft, &path)
    });
    if written.is_err() {
        // Nothing more can be done about a leftover than to try.
        let _ = std::fs::remove_file(&draft);
    }
    written?;
    sync_parent(&path)
}
