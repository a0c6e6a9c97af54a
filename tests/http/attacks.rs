//! Whoever wants to wear the listener out: the loading goes on, others are answered, and memory stays.
//!
//! Each attack is scaled to seconds: what takes its time for ever is let go by the listener's own limits.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::*;
use crate::support::database;

/// So much more than before is nothing that grows with the attack.
const FLAT: u64 = 48 << 10;

struct Attacked {
    database: TestDatabase,
    home: Home,
    answering: Answering,
    files: i64,
    memory: u64,
}

impl Attacked {
    fn new() -> Attacked {
        let database = database();
        let home = home(&database, &["one"]);
        let answering = start(&home);
        wait_until_ready(&answering.api);
        let mut attacked = Attacked {
            database,
            home,
            answering,
            files: 0,
            memory: 0,
        };
        // What loading and answering take by themselves.
        attacked.assert_it_goes_on();
        attacked.answering.api.json("/api/v1/state");
        attacked.memory = attacked.answering.service.peak_memory();
        attacked
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.answering.api.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    fn host(&self) -> &str {
        &self.answering.api.address
    }

    /// The beginning of a request: its end is still to come.
    fn head(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.host())
    }

    /// Others are answered, and a file that comes now is loaded.
    fn assert_it_goes_on(&mut self) {
        assert_eq!(self.answering.api.get("/health/live").status, 200);
        let name = format!("{}.csv", self.files);
        drop_rows(&self.home, "one", &name, self.files as u64 * 1_000, 1_000);
        self.files += 1;
        wait_for_archived(&mut self.database.client(), self.files);
    }

    /// And it ends in order.
    fn end(self) {
        let grown = self.answering.service.peak_memory() - self.memory;
        eprintln!("{grown} KiB more than before");
        assert!(grown < FLAT, "{grown} KiB more than before");
        let rows = "select count(*) from one";
        let row = self
            .database
            .client()
            .query_one(rows, &[])
            .expect("a count");
        assert_eq!(row.get::<_, i64>(0), self.files * 1_000);
        assert!(!self.home.log().contains("panick"), "{}", self.home.log());
        self.answering.service.stop();
    }
}

