//! `character(n)`: blanks at the end are no part of the value.

/// The value without the blanks at its end.
pub fn significant(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().rev().take_while(|byte| **byte == b' ').count();
    &bytes[..bytes.len() - blanks]
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn only_blanks_at_the_end_go() {
        assert_eq!(significant(b" a \t "), b" a \t");
        assert_eq!(significant(b"  "), b"");
    }
}
