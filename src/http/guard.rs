//! PURE: who may ask.
//!
//! With a token, whoever has it. Without one, anybody on this machine, but for the pages of others in a
//! browser on it: such a page may have the browser ask under another host's name that leads here (DNS
//! rebinding), or send what it can't read the answer of (a form that posts across sites).

use std::net::IpAddr;

use actix_web::http::StatusCode;
use subtle::ConstantTimeEq;

use super::dashboard::is_page;
use super::problem::Problem;

/// The header that no form of a page can send.
pub const OWN_HEADER: &str = "x-ingestd";

/// Decides who may ask.
#[derive(Clone)]
pub struct Guard {
    /// The token's hash: of one length, whatever the token's is.
    token: Option<[u8; 32]>,
}

/// What is asked, as far as it matters who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The path.
    pub path: &'a str,
    /// Whether the method only looks.
    pub looks: bool,
    /// `Host`
    pub host: Option<&'a str>,
    /// `Origin`
    pub origin: Option<&'a str>,
    /// `Authorization`
    pub authorization: Option<&'a str>,
    /// `Content-Type`
    pub content_type: Option<&'a str>,
    /// Whether there is a header `X-Ingestd`.
    pub own_header: bool,
}

impl Guard {
    /// A guard that asks for this token, where there is one.
    pub fn new(token: Option<&[u8]>) -> Guard {
        Guard {
            token: token.map(hash),
        }
    }

    /// Lets in, or says why not.
    ///
    /// # Errors
    /// The problem to answer with.
    pub fn admit(&self, asked: Asked<'_>) -> Result<(), Problem> {
        if is_health(asked.path) && asked.looks {
            return Ok(());
        }
        match &self.token {
            // No page of others knows it, and no browser adds it by itself.
            // The page is nobody's secret, and it asks whoever looks at it for the token.
            Some(_) if asked.looks && is_page(asked.path) => Ok(()),
            Some(token) => has_token(token, asked.authorization),
            None => {
                is_meant_for_us(asked.host)?;
                is_our_page(asked)?;
                is_on_purpose(asked)
            }
        }
    }
}

fn is_health(path: &str) -> bool {
    path.starts_with("/health/")
}

fn hash(token: &[u8]) -> [u8; 32] {
    *blake3::hash(token).as_bytes()
}

fn has_token(token: &[u8; 32], authorization: Option<&str>) -> Result<(), Problem> {
    let Some(header) = authorization else {
        return Err(Problem::no_token(
            "this service answers only those who have its token",
        ));
    };
    let given = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, given)) = given else {
        return Err(Problem::no_token(
            "the header Authorization holds no bearer token",
        ));
    };
    // Of hashes, which tell nothing of the token where they differ late; and in constant time.
    match bool::from(hash(given.trim().as_bytes()).ct_eq(token)) {
        true => Ok(()),
        false => Err(Problem::no_token("the token is another one")),
    }
}

fn is_meant_for_us(host: Option<&str>) -> Result<(), Problem> {
    let name = host.map(host_name).unwrap_or_default();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse();
    let is_ours = name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address: IpAddr| address.is_loopback());
    match is_ours {
        true => Ok(()),
        false => {
            let detail = format!("this service is not {name:?}: it answers to localhost alone");
            let status = StatusCode::MISDIRECTED_REQUEST;
            Err(
                Problem::new(status, "wrong-host", "Not this host", detail).with_advice(
                    "ask for http://localhost or its address; to be reached under another name, give the service a token",
                ),
            )
        }
    }
}

/// Without its port.
fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if host[colon..].bytes().skip(1).all(|it| it.is_ascii_digit()) => {
            &host[..colon]
        }
        _ => host,
    }
}

