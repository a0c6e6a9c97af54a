//! Room on disks, and what may be done in a directory.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::Finding;
use crate::fs::path_text;

/// With less room than this, somebody should know.
const LITTLE: u64 = 1 << 30;

/// The data directory.
pub fn data_dir(path: &Path) -> Vec<Finding> {
    const KEY: &str = "service.data_dir";
    let there = nearest(path);
    if there == path && !path.is_dir() {
        let what = format!("{} is no directory", path_text(path));
        return vec![Finding::error(KEY, what, "name a directory")];
    }
    if !may_change(&there) {
        let what = format!("{} can't be written by this user", path_text(&there));
        let advice = "give the service's user the right to, or name another directory";
        return vec![Finding::error(KEY, what, advice)];
    }
    let mut findings = match there == path {
        true => vec![Finding::ok(KEY, path_text(path))],
        false => vec![Finding::ok(
            KEY,
            format!("{} would be made", path_text(path)),
        )],
    };
    findings.extend(room(KEY, &there));
    findings
}

/// What there is of a path: itself, or the nearest directory above it that is there.
pub fn nearest(path: &Path) -> PathBuf {
    let mut there = path.ancestors().filter(|path| path.exists());
    there.next().unwrap_or(Path::new("/")).to_owned()
}

/// Whether this user may make and rename files in a directory.
pub fn may_change(directory: &Path) -> bool {
    access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Whether this user may see what is in a directory.
pub fn may_list(directory: &Path) -> bool {
    access(directory, Access::READ_OK | Access::EXEC_OK).is_ok()
}

/// How much room is left where a directory stands, where that is little.
pub fn room(key: &str, directory: &Path) -> Option<Finding> {
    let found = statvfs(directory).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} MiB are free at {}", free >> 20, path_text(directory));
    if free < LITTLE {
        return Some(Finding::warning(key, text, "make room before files arrive"));
    }
    Some(Finding::ok(key, text))
}
