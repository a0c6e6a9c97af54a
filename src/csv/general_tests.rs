//! One thing of a dialect each, and the plain dialect through the general scanner.

use proptest::prelude::*;

use super::super::plain::Plain;
use super::super::{Escape, Oversized, Scanner};
use super::*;

fn dialect(delimiter: &str) -> Dialect {
    Dialect {
        delimiter: delimiter.into(),
        ..Dialect::default()
    }
}

/// What stands at the start of a text, and its fields; `'` before those that were quoted.
fn scan(dialect: &Dialect, text: &str, eof: bool) -> (Scan, Vec<String>) {
    let mut fields = Vec::new();
    let scan = Scanner::new(dialect).scan(text.as_bytes(), 0, eof, &mut fields);
    let mut scratch = Vec::new();
    let texts = fields.iter().map(|field| {
        let content = field.text(text.as_bytes(), Escape::new(dialect), &mut scratch);
        let content = std::str::from_utf8(content).expect("cut between characters");
        format!("{}{content}", if field.quoted { "'" } else { "" })
    });
    (scan, texts.collect())
}

/// The fields of the record that the text begins with.
fn fields(dialect: &Dialect, text: &str) -> Vec<String> {
    let (scan, fields) = scan(dialect, text, true);
    assert!(matches!(scan, Scan::Record(_)), "{text:?}: {scan:?}");
    fields
}

/// The fault of the record that the text begins with, and where the next one begins.
fn fault(dialect: &Dialect, text: &str) -> (Fault, usize) {
    match scan(dialect, text, true).0 {
        Scan::Bad(record, fault) => (fault, record.next),
        scan => panic!("{text:?}: {scan:?}"),
    }
}

#[test]
fn a_delimiter_may_have_several_bytes() {
    let bars = dialect("||");
    assert_eq!(
        fields(&bars, "a||b|c||\"d||e\"||\n"),
        ["a", "b|c", "'d||e", ""]
    );
    // The first two of three are the delimiter.
    assert_eq!(fields(&bars, "a|||b"), ["a", "|b"]);
    assert_eq!(fields(&bars, "a|\n"), ["a|"]);
    assert_eq!(fields(&bars, "a|"), ["a|"]);
    assert_eq!(fields(&bars, "||"), ["", ""]);
    assert_eq!(fault(&bars, "\"a\"|b\nc"), (Fault::TextAfterQuote, 6));
    assert_eq!(fault(&bars, "\"a\"|"), (Fault::TextAfterQuote, 4));
    for cut in ["a", "a|", "\"a\"", "\"a\"|", "a||", "a||b|"] {
        assert_eq!(scan(&bars, cut, false).0, Scan::NeedMore, "{cut:?}");
    }
    let long = "0123456789".repeat(7);
    let text = format!("{long}|→|\"{long}\"|→|{long}|→\n");
    let expected = [long.clone(), format!("'{long}"), format!("{long}|→")];
    assert_eq!(fields(&dialect("|→|"), &text), expected);
    assert_eq!(fields(&dialect("→"), "ä→ü→\r\n"), ["ä", "ü", ""]);
    assert_eq!(fields(&dialect("ab"), "aab\n"), ["a", ""]);
}

#[test]
fn without_a_quote_every_quote_is_data() {
    let unquoted = Dialect {
        quote: None,
        ..dialect("\t")
    };
    assert_eq!(
        fields(&unquoted, "\"a\t5\" pipe\t\"\"\n\""),
        ["\"a", "5\" pipe", "\"\""]
    );
}

