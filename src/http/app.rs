//! What every answer goes through: who asks, how long it may take, and what becomes of a panic.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{JsonPayloadError, PathError, PayloadError};
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::{Data, JsonConfig, PathConfig, PayloadConfig};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError};
use futures_util::FutureExt;
use tokio::time::timeout;
use utoipa::openapi::OpenApi;

use super::guard::{Asked, Guard, OWN_HEADER};
use super::problem::Problem;
use super::query::quoted;
use super::routes::methods;
use super::shared::{Answer, SharedByAll, is_shared};
use super::unread::Unread;

/// The longest body.
pub const BODY: usize = 1 << 20;
/// How long an answer may take, its body's arrival included; streams begin within it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is shared by all that every answer goes through.
pub struct Gate {
    /// Who may ask.
    pub guard: Guard,
    /// Which paths there are.
    pub document: OpenApi,
    /// What was answered just before.
    pub shared: SharedByAll,
    /// The log.
    pub log: slog::Logger,
}

/// Answers a request, and waits for no more of its body than was read for that.
pub async fn gate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let unread = Unread::of(&mut request);
    match admit(request, next).await {
        Ok(response) => Ok(response.map_body(|_, body| unread.held_by(body))),
        Err(error) => Err(unread.held_by_error(error)),
    }
}

/// Lets a request in, or answers with a problem; a panic behind it is a problem too, and so is an error
/// that no handler has made.
async fn admit(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gate = request.app_data::<Data<Gate>>().cloned();
    let gate = gate.ok_or_else(Problem::bug)?;
    gate.guard.admit(asked(request.request()))?;
    if is_too_long(&request) {
        return Err(too_long().into());
    }
    // As a GET whose body is not sent; but a stream would have no end.
    if request.method() == Method::HEAD && !request.path().ends_with("/stream") {
        request.head_mut().method = Method::GET;
    }
    let path = request.path().to_owned();
    let answering = async {
        match request.method() == Method::GET && is_shared(&path) {
            true => share(&gate, request, next).await,
            false => answer(&gate, request, next).await,
        }
    };
    let answering = AssertUnwindSafe(answering).catch_unwind();
    let Ok(answered) = timeout(PATIENCE, answering).await else {
        let detail = format!("this takes longer than {} s", PATIENCE.as_secs());
        let status = StatusCode::REQUEST_TIMEOUT;
        return Err(Problem::new(status, "too-slow", "Too slow", detail).into());
    };
    let Ok(answered) = answered else {
        slog::error!(gate.log, "answering has panicked; the loading goes on"; "path" => path);
        return Err(Problem::bug().into());
    };
    let mut response = answered?;
    if let Some(problem) = response.response().error().and_then(of_actix) {
        return Ok(response.into_response(problem.error_response()));
    }
    harden(response.headers_mut());
    Ok(response)
}

/// Answers; whatever is no question may have changed what was answered before.
async fn answer(
    gate: &Gate,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let _changes = (!request.method().is_safe()).then(|| Changes(&gate.shared));
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Whoever changes something, however that ends: it may panic, or be given up, when it is done already.
struct Changes<'a>(&'a SharedByAll);

impl Drop for Changes<'_> {
    fn drop(&mut self) {
        self.0.lock().forget(Instant::now());
    }
}

/// Answers, or gives what was answered to the same question just before.
async fn share(
    gate: &Gate,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let question = request.uri().to_string();
    let began = Instant::now();
    let known = gate.shared.lock().take(&question, began);
    if let Some(answer) = known {
        return Ok(request.into_response(given(answer)));
    }
    let response = next.call(request).await?.map_into_boxed_body();
    if response.status() != StatusCode::OK {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    let (response, body) = response.into_parts();
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    let body = to_bytes(body).await?;
    let answer = Answer { kind, body };
    let mut shared = gate.shared.lock();
    shared.put(&question, &answer, began, Instant::now());
    drop(shared);
    let response = response.set_body(BoxBody::new(answer.body));
    Ok(ServiceResponse::new(request, response))
}

fn given(answer: Answer) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(kind) = answer.kind {
        response.insert_header((CONTENT_TYPE, kind));
    }
    response.body(answer.body)
}

