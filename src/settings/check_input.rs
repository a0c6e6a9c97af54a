//! What a pipeline says of its files' bytes: their encoding, and whether they may be compressed.

use encoding_rs::Encoding;

use super::entry::Entry;
use super::keys::nearest;
use super::problems::Section;
use super::service::one_of;
use crate::plan::{Compression, Dialect};

/// The highest bound on the ratio: zstd gives some thirty thousand bytes for one, at the most.
const MOST_RATIO: u64 = 1_000_000;

/// Labels to be compared with one that is unknown; the Encoding Standard has many more.
const LABELS: [&str; 52] = [
    "ascii",
    "big5",
    "cp1250",
    "cp1251",
    "cp1252",
    "euc-jp",
    "euc-kr",
    "gb18030",
    "gb2312",
    "gbk",
    "ibm866",
    "iso-2022-jp",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "koi8-r",
    "koi8-u",
    "latin1",
    "latin2",
    "macintosh",
    "shift_jis",
    "sjis",
    "us-ascii",
    "utf-16",
    "utf-16be",
    "utf-16le",
    "utf-8",
    "utf8",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-31j",
    "windows-874",
    "windows-949",
    "x-mac-cyrillic",
];

/// What is written of a file's bytes.
pub struct Input {
    pub encoding: Option<Entry<String>>,
    pub compression: Option<Entry<String>>,
    pub max_ratio: Option<Entry<u64>>,
}

/// Validates it, and puts it into the dialect.
pub fn check(raw: Input, dialect: &mut Dialect, section: &mut Section<'_, '_>) {
    if let Some(encoding) = section.converted("encoding", raw.encoding, check_encoding) {
        dialect.encoding = Some(encoding);
    }
    let compression =
        section.converted("compression", raw.compression, |text| match text.as_str() {
            "auto" => Ok(Compression::Auto),
            "none" => Ok(Compression::None),
            _ => Err(one_of(&text, &["auto", "none"])),
        });
    if let Some(compression) = compression {
        dialect.compression = compression;
    }
    let max_ratio = section.converted("max_ratio", raw.max_ratio, |ratio| match ratio {
        1..=MOST_RATIO => Ok(ratio),
        _ => Err(format!("{ratio} can't be; write 1 to {MOST_RATIO}")),
    });
    if let Some(max_ratio) = max_ratio {
        dialect.max_ratio = max_ratio;
    }
}

/// The encoding's own name for one of its labels.
fn check_encoding(label: String) -> Result<String, String> {
    if let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) {
        return Ok(encoding.name().to_owned());
    }
    let advice = match nearest(&label.trim().to_lowercase(), LABELS) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => "write one of the Encoding Standard, such as \"utf-8\", \"windows-1252\" or \"utf-16le\"".to_owned(),
    };
    Err(format!("{label:?} is no encoding that is known; {advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_that_may_be_suggested_is_known() {
        for label in LABELS {
            assert!(check_encoding(label.to_owned()).is_ok(), "{label}");
        }
    }

    #[test]
    fn an_encoding_has_one_name_whatever_it_is_called() {
        let name = |label: &str| check_encoding(label.to_owned());
        for label in ["latin1", "ISO-8859-1", "cp1252", " windows-1252 "] {
            assert_eq!(name(label).as_deref(), Ok("windows-1252"), "{label}");
        }
        assert_eq!(name("UTF8").as_deref(), Ok("UTF-8"));
        assert_eq!(name("utf-16").as_deref(), Ok("UTF-16LE"));
        // It is known, but as one that nobody should decode.
        assert!(name("iso-2022-kr").is_err());
    }
}
