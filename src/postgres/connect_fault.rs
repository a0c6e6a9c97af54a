//! Why no connection came about, for people: what TLS and the login say, and what to do about it.

use std::error::Error as StdError;
use std::io;

use ingestd_actors::error::{Error, ErrorKind};
use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::classify;

const DOING: &str = "connecting to the database";

/// The words of tokio-postgres, which keeps its kinds of errors to itself.
const HANDSHAKE: &str = "error performing TLS handshake";

/// Classifies an error of connecting.
pub fn explain(error: tokio_postgres::Error) -> Error {
    if let Some(fault) = tls_fault(&error) {
        let (what, advice) = in_words(fault);
        return configuration(what, advice);
    }
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    match (error.to_string().as_str(), cause.as_str()) {
        (HANDSHAKE, "server does not support TLS") => configuration(
            "the server doesn't speak TLS",
            "switch it on there (ssl = on), or set sslmode to \"prefer\" or \"disable\"",
        ),
        (_, "password missing") => configuration(
            "the server wants a password, and none was found",
            "say it with database.password_file, PGPASSWORD or ~/.pgpass",
        ),
        (_, cause) if cause.contains("channel binding") => configuration(
            format!("the login failed: {cause}"),
            "channel_binding=require needs TLS and a SCRAM password",
        ),
        _ => with_login_advice(classify(error, DOING)),
    }
}

/// Whether TLS itself failed, and not what was said through it.
pub fn is_tls(error: &tokio_postgres::Error) -> bool {
    tls_fault(error).is_some() || error.to_string() == HANDSHAKE
}

/// Whether the server lets nobody in who comes like this: by its `pg_hba.conf`.
pub fn is_refused_entry(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == "28000")
}

fn configuration(what: impl Into<String>, advice: impl Into<String>) -> Error {
    let message = format!("{DOING}: {}", what.into());
    Error::new(ErrorKind::Configuration, message).with_advice(advice)
}

/// What the server's words about `pg_hba.conf` ask for.
fn with_login_advice(error: Error) -> Error {
    if error.code() != Some("28000") {
        return error;
    }
    let said = error.message();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let advice = if has(&["client certificate", "certificate authentication failed"]) {
        "name a certificate of this user with sslcert, and its key with sslkey: its common name has \
         to be the user's"
    } else if has(&["no encryption", "SSL off"]) {
        "the server may want TLS: set sslmode to \"require\" or stronger; or add a line to \
         pg_hba.conf"
    } else if has(&["SSL encryption", "SSL on"]) {
        "the server may not want TLS from this user: set sslmode to \"disable\"; or add a line to \
         pg_hba.conf"
    } else {
        return error;
    };
    error.with_advice(advice)
}

/// The error of rustls that an error holds, however deep.
fn tls_fault(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        // An I/O error does not call what it wraps its source.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(fault) = wrapped.and_then(|wrapped| wrapped.downcast_ref()) {
            return Some(fault);
        }
        if let Some(fault) = error.downcast_ref() {
            return Some(fault);
        }
        next = error.source();
    }
    None
}

/// What happened in a handshake, and what to do.
fn in_words(fault: &rustls::Error) -> (String, &'static str) {
    match fault {
        rustls::Error::InvalidCertificate(wrong) => certificate_in_words(wrong),
        rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => (
            format!(
                "the server refuses the certificate of this client, or the lack of one ({alert:?})"
            ),
            "name one with sslcert and sslkey that the server's ssl_ca_file has signed",
        ),
        rustls::Error::AlertReceived(alert) => (
            format!("the server ended the TLS handshake ({alert:?})"),
            "look at the server's log; TLS 1.2 or 1.3 has to be allowed there",
        ),
        rustls::Error::PeerIncompatible(why) => (
            format!("the server's TLS does not fit ingestd's ({why:?})"),
            "allow TLS 1.2 or 1.3 on the server, with its usual ciphers",
        ),
        other => (
            format!("the TLS handshake failed: {other}"),
            "look at the server's log",
        ),
    }
}

fn certificate_in_words(wrong: &CertificateError) -> (String, &'static str) {
    const RENEW: &str = "renew it on the server, and check the clocks of both machines";
    match wrong {
        CertificateError::ExpiredContext { not_after, .. } => (
            format!(
                "the server's certificate has expired, on {}",
                day(*not_after)
            ),
            RENEW,
        ),
        CertificateError::Expired => ("the server's certificate has expired".to_owned(), RENEW),
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!(
                "the server's certificate is not valid before {}",
                day(*not_before)
            ),
            RENEW,
        ),
        CertificateError::NotValidYet => (
            "the server's certificate is not valid yet".to_owned(),
            RENEW,
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate is signed by nobody whom sslrootcert names".to_owned(),
            "put the certificate of the server's authority (or the server's own, where it has signed \
             itself) into the file of sslrootcert",
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let names = match presented.as_slice() {
                [] => "it names none but its subject".to_owned(),
                names => {
                    let names: Vec<&str> = names.iter().map(|name| plain_name(name)).collect();
                    format!("it is for {}", names.join(", "))
                }
            };
            let expected = expected.to_str();
            (
                format!("the server's certificate is not for the host {expected}: {names}"),
                "use a name as host that the certificate has, or set sslmode to \"verify-ca\", which \
                 does not look at names",
            )
        }
        CertificateError::NotValidForName => (
            "the server's certificate is not for the host that was asked for".to_owned(),
            "use a name as host that the certificate has, or set sslmode to \"verify-ca\"",
        ),
        other if format!("{other:?}").contains("UnsupportedCertVersion") => (
            "the server's certificate is of X.509 version 1, which ingestd trusts only where it is in \
             sslrootcert itself, and takes with TLS 1.3 alone"
                .to_owned(),
            "put this very certificate into the file of sslrootcert, or issue it anew with \
             extensions: openssl x509 -req -extfile … adds them",
        ),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "the server's certificate is one of an authority".to_owned(),
            "put this very certificate into the file of sslrootcert, or issue one for a server",
        ),
        other => (
            format!("the server's certificate can't be trusted: {other}"),
            "look at it with openssl x509 -text, or issue it anew",
        ),
    }
}

/// The name alone of what rustls shows as `DnsName("db.example")`.
fn plain_name(shown: &str) -> &str {
    let inside = shown.split_once('(').map_or(shown, |(_, rest)| rest);
    inside.trim_end_matches(')').trim_matches('"')
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    )
}

/// A day, in UTC.
fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day that is no date".to_owned(),
    }
}
