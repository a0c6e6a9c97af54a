//! What a file was when its reading began, for columns that are derived from it.

use std::path::Path;

use ingestd_actors::model::FileId;

use crate::fs::path_text;

/// What a file was when its reading began, as texts; the same in all its lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its number in the ledger.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The time, as PostgreSQL writes it, in UTC.
    pub load_time: String,
}

impl Origin {
    /// A file of this number that stood at this path. One that is not UTF-8 is written as in the ledger, with `\xNN`.
    pub fn new(file: FileId, path: &Path, load_time: String) -> Origin {
        let text = |path: &Path| path.to_str().map_or_else(|| path_text(path), str::to_owned);
        Origin {
            file: file.0.to_string(),
            name: text(path.file_name().map_or(path, Path::new)),
            path: text(path),
            load_time,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn names_are_as_they_are_and_others_are_written_with_escapes() {
        let origin = Origin::new(FileId(7), Path::new("/in/ä\\b.csv"), String::new());
        assert_eq!(origin.file, "7");
        assert_eq!(
            (&origin.name[..], &origin.path[..]),
            ("ä\\b.csv", "/in/ä\\b.csv")
        );
        let bytes = Path::new(OsStr::from_bytes(b"/in/\xE4.csv"));
        assert_eq!(
            Origin::new(FileId(7), bytes, String::new()).name,
            "\\xE4.csv"
        );
    }
}
