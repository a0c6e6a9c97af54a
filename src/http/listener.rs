//! The listener: bound before anything is loaded, and served by threads of its own.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, middleware};
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::supervision::Pulse;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use slog::Logger;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;
use utoipa_actix_web::AppExt;

use super::app::{Gate, bodies, gate, nothing_there, paths, payloads};
use super::ask::Ask;
use super::dashboard;
use super::desk::{Desk, Parts, STREAMS};
use super::guard::Guard;
use super::routes;
use super::shared::SharedByAll;
use super::snapshots::Snapshots;
use crate::postgres::passwords::read_alone;
use crate::service::Kept;
use crate::settings::{HttpSettings, HttpTls, TOKEN_VARIABLE};

/// How long the service waits for the listener as it starts.
const START: Duration = Duration::from_secs(10);
/// How long the end waits for answers that are on their way.
const TO_END: Duration = Duration::from_millis(500);
/// How long a request's head may take to come.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection that asks for nothing is kept.
const IDLE: Duration = Duration::from_secs(30);
/// How long what was sent may stay unacknowledged, in milliseconds: whoever does not read is let go.
const UNREAD: u32 = 20_000;
/// The most connections.
const CONNECTIONS: usize = 1024;

/// A listener that has its address, and answers nobody yet.
pub struct Bound {
    socket: TcpListener,
    guard: Guard,
    tls: Option<ServerConfig>,
    url: String,
}

impl Bound {
    /// Takes the address that is configured, where one is.
    ///
    /// # Errors
    /// `Configuration` where others could reach it without a token, or where a file can't be used;
    /// `Transient` where the address can't be had.
    pub fn bind(settings: &HttpSettings) -> Result<Option<Bound>> {
        let Some(address) = settings.listen else {
            return Ok(None);
        };
        let token = token(settings)?;
        if token.is_none() && !address.ip().is_loopback() {
            let message = format!(
                "http.listen is {address}, which other machines may reach, and there is no token"
            );
            return Err(Error::new(ErrorKind::Configuration, message).with_advice(format!(
                "put a token into a file and name it in http.token_file, or into the variable {TOKEN_VARIABLE}; or listen on 127.0.0.1"
            )));
        }
        let tls = settings.tls.as_ref().map(server_config).transpose()?;
        let socket = TcpListener::bind(address).map_err(|error| cannot(address, &error))?;
        let address = socket
            .local_addr()
            .map_err(|error| cannot(address, &error))?;
        // Connections have it from here; where the system knows no such limit, it has its own.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&socket, UNREAD);
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok(Some(Bound {
            socket,
            guard: Guard::new(token.as_deref()),
            tls,
            url: format!("{scheme}://{address}"),
        }))
    }

    /// Answers from now on, and is started again where it ends by itself.
    ///
    /// # Errors
    /// Where it does not come to answer at all.
    pub async fn serve(self, parts: Parts) -> Result<Listener> {
        let (end, url) = (CancellationToken::new(), self.url.clone());
        let (running, mut started) = watch::channel(None);
        let (background, runtime) = (parts.beside.background.clone(), Handle::current());
        let life = Life {
            bound: Arc::new(self),
            parts,
            end: end.clone(),
            running: Arc::new(running),
        };
        let kept = background.keep(&runtime, "http listener", move |pulse| {
            life.clone().live(pulse)
        });
        let first = tokio::time::timeout(START, started.wait_for(Option::is_some)).await;
        let answers = matches!(first, Ok(Ok(_)));
        drop(first);
        if !answers {
            let message = "the http listener can't be started; the log says why";
            return Err(Error::new(ErrorKind::Transient, message));
        }
        Ok(Listener {
            running: started,
            kept,
            end,
            url,
        })
    }

    fn start(&self, parts: Parts, end: CancellationToken) -> Result<actix_web::dev::Server> {
        let log = parts.log.clone();
        let ask = Ask::new(&parts.connection, Handle::current())?;
        let shared = SharedByAll::default();
        let desk = Data::new(Desk {
            snapshots: Snapshots::start(ask.clone(), parts.clone(), shared.clone()),
            ask,
            parts,
            streams: Arc::new(Semaphore::new(STREAMS)),
            retries: Arc::new(Semaphore::new(1)),
            questions: Arc::new(Semaphore::new(1)),
            end,
        });
        let entrance = Data::new(Gate {
            guard: self.guard.clone(),
            document: routes::document(),
            shared,
            log,
        });
        let server = HttpServer::new(move || {
            let (app, _) = App::new()
                .app_data(desk.clone())
                .app_data(entrance.clone())
                .app_data(paths())
                .app_data(bodies())
                .app_data(payloads())
                .wrap(middleware::from_fn(gate))
                .into_utoipa_app()
                .configure(routes::all)
                .split_for_parts();
            app.configure(dashboard::routes)
                .default_service(web::to(nothing_there))
        })
        .workers(1)
        .disable_signals()
        .max_connections(CONNECTIONS)
        .client_request_timeout(HEAD)
        .keep_alive(IDLE)
        .shutdown_timeout(1);
        let failed = |error: std::io::Error| {
            let message = format!("the http listener can't be started: {error}");
            Error::new(ErrorKind::Transient, message)
        };
        // The next life needs it too; who asks meanwhile waits for it.
        let socket = self.socket.try_clone().map_err(failed)?;
        let bound = match self.tls.clone() {
            Some(tls) => server.listen_rustls_0_23(socket, tls),
            None => server.listen(socket),
        };
        Ok(bound.map_err(failed)?.run())
    }
}

