//! Any text as a configuration: it is validated, or refused with words, and a password that it holds is
//! in neither.

#![no_main]

use std::cell::RefCell;
use std::io::Write;

use ingestd::settings::{ConfigFile, Environment, Settings, Sources};
use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a file"));
}

fuzz_target!(|data: &[u8]| {
    let path = FILE.with_borrow_mut(|file| {
        file.as_file().set_len(0).expect("emptied");
        std::io::Seek::rewind(file.as_file_mut()).expect("rewound");
        file.write_all(data).expect("written");
        file.path().to_owned()
    });
    let sources = Sources::new(ConfigFile::Path(path), Environment::default()).as_root(true);
    match Settings::load(&sources) {
        Ok(settings) => assert!(!format!("{settings:?}").contains("secret-of-the-corpus")),
        Err(error) => {
            assert!(!error.message().is_empty());
            assert!(!error.to_string().contains("secret-of-the-corpus"));
        }
    }
});
