//! Clients that show a certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::cli::{Said, run};
use crate::support::ingestd;

use super::TlsServer;
use super::certificates::Authority;

/// Asks as a user whom the server knows by the certificate.
fn ask(server: &TlsServer, certificate: &Path, key: &Path) -> Said {
    let parameters = format!(
        "{}&sslcert={}&sslkey={}",
        server.with_root("verify-full"),
        certificate.display(),
        key.display()
    );
    let url = server.url("certified", &parameters);
    run(ingestd().args(["migrate", "--database-url", &url]))
}

#[test]
fn a_certificate_lets_its_user_in_and_nobody_else() {
    let server = TlsServer::start();
    let place = server.scratch.path();
    let without = server.url("certified", &server.with_root("verify-full"));
    let said = run(ingestd().args(["migrate", "--database-url", &without]));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err
            .contains("name a certificate of this user with sslcert"),
        "{}",
        said.err
    );

    let (certificate, key) = server.authority.client("certified").write(place, "client");
    let said = ask(&server, &certificate, &key);
    assert_eq!(said.code, Some(0), "{}", said.err);

    let (other, its_key) = server.authority.client("tester").write(place, "other");
    let said = ask(&server, &other, &its_key);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("common name has to be the user's"),
        "{}",
        said.err
    );

    let said = ask(&server, &certificate, &its_key);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("sslkey has to be the key of"),
        "{}",
        said.err
    );
}

#[test]
fn a_certificate_that_somebody_else_has_signed_is_refused() {
    let server = TlsServer::start();
    let stranger = Authority::new("a stranger").client("certified");
    let (certificate, key) = stranger.write(server.scratch.path(), "stranger");
    let said = ask(&server, &certificate, &key);
    assert_eq!(said.code, Some(2), "{}", said.err);
    // The server ends the connection with an alert, which may be lost with it.
    let is_told = said.err.contains("refuses the certificate of this client");
    let is_cut = said.err.contains("the connection to the database failed")
        || said.err.contains("connection closed");
    assert!(is_told || is_cut, "{}", said.err);
}

#[test]
fn a_key_that_can_not_be_used_says_why() {
    let server = TlsServer::start();
    let place = server.scratch.path();
    let (certificate, key) = server.authority.client("certified").write(place, "client");
    let text = fs::read_to_string(&key).expect("a key");
    let encrypted = text.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("ours");
    for (content, permissions, hint) in [
        (text.as_str(), 0o644, "is not secret"),
        ("no key", 0o600, "holds no private key in PEM"),
        (&encrypted, 0o600, "is encrypted"),
        (&text, 0o600, ""),
    ] {
        mode(0o600);
        fs::write(&key, content).expect("written");
        mode(permissions);
        let said = ask(&server, &certificate, &key);
        let expected = if hint.is_empty() { 0 } else { 2 };
        assert_eq!(said.code, Some(expected), "{hint}: {}", said.err);
        assert!(said.err.contains(hint), "{hint}: {}", said.err);
        assert!(!said.err.contains("BEGIN"), "{}", said.err);
    }
}
