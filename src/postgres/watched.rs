//! A connection's bytes, watched: so that somebody can tell whether it waits for an answer, and how long
//! nothing has come or gone.
//!
//! tokio-postgres makes its sockets itself; what a caller can put before one is what encrypts. So what
//! watches looks like TLS, and encrypts only where that is wanted.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::conversation::Conversation;

/// What goes over one connection.
#[derive(Default)]
pub struct Traffic(Mutex<Option<Seen>>);

struct Seen {
    conversation: Conversation,
    last: Instant,
}

impl Traffic {
    /// The login is over, and nothing is under way: from here on it is looked at.
    pub fn begin(&self) {
        *self.seen() = Some(Seen {
            conversation: Conversation::default(),
            last: Instant::now(),
        });
    }

    /// When there was a sign of life, where an answer is waited for.
    pub fn waits_since(&self) -> Option<Instant> {
        let seen = self.seen();
        let seen = seen.as_ref()?;
        seen.conversation.is_under_way().then_some(seen.last)
    }

    /// For how long it has waited for an answer without one.
    pub fn waits_for(&self) -> Option<Duration> {
        self.waits_since().map(|since| since.elapsed())
    }

    fn note(&self, bytes: &[u8], note: impl FnOnce(&mut Conversation, &[u8]) -> bool) {
        if let Some(seen) = self.seen().as_mut()
            && !bytes.is_empty()
            && note(&mut seen.conversation, bytes)
        {
            seen.last = Instant::now();
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes watched connections, with TLS or without.
#[derive(Clone)]
pub struct Watch {
    /// What encrypts them; `None`: nothing does. Then nothing may be negotiated either: `ssl_mode` is
    /// `Require` and `ssl_negotiation` is `Direct`, by which a socket comes here as it is.
    pub tls: Option<MakeRustlsConnect>,
    /// What is seen.
    pub traffic: Arc<Traffic>,
}

type RustlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
type RustlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

impl MakeTlsConnect<Socket> for Watch {
    type Stream = Watched;
    type TlsConnect = WatchOne;
    type Error = Box<dyn Error + Send + Sync>;

    fn make_tls_connect(&mut self, domain: &str) -> Result<WatchOne, Self::Error> {
        let tls = match &mut self.tls {
            Some(tls) => Some(MakeTlsConnect::<Socket>::make_tls_connect(tls, domain)?),
            None => None,
        };
        Ok(WatchOne {
            tls,
            traffic: Arc::clone(&self.traffic),
        })
    }
}

/// Makes one.
pub struct WatchOne {
    tls: Option<RustlsConnect>,
    traffic: Arc<Traffic>,
}

impl TlsConnect<Socket> for WatchOne {
    type Stream = Watched;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Watched>>;

    fn connect(self, socket: Socket) -> Self::Future {
        async move {
            let line = match self.tls {
                Some(tls) => Line::Encrypted(Box::new(tls.connect(socket).await?)),
                None => Line::Plain(socket),
            };
            Ok(Watched {
                line,
                traffic: self.traffic,
            })
        }
        .boxed()
    }
}

/// What is watched.
enum Line {
    Plain(Socket),
    Encrypted(Box<RustlsStream>),
}

impl Line {
    fn as_read(&mut self) -> Pin<&mut (dyn AsyncRead + Unpin)> {
        match self {
            Line::Plain(socket) => Pin::new(socket),
            Line::Encrypted(stream) => Pin::new(&mut **stream),
        }
    }

    fn as_write(&mut self) -> Pin<&mut (dyn AsyncWrite + Unpin)> {
        match self {
            Line::Plain(socket) => Pin::new(socket),
            Line::Encrypted(stream) => Pin::new(&mut **stream),
        }
    }
}

/// A watched connection.
pub struct Watched {
    line: Line,
    traffic: Arc<Traffic>,
}

impl TlsStream for Watched {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.line {
            Line::Plain(_) => ChannelBinding::none(),
            Line::Encrypted(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.line.as_read().poll_read(context, buffer))?;
        let new = &buffer.filled()[before..];
        self.traffic.note(new, Conversation::hear);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.line.as_write().poll_write(context, bytes))?;
        self.traffic.note(&bytes[..written], Conversation::say);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.as_write().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.as_write().poll_shutdown(context)
    }
}