/// What every answer has.
pub fn harden(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Whether whoever asks for the health, which everybody may, might ask for everything.
pub fn may_ask_for_more(request: &HttpRequest) -> bool {
    let gate = request.app_data::<Data<Gate>>();
    let asked = Asked {
        path: "/api/v1/state",
        ..asked(request)
    };
    gate.is_some_and(|gate| gate.guard.admit(asked).is_ok())
}

fn asked(request: &HttpRequest) -> Asked<'_> {
    let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    Asked {
        path: request.path(),
        looks: matches!(*request.method(), Method::GET | Method::HEAD),
        host: header(HOST),
        origin: header(ORIGIN),
        authorization: header(AUTHORIZATION),
        content_type: header(CONTENT_TYPE),
        own_header: request.headers().contains_key(OWN_HEADER),
    }
}

fn is_too_long(request: &ServiceRequest) -> bool {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > BODY as u64)
}

fn too_long() -> Problem {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    let detail = format!("a body has at most {BODY} bytes");
    Problem::new(status, "too-long", "Too long", detail)
}

/// Whoever asks for what is not there, or for it in another way.
pub async fn nothing_there(request: HttpRequest, gate: Data<Gate>) -> HttpResponse {
    let path = request.path();
    let allowed = methods(&gate.document, path);
    let problem = match allowed.is_empty() {
        true => Problem::no_such_path(path),
        false => Problem::wrong_method(request.method().as_str(), path, &allowed.join(", ")),
    };
    problem.error_response()
}

/// What can't be read of a path is nowhere.
pub fn paths() -> PathConfig {
    PathConfig::default().error_handler(|error: PathError, request| {
        let mut problem = Problem::no_such_path(request.path());
        let why = wrong_part(&error.to_string(), request);
        problem.detail = format!("{}: {why}", problem.detail);
        problem.into()
    })
}

/// Which part of a path can't be meant, and what would be right.
fn wrong_part(error: &str, request: &HttpRequest) -> String {
    let mut parts = request.match_info().iter();
    if error.contains("unknown variant") {
        let mut names = quoted(error);
        let wrong = names.next().unwrap_or_default();
        let known: Vec<&str> = names.collect();
        return format!("{wrong:?} is none of {}", known.join(", "));
    }
    // All parts that are no text are such numbers.
    match parts.find(|(name, text)| *name != "name" && text.parse::<i64>().is_err()) {
        Some((name, text)) => format!("{name} is a whole number, and {text:?} is none"),
        None => error.to_owned(),
    }
}

/// What can't be read of a body.
pub fn bodies() -> JsonConfig {
    JsonConfig::default()
        .limit(BODY)
        .error_handler(|error: JsonPayloadError, _| {
            let problem = match error {
                JsonPayloadError::Overflow { .. }
                | JsonPayloadError::OverflowKnownLength { .. } => too_long(),
                JsonPayloadError::ContentType => {
                    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                    let detail = "the body has to be application/json";
                    Problem::new(
                        status,
                        "not-json",
                        "Content-Type has to be application/json",
                        detail,
                    )
                }
                JsonPayloadError::Deserialize(error) => {
                    Problem::bad_request(format!("the body can't be read: {error}"))
                }
                other => Problem::bad_request(other.to_string()),
            };
            problem.into()
        })
}

/// How long a body may be.
pub fn payloads() -> PayloadConfig {
    PayloadConfig::default().limit(BODY)
}

/// What an error is that is no problem yet.
fn of_actix(error: &Error) -> Option<Problem> {
    if error.as_error::<Problem>().is_some() {
        return None;
    }
    if let Some(PayloadError::Overflow) = error.as_error::<PayloadError>() {
        return Some(too_long());
    }
    let status = error.as_response_error().status_code();
    Some(match status.is_client_error() {
        true => Problem::bad_request(error.to_string()).with_status(status),
        false => Problem::bug(),
    })
}
