//! PURE: paths as text, and back, without losing a byte.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path as text: a byte that is not UTF-8 is written `\xNN`, a backslash is doubled.
///
/// Different paths give different texts, so the ledger may compare them.
pub fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// The path that [`path_text`] wrote. What it can't have written stands for itself.
pub fn path_from_text(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, length) = match (first, after) {
            (b'\\', [b'\\', ..]) => (b'\\', 2),
            (b'\\', [b'x', high, low, ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 4),
                _ => (first, 1),
            },
            _ => (first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    PathBuf::from(OsString::from_vec(bytes))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A word as a shell takes it: in quotes where it needs them.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_that_are_no_utf8_are_written_in_hex() {
        let path = PathBuf::from(OsString::from_vec(b"/in/caf\xe9.csv".to_vec()));
        assert_eq!(path_text(&path), r"/in/caf\xE9.csv");
    }

    #[test]
    fn a_name_that_looks_escaped_is_another_name() {
        let plain = PathBuf::from(OsString::from_vec(b"\xe9".to_vec()));
        assert_ne!(path_text(&plain), path_text(Path::new(r"\xE9")));
    }

    proptest! {
        #[test]
        fn every_path_comes_back(bytes in proptest::collection::vec(1u8..=255, 0..40)) {
            let path = PathBuf::from(OsString::from_vec(bytes));
            prop_assert_eq!(path_from_text(&path_text(&path)), path);
        }

        #[test]
        fn backslashes_come_back(text in r"[\\xA-F0-9é]{0,20}") {
            let path = PathBuf::from(text);
            prop_assert_eq!(path_from_text(&path_text(&path)), path);
        }
    }
}
