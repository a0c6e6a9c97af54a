//! A webhook that is reached by TLS, one that leads elsewhere, and one that takes its time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::receiver::{Answer, Webhook};
use super::*;
use crate::support::{Scratch, database};
use crate::tls::certificates::{Authority, Pair};

/// Somebody who answers by TLS, always the same; what has come, head and body.
struct Encrypted {
    port: u16,
    requests: Receiver<String>,
}

impl Encrypted {
    fn new(pair: &Pair, answer: String) -> Encrypted {
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.expect("a certificate")],
                key.expect("a key"),
            );
        let config = Arc::new(config.expect("a configuration"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("ours").port();
        let (tell, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = StreamOwned::new(connection, stream.expect("a connection"));
                // Whoever does not trust us goes.
                let Some(request) = read(&mut stream) else {
                    continue;
                };
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
                if tell.send(request).is_err() {
                    return;
                }
            }
        });
        Encrypted { port, requests }
    }

    fn next(&self) -> String {
        let request = self.requests.recv_timeout(Duration::from_secs(60));
        request.expect("a request")
    }

    fn assert_silent(&self) {
        assert!(
            self.requests.try_recv().is_err(),
            "somebody has sent something"
        );
    }
}

fn read(stream: &mut impl Read) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let start = text.len();
        if reader.read_line(&mut text).ok()? == 0 {
            return None;
        }
        let line = text[start..].to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text.push_str(&String::from_utf8(body).expect("text"));
    Some(text)
}

const OK: &str = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";

fn sink(url: &str, keys: &str) -> String {
    format!(
        "[alert_sinks.ops]\ntype = \"webhook\"\nurl = \"{url}\"\nsecret = \"s3cr3t\"\n{keys}\n\
         [alerts.bad]\nwhen = \"file_quarantined\"\nsinks = [\"ops\"]\n"
    )
}

/// What `alerts test ops` says, where these authorities are those of the system.
fn tested(home: &Home, roots: &PathBuf) -> (bool, String) {
    let mut command = home.command(&["alerts", "test", "ops"]);
    command
        .env("SSL_CERT_FILE", roots)
        .env_remove("SSL_CERT_DIR");
    let output = command.output().expect("the program");
    let (out, err) = text(&output);
    (output.status.success(), format!("{out}{err}"))
}

fn write(place: &Scratch, authority: &Authority) -> PathBuf {
    place.write("roots.pem", &authority.certificate)
}

#[test]
fn a_certificate_of_an_authority_of_ones_own_is_trusted_and_no_other() {
    let (database, place) = (database(), Scratch::new());
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let roots = write(&place, &ours);
    let mut client = database.client();
    let good = Encrypted::new(&ours.server(&["localhost"]), OK.to_owned());
    let url = format!("https://localhost:{}/hook?token=t0k3n", good.port);
    let home = home(&database.url, &mut client, &sink(&url, "timeout = \"5s\""));
    let (success, said) = tested(&home, &roots);
    assert!(success, "{said}");
    assert!(said.contains("ops: it answered 204"), "{said}");
    let request = good.next().to_lowercase();
    assert!(request.contains("x-ingestd-signature: t="), "{request}");
    // The service as well.
    drop_file(&home.directory("inbox/items"), "bad.csv", "no,such\n1,2\n");
    let roots_text = roots.to_str().expect("a plain path");
    let service = home.start_with(&["run"], &[("SSL_CERT_FILE", roots_text)]);
    let request = good.next();
    assert!(request.contains("\"status\":\"firing\""), "{request}");
    wait_until(PATIENCE, || notified(&mut client) == 1);
    service.stop();

    for (name, pair) in [
        ("another authority", theirs.server(&["localhost"])),
        ("another name", ours.server(&["elsewhere.example"])),
        ("expired", ours.expired(&["localhost"])),
    ] {
        let bad = Encrypted::new(&pair, OK.to_owned());
        let url = format!("https://localhost:{}/hook?token=t0k3n", bad.port);
        home.configure(&replaced_url(&home.config(), &url));
        let (success, said) = tested(&home, &roots);
        assert!(!success, "{name}: {said}");
        assert!(
            said.contains("ops: FAILED: no TLS with it"),
            "{name}: {said}"
        );
        assert!(said.contains("certificate"), "{name}: {said}");
        assert!(!said.contains("t0k3n"), "{name}: {said}");
        bad.assert_silent();
    }
}

fn replaced_url(config: &str, url: &str) -> String {
    let lines = config
        .lines()
        .map(|line| match line.starts_with("url = \"https") {
            true => format!("url = \"{url}\"\n"),
            false => format!("{line}\n"),
        });
    lines.collect()
}

/// Whoever is led away would hand the signature and the body to somebody else.
#[test]
fn a_redirect_is_not_followed_with_the_signature_nor_without() {
    let (database, place) = (database(), Scratch::new());
    let authority = Authority::new("ours");
    let roots = write(&place, &authority);
    let other = Webhook::new(Vec::<Answer>::new());
    for (status, to) in [
        ("301 Moved Permanently", other.url.clone()),
        ("307 Temporary Redirect", other.url.clone()),
        ("308 Permanent Redirect", "/elsewhere".to_owned()),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let first = Encrypted::new(&authority.server(&["localhost"]), answer);
        let url = format!("https://localhost:{}/hook", first.port);
        let text = sink(&url, "");
        let home = Home::new(
            Some(&database.url),
            "",
            &format!("{text}{}", pipeline("items", "")),
        );
        let (success, said) = tested(&home, &roots);
        assert!(!success, "{said}");
        assert!(said.contains("follow no redirect"), "{said}");
        first.next();
        first.assert_silent();
    }
    other.assert_silent();
}

/// Its time is over whatever it has sent by then.
#[test]
fn a_receiver_that_answers_byte_by_byte_is_given_up_in_time_and_holds_up_nobody() {
    let database = database();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("ours"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            thread::spawn(move || drip(stream));
        }
    });
    let mut client = database.client();
    let keys = "timeout = \"1s\"\nretry_for = \"2s\"";
    let text_of = sink(&url, keys).replace("sinks = [\"ops\"]", "");
    let home = home(&database.url, &mut client, &text_of);
    let asked = Instant::now();
    let output = home.ask(&["alerts", "test", "ops"]);
    let (out, err) = text(&output);
    assert!(out.contains("it did not answer within 1s"), "{out}{err}");
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "{:?}",
        asked.elapsed()
    );
    let service = home.run();
    drop_file(&home.directory("inbox/items"), "bad.csv", "no,such\n1,2\n");
    wait_until_told(&home, "bad", &["firing"]);
    drop_rows(&home, "good.csv", 1_000);
    let rows = "select count(*) from items";
    wait_until(PATIENCE, || {
        let row = client.query_one(rows, &[]).expect("a count");
        row.get::<_, i64>(0) == 1_000
    });
    wait_until(PATIENCE, || {
        home.log().contains("a notification is given up")
    });
    // An end in the middle of an answer waits for none.
    service.stop();
}

/// A head that is correct, a byte every tenth of a second.
fn drip(mut stream: TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(10_000));
    for byte in head.bytes() {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
