//! PURE: what a file's first bytes say of its form: whether it is compressed, and its encoding.

use encoding_rs::{Encoding, UTF_8};

use super::{Compression, Dialect};

/// So many of a file's first bytes are enough to tell its form.
pub const HEAD: usize = 10;

/// A format of compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// Gzip members, one after the other (RFC 1952).
    Gzip,
    /// Zstandard frames, one after the other (RFC 8878).
    Zstd,
}

impl Archive {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Archive::Gzip => "gzip",
            Archive::Zstd => "zstd",
        }
    }

    /// Whether data that begin so are a member, or a frame; `None` where more has to be seen.
    pub fn begins(self, head: &[u8]) -> Option<bool> {
        match self {
            Archive::Gzip => begins_with(head, &[0x1F, 0x8B]),
            Archive::Zstd => match head {
                // A skippable frame: any of sixteen numbers, the lowest byte first.
                [0x50..=0x5F, rest @ ..] => begins_with(rest, &[0x2A, 0x4D, 0x18]),
                _ => begins_with(head, &[0x28, 0xB5, 0x2F, 0xFD]),
            },
        }
    }
}

fn begins_with(head: &[u8], magic: &[u8]) -> Option<bool> {
    let seen = head.len().min(magic.len());
    if head[..seen] != magic[..seen] {
        return Some(false);
    }
    (seen == magic.len()).then_some(true)
}

impl Dialect {
    /// How a file is compressed that begins so (all of it, or [`HEAD`] bytes).
    pub fn archive(&self, head: &[u8]) -> Option<Archive> {
        let archives = [Archive::Gzip, Archive::Zstd].into_iter();
        let mut told = archives.filter(|archive| archive.begins(head) == Some(true));
        match self.compression {
            Compression::None => None,
            Compression::Auto => told.next(),
        }
    }

    /// The format of a file that begins so, where it is one that is known but not read.
    pub fn foreign_archive(&self, head: &[u8]) -> Option<&'static str> {
        const FOREIGN: [(&str, &[u8]); 5] = [
            ("a zip archive", b"PK\x03\x04"),
            ("compressed with bzip2", b"BZh91AY&SY"),
            ("compressed with xz", b"\xFD7zXZ\0"),
            ("compressed with lz4", &[0x04, 0x22, 0x4D, 0x18]),
            ("a 7z archive", b"7z\xBC\xAF\x27\x1C"),
        ];
        let told = || FOREIGN.iter().find(|(_, magic)| head.starts_with(magic));
        match self.compression {
            Compression::None => None,
            Compression::Auto => told().map(|(name, _)| *name),
        }
    }

    /// The encoding of text that begins so (all of it, or three bytes): a byte order mark is
    /// stronger than what the configuration says, as the Encoding Standard has it.
    pub fn encoding_of(&self, text: &[u8]) -> &'static Encoding {
        let Some(declared) = &self.encoding else {
            return UTF_8;
        };
        match Encoding::for_bom(text) {
            Some((marked, _)) => marked,
            None => Encoding::for_label(declared.as_bytes()).unwrap_or(UTF_8),
        }
    }

    /// Whether the bytes of a file that begins so are the text that is scanned, as they stand.
    pub fn is_plain(&self, head: &[u8]) -> bool {
        self.archive(head).is_none() && self.encoding_of(head) == UTF_8
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, UTF_16BE, UTF_16LE};

    use super::*;

    #[test]
    fn compression_is_told_by_the_first_bytes() {
        let dialect = Dialect::default();
        assert_eq!(dialect.archive(b"\x1F\x8B\x08\0"), Some(Archive::Gzip));
        assert_eq!(dialect.archive(b"\x28\xB5\x2F\xFD"), Some(Archive::Zstd));
        assert_eq!(dialect.archive(b"\x5A\x2A\x4D\x18"), Some(Archive::Zstd));
        for text in ["", "id,name\n", "P*M", "(", "\u{1f}"] {
            assert_eq!(dialect.archive(text.as_bytes()), None, "{text:?}");
            assert!(dialect.is_plain(text.as_bytes()), "{text:?}");
        }
        let never = Dialect {
            compression: Compression::None,
            ..Dialect::default()
        };
        assert!(never.is_plain(b"\x1F\x8B\x08\0"));
        assert_eq!(never.foreign_archive(b"PK\x03\x04"), None);
        assert_eq!(
            dialect.foreign_archive(b"PK\x03\x04"),
            Some("a zip archive")
        );
        assert_eq!(dialect.foreign_archive(b"BZh91,name\n"), None);
    }

    #[test]
    fn a_byte_order_mark_is_stronger_than_the_configuration() {
        let declared = |encoding: &str| Dialect {
            encoding: Some(encoding.into()),
            ..Dialect::default()
        };
        for dialect in [declared("UTF-8"), declared("Shift_JIS")] {
            assert_eq!(dialect.encoding_of(b"\xFF\xFEi\0"), UTF_16LE);
            assert_eq!(dialect.encoding_of(b"\xFE\xFF\0i"), UTF_16BE);
            assert_eq!(dialect.encoding_of(b"\xEF\xBB\xBFid"), UTF_8);
        }
        assert_eq!(declared("Shift_JIS").encoding_of(b"id"), SHIFT_JIS);
        assert!(!declared("Shift_JIS").is_plain(b"id"));
        assert!(declared("Shift_JIS").is_plain(b"\xEF\xBB\xBFid"));
    }

    #[test]
    fn a_plan_that_is_older_than_encodings_keeps_its_meaning() {
        let stored = r#"{"delimiter":44,"quote":34,"header":true,"max_record":1048576}"#;
        let dialect: Dialect = serde_json::from_str(stored).expect("readable");
        for head in [&b"\x1F\x8B\x08\0"[..], b"\xFF\xFEi\0", b"PK\x03\x04", b"id"] {
            assert!(dialect.is_plain(head));
            assert_eq!(dialect.foreign_archive(head), None);
        }
    }
}