#[test]
fn an_escape_keeps_a_quote_or_itself() {
    let escaped = Dialect {
        escape: Some(b'\\'),
        ..dialect(",")
    };
    assert_eq!(
        fields(&escaped, r#""a\"b","c\\",d\"e,"\N\n",\"#),
        [r#"'a"b"#, r"'c\", r#"d\"e"#, r"'\N\n", r"\"]
    );
}

#[test]
fn with_an_escape_a_doubled_quote_is_bad_quoting() {
    let escaped = Dialect {
        escape: Some(b'\\'),
        ..dialect(",")
    };
    assert_eq!(fault(&escaped, "\"a\"\"b\"\n"), (Fault::TextAfterQuote, 7));
    assert_eq!(fault(&escaped, "\"a\\\"\nb"), (Fault::UnfinishedQuote, 5));
    assert_eq!(fault(&escaped, "\"a\\"), (Fault::UnfinishedQuote, 3));
    assert_eq!(scan(&escaped, "\"a\\", false).0, Scan::NeedMore);
}

#[test]
fn white_space_outside_of_quotes_is_taken_off() {
    let trimmed = Dialect {
        trim: true,
        ..dialect(",")
    };
    assert_eq!(
        fields(&trimmed, " a b\t, \" c \" ,\t,  d\"e\"\r\n"),
        ["a b", "' c ", "", "d\"e\""]
    );
    assert_eq!(fields(&trimmed, "  \"a\"  "), ["'a"]);
    assert_eq!(fields(&trimmed, "a\u{a0},\u{b}b"), ["a\u{a0}", "\u{b}b"]);
    assert_eq!(fields(&trimmed, "   \n"), [""]);
    assert_eq!(fault(&trimmed, "\"a\" b,c\nd"), (Fault::TextAfterQuote, 8));
    assert_eq!(scan(&trimmed, "a, ", false).0, Scan::NeedMore);
    assert_eq!(scan(&trimmed, "\"a\" ", false).0, Scan::NeedMore);
}

#[test]
fn a_comment_begins_where_a_record_could() {
    let commented = Dialect {
        comment: Some(b'#'),
        ..dialect(",")
    };
    let line = |text: &str, eof| match scan(&commented, text, eof).0 {
        Scan::Comment(record) => (record.end, record.next),
        scan => panic!("{text:?}: {scan:?}"),
    };
    assert_eq!(line("# \"a,\r\nb", false), (5, 7));
    assert_eq!(line("#", true), (1, 1));
    assert_eq!(scan(&commented, "#\r", false).0, Scan::NeedMore);
    assert_eq!(fields(&commented, " #,\"\n#\""), [" #", "'\n#"]);
    let short = Dialect {
        max_record: 4,
        ..commented.clone()
    };
    let oversized = Scan::Oversized(Oversized::new(None, 5, 1));
    assert_eq!(scan(&short, "# and more\n", true).0, oversized);
}

#[test]
fn what_is_too_large_is_so_in_every_dialect() {
    let short = Dialect {
        trim: true,
        max_record: 6,
        ..dialect("||")
    };
    let too_large = |lines| Scan::Oversized(Oversized::new(Some(Fault::TooLarge), 7, lines));
    for text in [
        "abcdefg",
        "abcdef|",
        "abc||de",
        "\"abc\"  ",
        "\"abcd\"|",
        "       ",
    ] {
        assert_eq!(scan(&short, text, false).0, too_large(1), "{text:?}");
    }
    assert_eq!(scan(&short, "\"a\nb\"  ", false).0, too_large(2));
    assert_eq!(fields(&short, "\"abcd\"\n"), ["'abcd"]);
    let unfinished = Oversized::new(Some(Fault::UnfinishedQuote), 7, 1);
    assert_eq!(
        scan(&short, "\"abcde\"\n", true).0,
        Scan::Oversized(unfinished)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_plain_dialect_is_one_of_many(
        text in "[a-c,,\"\"\n\r é]{0,90}", max_record in 1usize..100, eof: bool,
    ) {
        let plain = Plain { delimiter: b',', quote: b'"' };
        let general = General::new(&dialect(","));
        let mut at = 0;
        while at < text.len() {
            let window = Window::new(text.as_bytes(), at, eof, max_record);
            let (mut one, mut other) = (Vec::new(), Vec::new());
            let found = plain.scan(&window, &mut one);
            prop_assert_eq!(found, general.scan(&window, &mut other));
            at = match found {
                Scan::Record(record) => {
                    prop_assert_eq!(one, other);
                    record.next
                }
                Scan::Bad(record, _) => record.next,
                _ => break,
            };
        }
    }
}
