//! A POST of JSON, signed.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::Failure;
use crate::alerts::notice::Notice;
use crate::settings::{Secret, Webhook};

/// The header of the signature.
pub const SIGNATURE: &str = "X-Ingestd-Signature";

/// Sends it once, on a thread that may wait; what came back.
pub fn send(webhook: &Webhook, notice: &Notice) -> Result<String, Failure> {
    let secret = webhook.secret.as_ref().map(read).transpose()?;
    let body = notice.json();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(webhook.timeout))
        // Whoever is named gets it, and nobody else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("ingestd/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls())
        .build()
        .into();
    let mut request = agent
        .post(&webhook.url.0)
        .header("Content-Type", "application/json")
        .header("Connection", "close");
    if let Some(secret) = secret {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        request = request.header(SIGNATURE, signature(&secret, now, &body));
    }
    let response = request.send(body.as_str());
    let status = match response {
        Ok(response) => response.status(),
        Err(error) => return Err(Failure::passing(in_words(&error, webhook.timeout))),
    };
    let said = format!("it answered {status}");
    match status.as_u16() {
        200..=299 => Ok(said),
        408 | 425 | 429 | 500..=599 => Err(Failure::passing(said)),
        300..=399 => Err(Failure::lasting(format!(
            "{said}: notifications follow no redirect; write the URL that it leads to"
        ))),
        _ => Err(Failure::lasting(said)),
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds, a point and the body.
pub fn signature(secret: &[u8], seconds: u64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        // A key may have any length.
        return String::new();
    };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    let code = mac.finalize().into_bytes();
    let hex: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn read(secret: &Secret) -> Result<Vec<u8>, Failure> {
    match secret {
        Secret::Given(text) => Ok(text.0.clone().into_bytes()),
        Secret::File(path) => {
            let failed =
                |what: String| Failure::passing(format!("secret_file {} {what}", path.display()));
            let text = std::fs::read_to_string(path)
                .map_err(|error| failed(format!("can't be read: {error}")))?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            match text.is_empty() {
                true => Err(failed("is empty".to_owned())),
                false => Ok(text.as_bytes().to_vec()),
            }
        }
    }
}

/// The roots are those of the system, as they are when the first notification is sent.
fn tls() -> TlsConfig {
    static ROOTS: OnceLock<RootCerts> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        let certificates: Vec<Certificate<'static>> = found
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        RootCerts::new_with_certs(&certificates)
    });
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(roots.clone())
        .build()
}

/// Never the URL: it may hold a token.
fn in_words(error: &ureq::Error, timeout: Duration) -> String {
    match error {
        ureq::Error::Timeout(_) => format!(
            "it did not answer within {}",
            humantime::format_duration(timeout)
        ),
        ureq::Error::Io(error) => match error.get_ref().and_then(|it| it.downcast_ref()) {
            Some(error) => no_tls(error),
            None => format!("it can't be reached: {error}"),
        },
        ureq::Error::HostNotFound => "its host is not found".to_owned(),
        ureq::Error::ConnectionFailed => "it can't be reached".to_owned(),
        ureq::Error::Rustls(error) => no_tls(error),
        ureq::Error::Tls(error) => format!("no TLS with it: {error}"),
        ureq::Error::Protocol(error) => format!("it does not speak HTTP as it should: {error}"),
        _ => "it can't be sent there".to_owned(),
    }
}

fn no_tls(error: &rustls::Error) -> String {
    let advice = match error {
        rustls::Error::InvalidCertificate(_) => {
            "; authorities that the system does not know can be named in SSL_CERT_FILE"
        }
        _ => "",
    };
    format!("no TLS with it: {error}{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_others_compute() {
        // printf '1700000000.{"version":1}' | openssl dgst -sha256 -hmac s3cret
        assert_eq!(
            signature(b"s3cret", 1_700_000_000, "{\"version\":1}"),
            "t=1700000000,v1=a88b61052c4236878628e418fb04bb6048d23e65d5ad3c5daf2866200cb2994f"
        );
    }
}
