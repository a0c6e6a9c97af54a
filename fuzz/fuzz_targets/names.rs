//! Any bytes as a file's name: its text gives it back, it can't steer a terminal, and it is archived
//! below the archive.

#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use ingestd::cli::harmless;
use ingestd::fs::archive::{Destination, target};
use ingestd::fs::{path_from_text, path_text};
use ingestd_actors::model::FileId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = Path::new(OsStr::from_bytes(data));
    let text = path_text(path);
    assert_eq!(path_from_text(&text), path);
    assert!(!harmless(&text).chars().any(char::is_control));

    let source = Path::new("/in").join(path);
    for attempt in 0..6 {
        let to = Destination {
            into: Path::new("/out"),
            dates: None,
            inbox: Path::new("/in"),
            compressed: attempt >= 3,
        };
        let target = target(to, &source, FileId(7), attempt % 3);
        let name = target.file_name().map_or(0, OsStr::len);
        let short = source.file_name().is_none_or(|name| name.len() <= 255);
        assert!(name > 0 && (!short || name <= 255), "{target:?}");
        // A scan finds no path with `..` in it.
        if !path.components().any(|part| part == Component::ParentDir) {
            assert!(target.starts_with("/out"), "{target:?}");
        }
    }
});
