//! White space as C's `isspace` has it: what the server's input functions pass over.

/// Whether a byte is white space.
#[inline]
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r')
}

/// The text without the white space around it.
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => trim_ends(text),
    }
}

fn trim_ends(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::trim;

    #[test]
    fn only_what_is_around_goes() {
        assert_eq!(trim(b" \t\x0B\x0C\r\na b\n "), b"a b");
        assert_eq!(trim(b"  "), b"");
        assert_eq!(trim("\u{a0}a".as_bytes()), "\u{a0}a".as_bytes());
    }
}
