//! A proxy between a program and a server: it cuts, holds back, swallows and delays what a test tells it to, at
//! any byte or any message of either direction. The integration tests and the library's own tests include it
//! alike.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio_postgres::config::Host;

/// Who has sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Client,
    Server,
}

/// A whole message, before it is passed on.
pub struct Message<'a> {
    /// The connection's number, from 0.
    pub connection: u64,
    pub from: Side,
    /// Its first letter; 0 for the first message of a client, which has none.
    pub tag: u8,
    pub bytes: &'a [u8],
    /// How many bytes of this direction were there before it, over all connections.
    pub offset: u64,
    /// Of a client's: the statements of its transaction so far, this one's included.
    pub statements: &'a [String],
    /// Which question of its connection it belongs to, counted in ReadyForQuery.
    pub turn: u64,
    /// Whether it makes what the statements did last: a COMMIT, or the end of a statement outside of a
    /// transaction.
    pub commits: bool,
}

impl Message<'_> {
    /// Whether one of the statements has these words in it.
    pub fn does(&self, words: &str) -> bool {
        self.statements.iter().any(|it| it.contains(words))
    }
}

/// What becomes of a message.
pub enum Verdict {
    Pass,
    /// Something else is passed on, in place of what is held too.
    Instead(Vec<u8>),
    /// It is kept until the next one of its direction that is not.
    Hold,
    /// So many bytes of what is held and of this one are passed on, and then it is over.
    End(usize, Way),
}

/// How a connection ends, or seems to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Both sides see its end.
    Both,
    /// The client sees it; the server waits on.
    ClientOnly,
    /// The server sees it; the client waits on.
    ServerOnly,
    /// Nobody sees anything any more: all bytes are taken, and none is passed on.
    Silent,
    /// The client reads an end; what it sends goes through.
    HalfToClient,
    /// The server reads an end; what it answers goes through.
    HalfToServer,
}