/// What a life of the listener needs.
#[derive(Clone)]
struct Life {
    bound: Arc<Bound>,
    parts: Parts,
    end: CancellationToken,
    /// What ends the one that answers.
    running: Arc<watch::Sender<Option<ServerHandle>>>,
}

impl Life {
    /// Answers on a thread of its own, until the end of the service.
    async fn live(self, pulse: Pulse) -> Result<()> {
        pulse.working();
        let (tell, told) = oneshot::channel();
        // Whoever gives this life up ends its thread with it.
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let (end, running) = (self.end.clone(), Arc::clone(&self.running));
        let thread = std::thread::Builder::new().name("http".to_owned());
        thread
            .spawn(move || {
                let system = actix_web::rt::System::new();
                let ended = system.block_on(async move {
                    tokio::select! {
                        ended = self.serve(&pulse) => ended,
                        () = given_up.cancelled() => Ok(()),
                    }
                });
                // It may be given up.
                let _ = tell.send(ended);
            })
            .map_err(|error| {
                let message = format!("the http listener can't be started: {error}");
                Error::new(ErrorKind::Transient, message)
            })?;
        let ended = told.await;
        running.send_replace(None);
        match ended {
            Ok(Ok(())) if end.is_cancelled() => Ok(()),
            Ok(Ok(())) => Err(Error::new(ErrorKind::Bug, "it has ended by itself")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Bug, "its thread has panicked")),
        }
    }

    async fn serve(self, pulse: &Pulse) -> Result<()> {
        pass(Step::HttpServe).await?;
        let server = self.bound.start(self.parts, self.end)?;
        self.running.send_replace(Some(server.handle()));
        pulse.waiting();
        server.await.map_err(|error| {
            let message = format!("the http listener has ended: {error}");
            Error::new(ErrorKind::Transient, message)
        })
    }
}

/// A listener that answers, until it is stopped.
pub struct Listener {
    running: watch::Receiver<Option<ServerHandle>>,
    kept: Kept,
    end: CancellationToken,
    url: String,
}

impl Listener {
    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it: streams at once, and what else is on its way within half a second.
    pub async fn stop(self, log: &Logger) {
        self.end.cancel();
        let running = self.running.borrow().clone();
        // Between two lives there is none.
        let Some(handle) = running else {
            return;
        };
        if tokio::time::timeout(TO_END, handle.stop(true))
            .await
            .is_err()
        {
            slog::debug!(log, "http connections were cut");
            // It goes on by itself where the process does.
            drop(handle.stop(false));
        }
        self.kept.let_go();
    }
}

fn cannot(address: SocketAddr, error: &std::io::Error) -> Error {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another service may listen there: give this one another http.listen, or \"off\""
        }
        _ => "give another http.listen, or \"off\"",
    };
    let message = format!("http can't listen on {address}: {error}");
    Error::new(ErrorKind::Transient, message).with_advice(advice)
}

/// The token, where there is one.
fn token(settings: &HttpSettings) -> Result<Option<Vec<u8>>> {
    let token = match (&settings.token, &settings.token_file) {
        (Some(token), _) => token.0.clone().into_bytes(),
        (None, Some(file)) => read_alone(file).map_err(|error| {
            let message = error
                .message()
                .replacen("the password file", "the token file", 1);
            Error::new(ErrorKind::Configuration, message).with_advice("check http.token_file")
        })?,
        (None, None) => return Ok(None),
    };
    match token.trim_ascii() {
        [] => {
            let message = "the token for http is empty";
            let advice = "write one into the file that http.token_file names, or into INGESTD_HTTP_TOKEN; or take that away";
            Err(Error::new(ErrorKind::Configuration, message).with_advice(advice))
        }
        token => Ok(Some(token.to_vec())),
    }
}

fn server_config(tls: &HttpTls) -> Result<ServerConfig> {
    let wrong = |what: &str, path: &Path, why: String| {
        let message = format!("{what} {} {why}", path.display());
        Error::new(ErrorKind::Configuration, message)
    };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| {
            wrong(
                "http.tls.certificate",
                &tls.certificate,
                format!("can't be used: {error}"),
            )
        })?;
    if certificates.is_empty() {
        let why = "holds no certificate; it has to be in PEM".to_owned();
        return Err(wrong("http.tls.certificate", &tls.certificate, why));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|_| {
        let why = "can't be used: it has to be a key in PEM, without a password".to_owned();
        wrong("http.tls.key", &tls.key, why)
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let builder = builder.with_no_client_auth();
            builder.with_single_cert(certificates, key)
        })
        .map_err(|error| {
            let why = format!("and http.tls.key don't go together: {error}");
            wrong("http.tls.certificate", &tls.certificate, why)
        })
}
