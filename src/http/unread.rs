//! What is left of a request's body once it is answered.
//!
//! Where a body says how long it is, actix-http closes the connection soon after an answer that has not
//! read it. One that comes in chunks it reads to its end where nobody holds it any more, however long that
//! is, to use the connection again. So the answer holds it.

use std::cell::RefCell;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures_util::Stream;
use futures_util::stream::poll_fn;

/// What may be left of a body that comes in chunks.
pub struct Unread(Option<Rest>);

type Rest = Rc<RefCell<Payload>>;

impl Unread {
    /// Whoever reads the request's body leaves the rest of it here.
    pub fn of(request: &mut ServiceRequest) -> Unread {
        if matches!(request.chunked(), Ok(false)) {
            return Unread(None);
        }
        let rest = Rc::new(RefCell::new(request.take_payload()));
        let read = Rc::clone(&rest);
        let parts = poll_fn(move |context| Pin::new(&mut *read.borrow_mut()).poll_next(context));
        let payload = Box::pin(parts);
        request.set_payload(Payload::Stream { payload });
        Unread(Some(rest))
    }

    /// The answer, which holds it until it is sent.
    pub fn held_by(self, body: BoxBody) -> BoxBody {
        match self.0 {
            Some(rest) => BoxBody::new(Holding { body, _rest: rest }),
            None => body,
        }
    }

    /// An error, whose answer does.
    pub fn held_by_error(self, error: Error) -> Error {
        match self.0 {
            Some(rest) => Refused { error, rest }.into(),
            None => error,
        }
    }
}

struct Holding {
    body: BoxBody,
    _rest: Rest,
}

impl MessageBody for Holding {
    type Error = Box<dyn StdError>;

    fn size(&self) -> BodySize {
        match self.body.size() {
            // A body that is none would hold nothing.
            BodySize::None => BodySize::Sized(0),
            size => size,
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}

struct Refused {
    error: Error,
    rest: Rest,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let unread = Unread(Some(Rc::clone(&self.rest)));
        let response = self.error.error_response();
        response.map_body(|_, body| unread.held_by(body))
    }
}
