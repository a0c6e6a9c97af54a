//! What stands behind the `?` of an address; what can't be meant there is told by its name.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::error::QueryPayloadError;
use actix_web::{Error, FromRequest, HttpRequest, web};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::settings::nearest;

/// The parameters of a query. All of them may be left out.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(T);

impl<T> Query<T> {
    /// The parameters.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let parameters = read(request.query_string());
        ready(parameters.map(Query).map_err(Into::into))
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let parsed = web::Query::<T>::from_query(text);
    parsed.map(web::Query::into_inner).map_err(|error| {
        let QueryPayloadError::Deserialize(error) = error else {
            return error.to_string();
        };
        error.to_string()
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    parse(text).map_err(|what| {
        // The error does not name the parameter; since none has to be there, each can be tried alone.
        let mut parts = text.split('&');
        let alone = parts.find_map(|part| Some((part, parse::<T>(part).err()?)));
        Problem::bad_request(match alone {
            Some((part, what)) => wrong(part, &what),
            None => repeated(&what),
        })
    })
}

/// What is wrong with a parameter, and what would be right.
fn wrong(part: &str, what: &str) -> String {
    let pair = parse::<Vec<(String, String)>>(part).unwrap_or_default();
    let Some((name, value)) = pair.into_iter().next() else {
        return what.to_owned();
    };
    if what.starts_with("unknown field") {
        let known: Vec<&str> = quoted(what).skip(1).collect();
        let advice = match (nearest(&name, known.iter().copied()), known.is_empty()) {
            (_, true) => "this takes none".to_owned(),
            (Some(near), _) => format!("did you mean {near:?}?"),
            (None, _) => format!("there are {}", known.join(", ")),
        };
        return format!("there is no parameter {name:?}; {advice}");
    }
    let form = match what {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            match value.parse::<i64>() {
                Ok(_) => "a whole number that is not negative",
                Err(_) => "a whole number",
            }
        }
        "number too large to fit in target type" => "a smaller number",
        "number too small to fit in target type" => "a larger number",
        "invalid float literal" | "cannot parse float from empty string" => "a number",
        "provided string was not `true` or `false`" => "true or false",
        _ => return format!("{name}: {value:?} can't be: {what}"),
    };
    format!("{name}: {value:?} can't be; write {form}")
}

/// Each parameter can be meant, and not all of them.
fn repeated(what: &str) -> String {
    match (what.starts_with("duplicate field"), quoted(what).next()) {
        (true, Some(name)) => format!("{name} is said twice; say it once"),
        _ => what.to_owned(),
    }
}

/// PURE: the names that stand in such an error between back quotes.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read")]
    struct Wanted {
        #[serde(default)]
        all: bool,
        limit: Option<u32>,
        cursor: Option<i64>,
        wait: Option<f64>,
        name: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    #[test]
    fn what_cant_be_meant_is_named_with_what_would_be_right() {
        for (text, expected) in [
            ("limit=abc", "limit: \"abc\" can't be; write a whole number"),
            (
                "name=a&limit=",
                "limit: \"\" can't be; write a whole number",
            ),
            (
                "limit=-5",
                "limit: \"-5\" can't be; write a whole number that is not negative",
            ),
            (
                "limit=99999999999",
                "limit: \"99999999999\" can't be; write a smaller number",
            ),
            ("wait=x&limit=1", "wait: \"x\" can't be; write a number"),
            ("cursor=%3C", "cursor: \"<\" can't be; write a whole number"),
            ("all=bla", "all: \"bla\" can't be; write true or false"),
            (
                "limt=1",
                "there is no parameter \"limt\"; did you mean \"limit\"?",
            ),
            (
                "zzzzzzzz=1",
                "there is no parameter \"zzzzzzzz\"; there are all, limit, cursor, wait, name",
            ),
            ("limit=1&limit=2", "limit is said twice; say it once"),
        ] {
            let problem = read::<Wanted>(text).expect_err(text);
            assert_eq!((problem.status, problem.detail.as_str()), (400, expected));
        }
        for right in ["", "limit=3&wait=0.5&all=true&name=%26"] {
            assert!(read::<Wanted>(right).is_ok(), "{right}");
        }
        let problem = read::<Nothing>("a=1").expect_err("it takes none");
        assert_eq!(
            problem.detail,
            "there is no parameter \"a\"; this takes none"
        );
    }
}
