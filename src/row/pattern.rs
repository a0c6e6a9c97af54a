//! A regular expression that a whole text must match.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::bytes::Regex;

/// Those that were compiled before: it takes longer than loading a small file does.
static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);

/// There are never more in use than columns; the rest are of configurations that are gone.
const MOST_COMPILED: usize = 1_000;

/// A regular expression for whole texts.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression (syntax of the crate `regex`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Pattern, String> {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = compiled.get(text) {
            return Ok(Pattern(regex.clone()));
        }
        let regex = compile(text)?;
        if compiled.len() >= MOST_COMPILED {
            compiled.clear();
        }
        compiled.insert(text.to_owned(), regex.clone());
        Ok(Pattern(regex))
    }

    /// Whether all of the text matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

fn compile(text: &str) -> Result<Regex, String> {
    // By itself first: what is put round it must not make an expression of `a)(b`.
    Regex::new(text).map_err(why)?;
    let whole = |end: &str| Regex::new(&format!(r"\A(?:{text}{end})\z"));
    // A comment of the extended syntax, `(?x)`, goes on up to a line end.
    whole("").or_else(|_| whole("\n")).map_err(why)
}

fn why(error: regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(most) => {
            format!("it takes more than {most} bytes once it is compiled")
        }
        error => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default();
            reason.strip_prefix("error: ").unwrap_or(reason).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(text.as_bytes())
    }

    #[test]
    fn the_whole_text_must_match() {
        assert!(matches("[A-Z]{2}[0-9]+", "AB12"));
        for text in ["", "AB", "xAB12", "AB12x", "AB12\n", "\nAB12"] {
            assert!(!matches("[A-Z]{2}[0-9]+", text), "{text:?}");
        }
        assert!(matches("a|ab", "ab"), "the longer way is looked for too");
        assert!(!matches("a|b", "ab"));
        assert!(matches("^a$", "a"));
        assert!(matches("(?i)é.", "Éß"), "by characters, not by bytes");
        assert!(matches("(?x) a # one", "a"));
        assert!(!matches("(?x) a # one", "a\n"));
    }

    #[test]
    fn what_is_none_says_why() {
        let error = |pattern| Pattern::new(pattern).unwrap_err();
        assert_eq!(error("[a"), "unclosed character class");
        assert_eq!(error("a)(b"), "unopened group");
        assert!(error(r"\w{2000}{200}").contains("bytes once it is compiled"));
        assert!(error(r"(a)\1").contains("backreferences"));
    }
}
