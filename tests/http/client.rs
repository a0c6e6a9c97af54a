//! A small client: one connection a request, nothing hidden.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::support::PATIENCE;

/// Where a service answers.
#[derive(Clone)]
pub struct Api {
    /// `127.0.0.1:PORT`
    pub address: String,
    /// The certificate that it is to show.
    pub certificate: Option<String>,
}

/// What a service has answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What went wrong, which has to be told as RFC 9457 has it.
    pub fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        for key in ["type", "title", "detail"] {
            assert!(
                problem[key].as_str().is_some_and(|it| !it.is_empty()),
                "{self:?}"
            );
        }
        problem
    }
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Api {
    fn connect(&self) -> Box<dyn Stream> {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let Some(certificate) = &self.certificate else {
            return Box::new(stream);
        };
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
        roots
            .add(certificate.expect("a certificate"))
            .expect("added");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        Box::new(StreamOwned::new(connection, stream))
    }

    /// Sends a request with these headers besides `Host`, and begins to read.
    fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> BufReader<Box<dyn Stream>> {
        let mut stream = self.connect();
        let mut text = format!("{line} HTTP/1.1\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            text.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("Connection: close\r\n\r\n");
        text.push_str(body);
        // It may answer before it has read all.
        let _ = stream.write_all(text.as_bytes());
        BufReader::new(stream)
    }

    /// A whole request, such as `GET /x`, and its answer.
    pub fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut reader = self.send(line, headers, body);
        let (status, headers) = head(&mut reader);
        let header = |name: &str| {
            let mut headers = headers.iter();
            let found = headers.find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let mut body = Vec::new();
        match (line.starts_with("HEAD"), header("content-length")) {
            (true, _) => {}
            (false, Some(length)) => {
                body.resize(length.parse().expect("a number"), 0);
                reader.read_exact(&mut body).expect("a body");
            }
            (false, None) => {
                let _ = reader.read_to_end(&mut body);
            }
        }
        Answer {
            status,
            headers,
            body: String::from_utf8(body).expect("text"),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], "")
    }

    /// The JSON of what has to be there.
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub fn post(&self, path: &str) -> Answer {
        let headers = [("Content-Type", "application/json")];
        self.ask(&format!("POST {path}"), &headers, "{}")
    }

    /// Opens the stream.
    pub fn stream(&self, headers: &[(&str, &str)]) -> Messages {
        let mut reader = self.send("GET /api/v1/stream", headers, "");
        let (status, headers) = head(&mut reader);
        assert_eq!(status, 200, "{headers:?}");
        Messages { reader }
    }
}

fn head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a status line");
    let status = line.split(' ').nth(1).unwrap_or_default();
    let status = status
        .parse()
        .unwrap_or_else(|_| panic!("no status: {line:?}"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a header");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return (status, headers);
        };
        headers.push((name.to_owned(), value.to_owned()));
    }
}

/// The messages of a stream.
pub struct Messages {
    reader: BufReader<Box<dyn Stream>>,
}

/// One message.
#[derive(Debug)]
pub struct Message {
    pub event: String,
    pub id: Option<String>,
    pub data: Value,
}

impl Messages {
    /// The next one; `None` at the end of the stream.
    pub fn next(&mut self) -> Option<Message> {
        let (mut event, mut id, mut data) = (String::new(), None, None);
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(data) = data.take_if(|_| line.is_empty()) {
                return Some(Message { event, id, data });
            }
            match line.split_once(": ") {
                Some(("event", name)) => event = name.to_owned(),
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", json)) => data = Some(serde_json::from_str(json).expect("JSON")),
                // The lengths of chunks, line ends after them, comments.
                _ => {}
            }
        }
    }

    /// Waits for the sign of life that comes where nothing else has for a while.
    pub fn wait_for_heartbeat(&mut self) {
        let mut line = String::new();
        while line.trim_end() != ": still here" {
            line.clear();
            let read = self.reader.read_line(&mut line).expect("a line");
            assert!(read > 0, "the stream goes on");
        }
    }

    /// The next one that is wanted.
    pub fn wait_for(&mut self, mut wanted: impl FnMut(&Message) -> bool) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.next().expect("the stream goes on");
            if wanted(&message) {
                return message;
            }
            // It says something each second, whatever is waited for.
            assert!(Instant::now() < deadline, "it does not come");
        }
    }
}
