//! PURE: passwords are not shown.

use std::sync::LazyLock;

use config::{Value, ValueKind};
use regex::Regex;

/// What stands for a password.
const HIDDEN: &str = "***";

/// A value without the passwords in it.
pub fn hide(key: &str, value: &Value) -> Value {
    let is_secret = (key.contains("password") || key.contains("secret")) && !key.ends_with("_file");
    let kind = match &value.kind {
        ValueKind::String(_) if is_secret => ValueKind::String(HIDDEN.to_owned()),
        ValueKind::String(text) => ValueKind::String(without_token(&without_password(text))),
        ValueKind::Table(table) => ValueKind::Table(
            table
                .iter()
                .map(|(key, value)| (key.clone(), hide(key, value)))
                .collect(),
        ),
        other => other.clone(),
    };
    Value::new(None, kind)
}

/// A URL of the web without what follows its host, which may be a token; any other text as it is.
fn without_token(text: &str) -> String {
    static URL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?is)^(https?://)(?:[^/?#]*@)?([^/?#@]*)([/?#].*)?$").ok());
    let found = URL.as_ref().and_then(|pattern| pattern.captures(text));
    match found {
        Some(found) => {
            let path = found.get(3).map_or("", |path| path.as_str());
            let hidden = if path.len() > 1 { "/***" } else { path };
            format!("{}{}{hidden}", &found[1], &found[2])
        }
        None => text.to_owned(),
    }
}

/// A connection string without its password; any other text as it is.
pub fn without_password(text: &str) -> String {
    static IN_URL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?s)^([a-z][a-z0-9+.-]*://[^:/?#@]*):.*@").ok());
    static BY_NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?is)\b(password|sslpassword)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)").ok()
    });
    let mut text = text.to_owned();
    if let Some(pattern) = &*IN_URL {
        text = pattern.replace(&text, "$1:***@").into_owned();
    }
    if let Some(pattern) = &*BY_NAME {
        text = pattern.replace_all(&text, "$1$2***").into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (text, shown) in [
            (
                "postgresql://me:s3cret@db/shop",
                "postgresql://me:***@db/shop",
            ),
            (
                "postgresql://me:s3/c@r:et@db:5432/shop",
                "postgresql://me:***@db:5432/shop",
            ),
            ("postgres://:s3cret@db", "postgres://:***@db"),
            (
                "postgresql:///shop?host=/x&password=s3cret&user=me",
                "postgresql:///shop?host=/x&password=***&user=me",
            ),
            (
                "host=db password=s3cret user=me",
                "host=db password=*** user=me",
            ),
            (
                r"host=db password = 's3 \' cret' user=me",
                "host=db password = *** user=me",
            ),
            ("postgresql://me@db/shop", "postgresql://me@db/shop"),
            ("inbox/events", "inbox/events"),
        ] {
            assert_eq!(without_password(text), shown);
        }
        let secret = Value::from("s3cret");
        assert_eq!(hide("password", &secret).kind, ValueKind::from("***"));
        assert_eq!(hide("secret", &secret).kind, ValueKind::from("***"));
        assert_eq!(hide("secret_file", &secret).kind, ValueKind::from("s3cret"));
        for (url, shown) in [
            (
                "https://hooks.example.com/T1/s3cret",
                "https://hooks.example.com/***",
            ),
            (
                "https://example.com?token=s3cret",
                "https://example.com/***",
            ),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("http://me:s3cret@example.com", "http://example.com"),
        ] {
            assert_eq!(hide("url", &Value::from(url)).kind, ValueKind::from(shown));
        }
        assert_eq!(
            hide("password_file", &secret).kind,
            ValueKind::from("s3cret")
        );
    }
}