fn is_our_page(asked: Asked<'_>) -> Result<(), Problem> {
    let Some(origin) = asked.origin else {
        return Ok(());
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match authority.is_some() && authority == asked.host {
        true => Ok(()),
        false => {
            let detail = format!("a page of {origin:?} asks, which is not one of this service's");
            let status = StatusCode::FORBIDDEN;
            Err(
                Problem::new(status, "other-origin", "Not from other pages", detail).with_advice(
                    "ask from a program, or from a page that this service has given out",
                ),
            )
        }
    }
}

/// A form of another page can post, but neither JSON nor a header of its own.
fn is_on_purpose(asked: Asked<'_>) -> Result<(), Problem> {
    let is_json = asked.content_type.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    });
    if asked.looks || is_json || asked.own_header {
        return Ok(());
    }
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let detail = "what changes something has to be asked for in a way that no form of a page can";
    Err(Problem::new(
        status,
        "not-json",
        "Content-Type has to be application/json",
        detail,
    )
    .with_advice("send the header Content-Type: application/json, or the header X-Ingestd: 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>() -> Asked<'a> {
        Asked {
            path: "/api/v1/pipelines",
            looks: true,
            host: Some("localhost:8474"),
            ..Asked::default()
        }
    }

    fn status(guard: &Guard, asked: Asked<'_>) -> u16 {
        guard.admit(asked).map_or_else(|it| it.status, |()| 200)
    }

    #[test]
    fn without_a_token_only_this_machine_s_names_lead_here() {
        let guard = Guard::new(None);
        for (host, expected) in [
            (Some("localhost"), 200),
            (Some("LocalHost:1"), 200),
            (Some("127.0.0.1:8474"), 200),
            (Some("127.9.9.9"), 200),
            (Some("[::1]:8474"), 200),
            (Some("evil.example:8474"), 421),
            (Some("localhost.evil.example"), 421),
            (Some("127.0.0.1.evil.example"), 421),
            (Some("192.168.0.1"), 421),
            (Some(""), 421),
            (None, 421),
        ] {
            assert_eq!(
                status(&guard, Asked { host, ..asked() }),
                expected,
                "{host:?}"
            );
        }
    }

    #[test]
    fn pages_of_others_are_refused() {
        let guard = Guard::new(None);
        for (origin, expected) in [
            (None, 200),
            (Some("http://localhost:8474"), 200),
            (Some("http://localhost:9999"), 403),
            (Some("https://evil.example"), 403),
            (Some("null"), 403),
        ] {
            assert_eq!(
                status(&guard, Asked { origin, ..asked() }),
                expected,
                "{origin:?}"
            );
        }
    }

    #[test]
    fn what_changes_something_is_asked_for_on_purpose() {
        let guard = Guard::new(None);
        let post = Asked {
            looks: false,
            ..asked()
        };
        for (content_type, own_header, expected) in [
            (None, false, 415),
            (Some("text/plain"), false, 415),
            (Some("application/x-www-form-urlencoded"), false, 415),
            (Some("application/json; charset=utf-8"), false, 200),
            (None, true, 200),
        ] {
            let asked = Asked {
                content_type,
                own_header,
                ..post
            };
            assert_eq!(status(&guard, asked), expected, "{content_type:?}");
        }
    }

    #[test]
    fn with_a_token_whoever_has_it_may_ask_from_anywhere_and_nobody_else_but_for_the_health() {
        let guard = Guard::new(Some(b"s3cret"));
        for (authorization, expected) in [
            (None, 401),
            (Some("Bearer s3cret"), 200),
            (Some("bearer  s3cret "), 200),
            (Some("Bearer s3cre"), 401),
            (Some("Bearer s3cret2"), 401),
            (Some("Bearer "), 401),
            (Some("Basic s3cret"), 401),
            (Some("s3cret"), 401),
        ] {
            let asked = Asked {
                host: Some("ingest.example"),
                looks: false,
                authorization,
                ..asked()
            };
            assert_eq!(status(&guard, asked), expected, "{authorization:?}");
        }
        let health = Asked {
            path: "/health/ready",
            host: Some("anything"),
            ..asked()
        };
        assert_eq!(status(&guard, health), 200);
        let other = Asked {
            path: "/healthy",
            ..health
        };
        assert_eq!(status(&guard, other), 401);
        for (path, looks, expected) in [
            ("/", true, 200),
            ("/assets/1/main.js", true, 200),
            ("/", false, 401),
            ("/api/v1/state", true, 401),
        ] {
            let asked = Asked {
                path,
                looks,
                ..asked()
            };
            assert_eq!(status(&guard, asked), expected, "{path}");
        }
    }
}
