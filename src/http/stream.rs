//! Server-sent events: the state each second, and what happens.
//!
//! A pump fills a small channel that the connection empties. Where it is not emptied, the stream ends:
//! nothing is kept for whoever does not read. The pump has the place among the streams, so that a
//! connection that hangs keeps none.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_postgres::types::Type;

use super::ask::parameter;
use super::desk::{Desk, STREAMS};
use super::events::cursor;
use super::problem::Problem;
use super::snapshots::Taken;
use crate::view::events::{Cursor, Happened, after, after_query};

/// How many messages wait for a connection.
const WAITING: usize = 4;
/// How long one that is not emptied is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often something is sent at least, for whoever stands between to see that it lives.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How many events that were missed are sent again at most.
const MISSED: i64 = 1000;

/// The state (`event: state`) at once and each second, and each event (`event: event`) as it is seen,
/// as server-sent events. Whoever comes back with `Last-Event-ID` gets the events since then first, at
/// most 1000.
#[utoipa::path(
    tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen.")),
    responses(
        (status = 200, description = "The stream: `state` is as /api/v1/state, `event` one event as in /api/v1/events.",
         body = String, content_type = "text/event-stream"),
        (status = 503, description = "There are 64 streams already.", body = Problem,
         content_type = "application/problem+json"),
    )
)]
#[get("/api/v1/stream")]
pub async fn open_stream(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let last = request.headers().get("last-event-id");
    let last = last.and_then(|last| last.to_str().ok());
    let last = last
        .filter(|last| !last.is_empty())
        .map(cursor)
        .transpose()?;
    let place = Arc::clone(&desk.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("{STREAMS} streams are open, and there are no more");
        Problem::unavailable("too-many-streams", "Too many streams", detail)
            .with_advice("close one, or ask for /api/v1/state now and then")
    })?;
    let (send, receive) = channel(WAITING);
    // Before the state is taken, so that what comes after it is not missed.
    let events = desk.snapshots.events();
    let desk = desk.into_inner();
    let end = desk.end.clone();
    tokio::spawn(async move {
        let pump = Pump {
            desk,
            send,
            _place: place,
        };
        tokio::select! {
            () = end.cancelled() => {}
            _ = pump.run(last, events) => {}
        }
    });
    let body = unfold(receive, |mut receive| async move {
        let bytes: Bytes = receive.recv().await?;
        Some((Ok::<_, Infallible>(bytes), receive))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .streaming(body))
}

/// Nobody reads any more, or not fast enough.
struct Gone;

struct Pump {
    desk: Arc<Desk>,
    send: Sender<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Pump {
    async fn run(
        &self,
        last: Option<Cursor>,
        mut events: Receiver<Arc<Happened>>,
    ) -> Result<(), Gone> {
        // Browsers come back by themselves, soon.
        self.put(Bytes::from_static(b"retry: 1000\n\n")).await?;
        let known = match last {
            Some(last) => self.catch_up(last).await?,
            None => BTreeSet::new(),
        };
        let mut sent = Instant::now();
        let mut shown: Option<Arc<Taken>> = None;
        loop {
            let until = match self.desk.snapshots.get().await {
                Ok(taken) => {
                    if self.show(&taken, shown.as_deref()).await? {
                        sent = Instant::now();
                    }
                    let until = taken.until;
                    shown = Some(taken);
                    until
                }
                Err(_) => Instant::now() + Duration::from_secs(1),
            };
            if sent.elapsed() >= HEARTBEAT {
                self.put(Bytes::from_static(b": still here\n\n")).await?;
                sent = Instant::now();
            }
            let wait = until.saturating_duration_since(Instant::now());
            tokio::select! {
                () = sleep(wait) => {}
                () = self.send.closed() => return Err(Gone),
                event = events.recv() => {
                    let event = event.map_err(|_| Gone)?;
                    if !known.contains(&event.id) {
                        self.put(event_message(&event)).await?;
                        sent = Instant::now();
                    }
                }
            }
        }
    }

    /// Sends a state that was not shown yet, or that there is none, once; whether it has.
    async fn show(&self, taken: &Taken, shown: Option<&Taken>) -> Result<bool, Gone> {
        let is_wrong = taken.state.is_err();
        if let Some(shown) = shown
            && (std::ptr::eq(shown, taken) || is_wrong && shown.state.is_err())
        {
            return Ok(false);
        }
        let name = if is_wrong { "problem" } else { "state" };
        self.put(message(name, None, &taken.json)).await?;
        Ok(true)
    }

    /// Sends what was missed, and tells which that was.
    async fn catch_up(&self, last: Cursor) -> Result<BTreeSet<String>, Gone> {
        let (micros, file, note) = after(last);
        let parameters = vec![
            parameter(micros, Type::INT8),
            parameter(file, Type::INT8),
            parameter(note, Type::INT8),
            parameter(MISSED, Type::INT8),
            parameter(None::<String>, Type::TEXT),
        ];
        // Where the database does not answer, the stream's state says so.
        let missed = self.desk.ask.rows(after_query(), parameters).await;
        let mut known = BTreeSet::new();
        for row in missed.iter().flatten() {
            let (_, event) = Happened::of(row);
            self.put(event_message(&event)).await?;
            known.insert(event.id);
        }
        Ok(known)
    }

    async fn put(&self, bytes: Bytes) -> Result<(), Gone> {
        match timeout(PATIENCE, self.send.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Gone),
        }
    }
}

fn event_message(event: &Happened) -> Bytes {
    let json = serde_json::to_vec(event).unwrap_or_default();
    message("event", Some(&event.id), &json)
}

/// JSON has no line ends of its own: one line of data is all of it.
fn message(name: &str, id: Option<&str>, json: &[u8]) -> Bytes {
    let id = id.map_or(String::new(), |id| format!("id: {id}\n"));
    let mut text = format!("event: {name}\n{id}data: ").into_bytes();
    text.extend_from_slice(json);
    text.extend_from_slice(b"\n\n");
    Bytes::from(text)
}