type Rule = Box<dyn FnMut(&Message<'_>) -> Verdict + Send>;

/// The proxy. Its connections end with it.
pub struct Proxy {
    port: u16,
    user: String,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: PathBuf,
    rule: Mutex<Rule>,
    passed: [AtomicU64; 2],
    /// Milliseconds, each way.
    delay: AtomicU64,
    lines: Mutex<Vec<Arc<Line>>>,
    ended: AtomicBool,
}

/// A connection: both of its ends, and what is known of its conversation.
struct Line {
    number: u64,
    client: TcpStream,
    server: UnixStream,
    silent: AtomicBool,
    talk: Mutex<Talk>,
}

#[derive(Default)]
struct Talk {
    names: HashMap<Vec<u8>, String>,
    statements: Vec<String>,
    in_transaction: bool,
    asked: u64,
    answered: u64,
}

impl Proxy {
    /// A proxy before the server whose URL, with a socket, this is. It passes everything on.
    pub fn before(url: &str) -> Proxy {
        let config: tokio_postgres::Config = url.parse().expect("a URL");
        let [Host::Unix(place)] = config.get_hosts() else {
            panic!("the server has a socket: {url}");
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let shared = Arc::new(Shared {
            server: place.join(format!(".s.PGSQL.{port}")),
            rule: Mutex::new(Box::new(|_| Verdict::Pass)),
            passed: Default::default(),
            delay: AtomicU64::new(0),
            lines: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        Proxy {
            port: listener.local_addr().expect("an address").port(),
            user: config.get_user().expect("a user").to_owned(),
            shared: Arc::clone(&shared),
            accepting: Some(thread::spawn(move || accept(&listener, &shared))),
        }
    }

    /// The URL of a database, through the proxy.
    pub fn url(&self, database: &str) -> String {
        let (user, port) = (&self.user, self.port);
        format!("postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// What becomes of each message from now on.
    pub fn rule(&self, rule: impl FnMut(&Message<'_>) -> Verdict + Send + 'static) {
        *locked(&self.shared.rule) = Box::new(rule);
    }

    /// How long everything takes, each way.
    pub fn delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).expect("a delay");
        self.shared.delay.store(delay, Ordering::Relaxed);
    }

    /// How many bytes have come from there.
    pub fn bytes(&self, from: Side) -> u64 {
        self.shared.passed[from as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // It wakes up by a connection, and sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for line in locked(&self.shared.lines).drain(..) {
            line.close_client();
            line.close_server();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, client) in listener.incoming().enumerate() {
        if shared.ended.load(Ordering::Acquire) {
            return;
        }
        // Where there is no server, the client's connection is closed at once.
        let (Ok(client), Ok(server)) = (client, UnixStream::connect(&shared.server)) else {
            continue;
        };
        client.set_nodelay(true).expect("a socket");
        let line = Arc::new(Line {
            number: number as u64,
            client,
            server,
            silent: AtomicBool::new(false),
            talk: Mutex::default(),
        });
        locked(&shared.lines).push(Arc::clone(&line));
        for from in [Side::Client, Side::Server] {
            let (shared, line) = (Arc::clone(shared), Arc::clone(&line));
            thread::spawn(move || relay(&shared, &line, from));
        }
    }
}

/// Reads one direction to its end.
fn relay(shared: &Shared, line: &Line, from: Side) {
    let mut buffer = vec![0; 1 << 16];
    let (mut partial, mut held) = (Vec::new(), Vec::new());
    let mut first = from == Side::Client;
    loop {
        let read = match from {
            Side::Client => (&line.client).read(&mut buffer),
            Side::Server => (&line.server).read(&mut buffer),
        };
        let Ok(length @ 1..) = read else { break };
        if line.silent.load(Ordering::Acquire) {
            continue;
        }
        let delay = shared.delay.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(delay));
        partial.extend_from_slice(&buffer[..length]);
        let mut rest = &partial[..];
        let mut out = Vec::new();
        while let Some(length) = message_length(rest, first) {
            let (bytes, after) = rest.split_at(length);
            match judge(shared, line, from, bytes, first) {
                Verdict::Pass => {
                    out.append(&mut held);
                    out.extend_from_slice(bytes);
                }
                Verdict::Instead(other) => {
                    held.clear();
                    out.extend(other);
                }
                Verdict::Hold => held.extend_from_slice(bytes),
                Verdict::End(some, way) => {
                    held.extend_from_slice(bytes);
                    out.extend_from_slice(&held[..some.min(held.len())]);
                    held.clear();
                    line.send(from, &out);
                    out.clear();
                    line.end(way);
                    if line.silent.load(Ordering::Acquire) {
                        rest = &[];
                        break;
                    }
                }
            }
            first = false;
            rest = after;
        }
        partial = rest.to_vec();
        line.send(from, &out);
    }
    // Whoever is told nothing is not told of the end either.
    if !line.silent.load(Ordering::Acquire) {
        match from {
            Side::Client => line.server.shutdown(Shutdown::Write).unwrap_or(()),
            Side::Server => line.close_client(),
        }
    }
}

/// The length of the message that these bytes begin with, once all of it is there.
fn message_length(bytes: &[u8], first: bool) -> Option<usize> {
    let head = usize::from(!first);
    let length = bytes.get(head..head + 4)?;
    let length = u32::from_be_bytes(length.try_into().expect("four")) as usize + head;
    (bytes.len() >= length).then_some(length)
}

fn judge(shared: &Shared, line: &Line, from: Side, bytes: &[u8], first: bool) -> Verdict {
    let tag = if first { 0 } else { bytes[0] };
    let mut rule = locked(&shared.rule);
    let offset = shared.passed[from as usize].fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let mut talk = locked(&line.talk);
    let (commits, turn) = match from {
        Side::Client => (talk.hear_client(tag, bytes), talk.asked),
        Side::Server => (false, talk.hear_server(tag)),
    };
    let verdict = rule(&Message {
        connection: line.number,
        from,
        tag,
        bytes,
        offset,
        statements: &talk.statements,
        turn,
        commits,
    });
    if commits {
        talk.statements.clear();
        talk.in_transaction = false;
    }
    verdict
}

impl Talk {
    /// Whether it commits.
    fn hear_client(&mut self, tag: u8, bytes: &[u8]) -> bool {
        let text = |from: usize| {
            let end = bytes[from..].iter().position(|byte| *byte == 0);
            let end = from + end.unwrap_or(bytes.len() - from);
            (
                String::from_utf8_lossy(&bytes[from..end]).into_owned(),
                end + 1,
            )
        };
        match tag {
            b'Q' => {
                self.asked += 1;
                let (statement, _) = text(5);
                let (begins, ends) = transaction_words(&statement);
                self.state(statement, begins);
                if ends == Some("ROLLBACK") {
                    self.statements.clear();
                    self.in_transaction = false;
                }
                ends == Some("COMMIT") || !self.in_transaction
            }
            b'P' => {
                let (name, after) = text(5);
                let (statement, _) = text(after);
                self.names.insert(name.into_bytes(), statement.clone());
                self.state(statement, false);
                false
            }
            b'B' => {
                let (_, after) = text(5);
                let (name, _) = text(after);
                let known = self.names.get(name.as_bytes()).cloned();
                if let Some(statement) = known.filter(|it| !self.statements.contains(it)) {
                    self.state(statement, false);
                }
                false
            }
            b'S' => {
                self.asked += 1;
                !self.in_transaction
            }
            _ => false,
        }
    }

    fn state(&mut self, statement: String, begins: bool) {
        if begins {
            self.statements.clear();
            self.in_transaction = true;
        }
        self.statements.push(statement);
    }

    /// The turn that is answered.
    fn hear_server(&mut self, tag: u8) -> u64 {
        let turn = self.answered + 1;
        match tag {
            b'Z' => self.answered += 1,
            // The Sync before the data of a COPY is not answered.
            b'G' => self.asked -= 1,
            _ => {}
        }
        // The first one is the login's.
        turn - 1
    }
}

/// Whether a simple query opens a transaction, and the word by which it ends one.
fn transaction_words(statement: &str) -> (bool, Option<&'static str>) {
    let begins = statement.starts_with("BEGIN") || statement.starts_with("START TRANSACTION");
    let last = statement.trim_end().rsplit(';').next().unwrap_or_default();
    let ends = ["COMMIT", "ROLLBACK"]
        .into_iter()
        .find(|word| last.trim() == *word);
    (begins, ends)
}

impl Line {
    /// Sends; whoever does not listen any more misses it.
    fn send(&self, from: Side, bytes: &[u8]) {
        if bytes.is_empty() || self.silent.load(Ordering::Acquire) {
            return;
        }
        let _ = match from {
            Side::Client => (&self.server).write_all(bytes),
            Side::Server => (&self.client).write_all(bytes),
        };
    }

    fn end(&self, way: Way) {
        match way {
            Way::HalfToClient => return self.client.shutdown(Shutdown::Write).unwrap_or(()),
            Way::HalfToServer => return self.server.shutdown(Shutdown::Write).unwrap_or(()),
            _ => self.silent.store(true, Ordering::Release),
        }
        if matches!(way, Way::Both | Way::ClientOnly) {
            self.close_client();
        }
        if matches!(way, Way::Both | Way::ServerOnly) {
            self.close_server();
        }
    }

    fn close_client(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
    }

    fn close_server(&self) {
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