/// Reads to the end, however that comes; what was read.
fn read_out(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it is kept for ever"),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All of them are ended, soon after they were opened, without an answer or with the one for those who are slow.
fn assert_let_go(streams: &mut [TcpStream], opened: Instant) {
    for stream in streams {
        let said = read_out(stream);
        assert!(said.is_empty() || said.contains(" 408 "), "{said}");
    }
    let took = opened.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn heads_that_come_byte_by_byte_are_let_go_after_seconds() {
    let mut attacked = Attacked::new();
    let asked = Instant::now();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| attacked.connect()).collect();
    let head = format!("{}X: ", attacked.head("/health/live"));
    let mut at = 0;
    // For longer than a head may take.
    while asked.elapsed() < Duration::from_secs(7) {
        let byte = head.as_bytes().get(at).copied().unwrap_or(b'x');
        for stream in &mut slow {
            // It may be let go already.
            let _ = stream.write_all(&[byte]);
        }
        at += 1;
        if at == 10 {
            attacked.assert_it_goes_on();
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert_let_go(&mut slow, asked);
    attacked.assert_it_goes_on();
    attacked.end();
}

#[test]
fn a_thousand_connections_that_ask_for_nothing_are_let_go() {
    let mut attacked = Attacked::new();
    let asked = Instant::now();
    let mut idle: Vec<TcpStream> = (0..1000).map(|_| attacked.connect()).collect();
    attacked.assert_it_goes_on();
    // Half of them have asked once, and are kept for a while.
    let request = format!("{}\r\n", attacked.head("/health/live"));
    let polite = idle.split_off(500);
    for mut stream in polite.iter() {
        let _ = stream.write_all(request.as_bytes());
    }
    assert_let_go(&mut idle, asked);
    attacked.assert_it_goes_on();
    drop(polite);
    attacked.end();
}

/// More than the listener has places: whoever asks then waits until some are free.
#[test]
fn a_listener_without_a_free_place_answers_again_once_there_are_some() {
    let mut attacked = Attacked::new();
    let idle: Vec<TcpStream> = (0..1200).map(|_| attacked.connect()).collect();
    let name = "meanwhile.csv";
    drop_rows(&attacked.home, "one", name, 900_000, 1_000);
    attacked.files += 1;
    wait_for_archived(&mut attacked.database.client(), attacked.files);
    // Within the time that a head may take.
    attacked.assert_it_goes_on();
    drop(idle);
    attacked.end();
}

#[test]
fn ten_thousand_headers_are_refused() {
    let mut attacked = Attacked::new();
    for name in ["X-Many", "Host", "Cookie"] {
        let headers: String = (0..10_000).map(|n| format!("{name}: {n}\r\n")).collect();
        let text = format!("{}{headers}\r\n", attacked.head("/health/live"));
        for _ in 0..20 {
            let mut stream = attacked.connect();
            // It may answer, and end, before it has read all.
            let _ = stream.write_all(text.as_bytes());
            let said = read_out(&mut stream);
            let line = said.lines().next().unwrap_or_default();
            assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{line}");
        }
    }
    attacked.assert_it_goes_on();
    attacked.end();
}

#[test]
fn a_body_of_a_gigabyte_is_not_read() {
    let mut attacked = Attacked::new();
    for path in [
        "/api/v1/dead-letters/replay",
        "/api/v1/dead-letters/discard",
        "/api/v1/pipelines/one/pause",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n",
            attacked.host()
        );
        // It says how long it is.
        let mut stream = attacked.connect();
        let text = format!("{head}Content-Length: {}\r\n\r\n", 1 << 30);
        stream.write_all(text.as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 413", "{path}");
    }
    let commands = "select command from ingestd.pipelines where name = 'one'";
    let row = attacked.database.client().query_one(commands, &[]);
    assert_eq!(
        row.expect("a pipeline").get::<_, i64>(0),
        0,
        "nothing was commanded"
    );
    attacked.assert_it_goes_on();
    attacked.end();
}

/// Sends chunks for as long as they are taken; what was answered meanwhile.
fn send_chunks(attacked: &Attacked, head: &str) -> String {
    let mut stream = attacked.connect();
    let mut answered = stream.try_clone().expect("the same one");
    let answered = thread::spawn(move || read_out(&mut answered));
    stream.write_all(head.as_bytes()).expect("sent");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let begun = Instant::now();
    while stream.write_all(chunk.as_bytes()).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it reads for ever: {head}");
    }
    answered.join().expect("an answer")
}

#[test]
fn chunks_without_an_end_are_not_read_for_ever() {
    let mut attacked = Attacked::new();
    let host = format!("Host: {}", attacked.host());
    for (line, header, status) in [
        ("POST /api/v1/dead-letters/replay", &host[..], "413"),
        ("POST /api/v1/pipelines/one/pause", &host, "413"),
        ("POST /api/v1/pipelines/one/pause", "Host: evil", "421"),
        ("POST /api/v1/nothing", &host, "404"),
        ("GET /health/live", &host, "200"),
        ("HEAD /api/v1/files", &host, "200"),
        ("GET /", &format!("{host}\r\nIf-None-Match: *"), "304"),
    ] {
        let head = format!(
            "{line} HTTP/1.1\r\n{header}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let said = send_chunks(&attacked, &head);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}{said}"
        );
        assert!(said.contains("connection: close\r\n"), "{head}{said}");
    }
    // Those that have one are as any other body, and the connection goes on.
    let mut stream = attacked.connect();
    let chunked = format!(
        "POST /api/v1/pipelines/one/rescan HTTP/1.1\r\n{host}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n"
    );
    for _ in 0..2 {
        stream.write_all(chunked.as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        let mut rest = [0; 1];
        while &rest != b"]" {
            stream.read_exact(&mut rest).expect("its end");
        }
        stream.read_exact(&mut rest).expect("its end");
    }
    attacked.assert_it_goes_on();
    attacked.end();
}

#[test]
fn garbage_behind_a_request_ends_that_connection_alone() {
    let mut attacked = Attacked::new();
    let good = format!(
        "GET /health/live HTTP/1.1\r\nHost: {}\r\n\r\n",
        attacked.host()
    );
    let post = format!(
        "POST /api/v1/pipelines/one/pause HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n",
        attacked.host()
    );
    let noise: Vec<u8> = (0..1 << 20)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let garbage: [&[u8]; 8] = [
        b"\x00\xff\xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET  \r\n\r\n",
        b"\r\n\r\n\r\n\r\nNO",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        &noise,
    ];
    for garbage in garbage {
        let mut stream = attacked.connect();
        let _ = stream.write_all(&[good.as_bytes(), garbage].concat());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let said = read_out(&mut stream);
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    }
    // Bodies that are none: no command among them.
    for body in [
        "Content-Length: -1\r\n\r\n{}",
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ] {
        let mut stream = attacked.connect();
        let _ = stream.write_all(format!("{post}{body}").as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let said = read_out(&mut stream);
        let line = said.lines().next().unwrap_or_default();
        assert!(
            line.is_empty() || line.starts_with("HTTP/1.1 4"),
            "{body:?}: {line}"
        );
    }
    let commands = "select command from ingestd.pipelines where name = 'one'";
    let row = attacked.database.client().query_one(commands, &[]);
    assert_eq!(
        row.expect("a pipeline").get::<_, i64>(0),
        0,
        "nothing was commanded"
    );
    // Thousands of requests whose answers nobody reads: they are not kept either.
    let mut deaf: Vec<TcpStream> = (0..3).map(|_| attacked.connect()).collect();
    let many = format!(
        "GET /api/v1/openapi.json HTTP/1.1\r\nHost: {}\r\n\r\n",
        attacked.host()
    )
    .repeat(2_000);
    for stream in &mut deaf {
        stream
            .set_write_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        let _ = stream.write_all(many.as_bytes());
    }
    attacked.assert_it_goes_on();
    attacked.assert_it_goes_on();
    drop(deaf);
    attacked.end();
}

#[test]
fn a_stream_that_nobody_reads_is_ended_and_its_messages_are_not_kept() {
    let mut attacked = Attacked::new();
    let mut client = attacked.database.client();
    let deaf: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut stream = attacked.connect();
            let request = format!("{}\r\n", attacked.head("/api/v1/stream"));
            stream.write_all(request.as_bytes()).expect("sent");
            let mut first = [0; 12];
            stream.read_exact(&mut first).expect("an answer");
            assert_eq!(&first, b"HTTP/1.1 200");
            stream
        })
        .collect();
    assert_eq!(attacked.answering.api.get("/api/v1/stream").status, 503);
    // As much happens as fills what the system keeps for each of them, many times.
    let much = "insert into ingestd.event_log (kind, message)
                select 'test.much', repeat('x', 20000) from generate_series(1, 20)";
    let asked = Instant::now();
    let mut ended = false;
    while !ended {
        client.batch_execute(much).expect(much);
        thread::sleep(Duration::from_millis(250));
        // A place is free again.
        let mut stream = attacked.connect();
        let request = format!("{}\r\n", attacked.head("/api/v1/stream"));
        stream.write_all(request.as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        ended = &first == b"HTTP/1.1 200";
        assert!(asked.elapsed() < PATIENCE, "they are kept for ever");
    }
    attacked.assert_it_goes_on();
    drop(deaf);
    attacked.end();
}

#[test]
fn two_hundred_streams_are_as_many_as_there_may_be_and_cost_the_loading_nothing() {
    let mut attacked = Attacked::new();
    let request = format!("{}\r\n", attacked.head("/api/v1/stream"));
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..200 {
        let mut stream = attacked.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        match &first {
            b"HTTP/1.1 200" => open.push(stream),
            b"HTTP/1.1 503" => refused += 1,
            other => panic!("{:?}", String::from_utf8_lossy(other)),
        }
    }
    assert_eq!((open.len(), refused), (64, 136));
    for _ in 0..3 {
        attacked.assert_it_goes_on();
    }
    // Each of them hears of it.
    for stream in &mut open {
        let mut text = String::new();
        let mut part = [0; 4096];
        while !text.contains("file.archived") {
            let count = stream.read(&mut part).expect("it goes on");
            assert!(count > 0, "it has ended");
            text.push_str(&String::from_utf8_lossy(&part[..count]));
        }
    }
    drop(open);
    attacked.end();
}
