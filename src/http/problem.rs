//! What went wrong, as RFC 9457 has it.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use ingestd_actors::error::{Error, ErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::harden;

/// What went wrong, and what to do about it (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is: a name that does not change.
    #[serde(rename = "type")]
    #[schema(example = "urn:ingestd:problem:unknown-pipeline")]
    pub kind: String,
    /// The same, for people.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    #[serde(skip)]
    #[schema(ignore)]
    header: Option<Box<(HeaderName, String)>>,
}

impl Problem {
    /// A problem; `name` is the last word of its kind.
    pub fn new(
        status: StatusCode,
        name: &str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            kind: format!("urn:ingestd:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            advice: None,
            header: None,
        }
    }

    /// The same with another status.
    pub fn with_status(mut self, status: StatusCode) -> Problem {
        self.status = status.as_u16();
        self
    }

    /// Adds what to do.
    pub fn with_advice(mut self, advice: impl Into<String>) -> Problem {
        self.advice = Some(advice.into());
        self
    }

    /// Nothing is there.
    pub fn no_such_path(path: &str) -> Problem {
        let detail = format!("there is nothing at {path}");
        Problem::new(
            StatusCode::NOT_FOUND,
            "no-such-path",
            "No such path",
            detail,
        )
        .with_advice("GET /api/v1/openapi.json lists all paths")
    }

    /// Something is there that takes other methods.
    pub fn wrong_method(method: &str, path: &str, allowed: &str) -> Problem {
        let detail = format!("{path} does not take {method}");
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut problem = Problem::new(status, "wrong-method", "Wrong method", detail)
            .with_advice(format!("use {allowed}"));
        problem.header = Some(Box::new((ALLOW, allowed.to_owned())));
        problem
    }

    /// What was asked for can't be meant.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "Bad request",
            detail,
        )
    }

    /// The token is missing, or another one.
    pub fn no_token(detail: &str) -> Problem {
        let status = StatusCode::UNAUTHORIZED;
        let mut problem = Problem::new(status, "no-token", "A token is needed", detail)
            .with_advice("send the header Authorization: Bearer TOKEN, with the service's token");
        problem.header = Some(Box::new((
            WWW_AUTHENTICATE,
            "Bearer realm=\"ingestd\"".to_owned(),
        )));
        problem
    }

    /// Not now.
    pub fn unavailable(name: &str, title: &'static str, detail: impl Into<String>) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, name, title, detail);
        problem.header = Some(Box::new((RETRY_AFTER, "1".to_owned())));
        problem
    }

    /// A fault of the program.
    pub fn bug() -> Problem {
        let detail = "answering has failed inside the program; the loading goes on";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "bug", "A fault of ingestd", detail)
            .with_advice("look into the service's log, and report it")
    }
}

/// An error of the ledger, or of a command.
impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let code = error.code().map_or(String::new(), |it| format!(" ({it})"));
        let detail = format!("{}{code}", error.message());
        let problem = match error.kind() {
            ErrorKind::Transient | ErrorKind::Unknown | ErrorKind::TooBig => {
                Problem::unavailable("database", "The database does not answer", detail)
            }
            ErrorKind::Configuration | ErrorKind::File | ErrorKind::Replaced => Problem::new(
                StatusCode::CONFLICT,
                "refused",
                "That can't be done",
                detail,
            ),
            ErrorKind::Row | ErrorKind::Fenced | ErrorKind::Bug => Problem {
                detail,
                ..Problem::bug()
            },
        };
        match error.advice() {
            Some(advice) => problem.with_advice(advice),
            None => problem,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        if let Some(header) = &self.header {
            let (name, value) = header.as_ref();
            response.insert_header((name.clone(), value.clone()));
        }
        let mut response = response.body(serde_json::to_vec(self).unwrap_or_default());
        harden(response.headers_mut());
        response
    }
}
