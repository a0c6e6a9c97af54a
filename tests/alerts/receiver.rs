//! Somebody who listens to webhooks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A request that has come.
pub struct Request {
    pub path: String,
    pub signature: Option<String>,
    pub content_type: Option<String>,
    pub body: String,
}

impl Request {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// What it does with a request.
pub enum Answer {
    /// Answers with this line and these headers.
    Status(&'static str),
    /// Never.
    Hang,
}

/// Listens on a port of its own until the end of the test.
pub struct Webhook {
    pub url: String,
    requests: Receiver<Request>,
}

impl Webhook {
    /// Answers the first requests as it is told, and all others with 204.
    pub fn new(first: Vec<Answer>) -> Webhook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!(
            "http://{}/hook?token=t0k3n",
            listener.local_addr().expect("ours")
        );
        let (tell, requests) = channel();
        thread::spawn(move || {
            let mut answers = first.into_iter();
            let mut hanging = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let request = read(&stream);
                let answer = answers.next().unwrap_or(Answer::Status("204 No Content"));
                match answer {
                    Answer::Status(status) => {
                        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                        // Somebody who has gone is the test's own business.
                        let _ = stream.write_all(answer.as_bytes());
                    }
                    Answer::Hang => hanging.push(stream),
                }
                if tell.send(request).is_err() {
                    return;
                }
            }
        });
        Webhook { url, requests }
    }

    /// The text of a sink `ops` that tells it, with these further keys.
    pub fn sink(&self, keys: &str) -> String {
        let url = &self.url;
        format!("[alert_sinks.ops]\ntype = \"webhook\"\nurl = \"{url}\"\n{keys}\n")
    }

    /// The next request.
    pub fn next(&self) -> Request {
        let request = self.requests.recv_timeout(Duration::from_secs(60));
        request.expect("a request")
    }

    /// Fails if another one comes within a moment.
    pub fn assert_silent(&self) {
        match self.requests.recv_timeout(Duration::from_millis(500)) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(error) => panic!("{error}"),
            Ok(request) => panic!("one more: {}", request.body),
        }
    }
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut signature, mut content_type, mut length) = (None, None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "x-ingestd-signature" => signature = Some(value.to_owned()),
            "content-type" => content_type = Some(value.to_owned()),
            "content-length" => length = value.parse().expect("a length"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    Request {
        path,
        signature,
        content_type,
        body: String::from_utf8(body).expect("text"),
    }
}
