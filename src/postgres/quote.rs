//! Names and words of an operator, made safe for SQL.

use crate::plan::TableName;

/// An identifier, always quoted.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes, which means the same whatever `standard_conforming_strings` is set to.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        // The blank keeps the E from growing together with what stands before it.
        true => format!(" E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// Identifiers with commas between them.
pub fn identifiers<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = names.into_iter().map(identifier).collect();
    quoted.join(", ")
}

/// A table's name, with its schema where one is given.
pub fn table(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    }
}

/// A name of at most 63 bytes, the longest that PostgreSQL keeps: a longer one is cut, and ends in
/// a hash of the whole, so that it stays the same and stays apart from others.
pub fn short_name(name: &str) -> String {
    const LONGEST: usize = 63;
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let mut end = LONGEST - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{}", &name[..end], &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(identifiers(["a", "B c"]), "\"a\", \"B c\"");
    }

    #[test]
    fn a_backslash_never_hides_the_closing_quote() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(
            literal("\\'; drop table x; --"),
            " E'\\\\''; drop table x; --'"
        );
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, two) = ("é".repeat(40) + "1", "é".repeat(40) + "2");
        assert!(short_name(&one).len() <= 63);
        assert_eq!(short_name(&one), short_name(&one));
        assert_ne!(short_name(&one), short_name(&two));
        assert_eq!(short_name("short"), "short");
    }
}
