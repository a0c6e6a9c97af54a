//! PURE: a record in pieces, what is at fault apart from the rest: for whoever marks it by other means
//! than a terminal.

use serde::Serialize;
use utoipa::ToSchema;

use crate::logging::is_unsafe;

/// The most bytes that are shown before what is at fault, of it, and behind it.
const MOST: usize = 4096;

/// A piece of a record. Line ends are there twice: as an escape, and as what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Piece {
    /// Its text: control characters are escapes, and so is what turns text around; bytes that are no
    /// UTF-8 are `\xNN`.
    pub text: String,
    /// Whether it is what is at fault. Where that is something that is missing, it is empty.
    pub bad: bool,
}

/// The pieces of a record, of which bytes are at fault. Of a long one, what is near them.
pub fn pieces(raw: &[u8], bad: Option<(usize, usize)>) -> Vec<Piece> {
    let piece = |text: String, bad: bool| Piece { text, bad };
    let Some((start, end)) = bad else {
        return vec![piece(beginning(raw, 2 * MOST), false)];
    };
    let start = start.min(raw.len());
    let end = end.clamp(start, raw.len());
    let all = [
        piece(ending(&raw[..start]), false),
        piece(beginning(&raw[start..end], MOST), true),
        piece(beginning(&raw[end..], MOST), false),
    ];
    let told = |piece: &Piece| piece.bad || !piece.text.is_empty();
    all.into_iter().filter(told).collect()
}

fn beginning(raw: &[u8], most: usize) -> String {
    if raw.len() <= most {
        return readable(raw);
    }
    let mut end = most;
    while end > 0 && is_within(raw[end]) {
        end -= 1;
    }
    readable(&raw[..end]) + "…"
}

fn ending(raw: &[u8]) -> String {
    let Some(mut start) = raw.len().checked_sub(MOST).filter(|start| *start > 0) else {
        return readable(raw);
    };
    while start < raw.len() && is_within(raw[start]) {
        start += 1;
    }
    format!("…{}", readable(&raw[start..]))
}

/// Whether a character does not begin here.
fn is_within(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

fn readable(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => text.push_str("\\n\n"),
                c if is_unsafe(c) => text.extend(c.escape_default()),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &[u8], bad: Option<(usize, usize)>) -> String {
        let pieces = pieces(raw, bad).into_iter();
        pieces
            .map(|it| match it.bad {
                true => format!("[{}]", it.text),
                false => it.text,
            })
            .collect()
    }

    #[test]
    fn what_is_at_fault_stands_apart() {
        assert_eq!(shown(b"1,x,2", Some((2, 3))), "1,[x],2");
        assert_eq!(shown(b"x,2", Some((0, 1))), "[x],2");
        assert_eq!(
            shown(b"1,,2", Some((2, 2))),
            "1,[],2",
            "something is missing"
        );
        assert_eq!(shown(b"1,2", None), "1,2");
        assert_eq!(shown(b"1", Some((9, 12))), "1[]");
        assert_eq!(shown(b"", None), "");
    }

    #[test]
    fn what_can_not_be_seen_is_an_escape() {
        assert_eq!(shown(b"a\tb\0\x1b\xff", None), "a\\tb\\u{0}\\u{1b}\\xFF");
        assert_eq!(shown("a\u{202e}b".as_bytes(), None), "a\\u{202e}b");
        assert_eq!(shown(b"\"a\nb\"", None), "\"a\\n\nb\"");
        assert_eq!(
            shown(b"<b>&amp;", None),
            "<b>&amp;",
            "nobody takes it for markup"
        );
    }

    #[test]
    fn of_a_long_one_what_is_near_is_shown_and_no_character_is_torn() {
        let mut raw = "ä".repeat(10_000).into_bytes();
        let at = raw.len();
        raw.extend_from_slice(b"!");
        raw.extend_from_slice("ö".repeat(10_000).as_bytes());
        let pieces = pieces(&raw, Some((at, at + 1)));
        assert_eq!(pieces.len(), 3);
        assert!(pieces[0].text.starts_with("…ä") && pieces[0].text.ends_with('ä'));
        assert_eq!(pieces[1].text, "!");
        assert!(pieces[2].text.ends_with("ö…"));
        assert!(
            pieces
                .iter()
                .all(|it| it.text.len() < 2 * MOST && !it.text.contains('\\'))
        );
    }
}
