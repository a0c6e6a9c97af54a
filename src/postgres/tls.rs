//! TLS by rustls: the connector that a connection's settings ask for.
//!
//! Files are read for each connection, so that a certificate that is renewed needs no restart.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls_mode::{ClientCertificate, Roots, Tls, Verification};
use super::tls_verify::Verifier;

/// What makes TLS of a connection to the server.
///
/// # Errors
/// `Configuration` where a file can't be read or holds something else.
pub fn connector(tls: &Tls, negotiation: SslNegotiation) -> Result<MakeRustlsConnect> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (trusted, roots) = match (tls.verification(), &tls.roots) {
        (Verification::Nothing, _) | (_, None) => (Vec::new(), RootCertStore::empty()),
        (_, Some(Roots::System)) => (Vec::new(), system_roots()?),
        (_, Some(Roots::File(path))) => roots_in(path)?,
    };
    let verifier = Verifier {
        verification: tls.verification(),
        trusted,
        roots,
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            wrong(
                format!("TLS can't be set up: {error}"),
                "report it as a bug",
            )
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (chain, key) = read_client(client)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let what = format!(
                    "the certificate {} and the key {} can't be used: {error}",
                    client.certificate.display(),
                    client.key.display()
                );
                wrong(
                    what,
                    "sslkey has to be the key of the first certificate in sslcert",
                )
            })?
        }
    };
    if negotiation == SslNegotiation::Direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// The certificates of a file, and the same as a store to look for signers in.
fn roots_in(path: &Path) -> Result<(Vec<CertificateDer<'static>>, RootCertStore)> {
    let certificates = certificates_in(path, "sslrootcert")?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|error| {
            let what = format!("a certificate in {} can't be used: {error}", path.display());
            wrong(what, "check sslrootcert")
        })?;
    }
    Ok((certificates, store))
}

/// The roots that the machine trusts.
fn system_roots() -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // One that this program can't read is trusted for nothing; the others serve.
    let (usable, _) = store.add_parsable_certificates(found.certs);
    if usable == 0 {
        return Err(wrong(
            "this machine has no root certificates",
            "install them (on Debian or Ubuntu: apt-get install ca-certificates), or name a file \
             with sslrootcert",
        ));
    }
    Ok(store)
}

fn read_client(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates_in(&client.certificate, "sslcert")?;
    let shown = client.key.display();
    let text = read(&client.key, "sslkey")?;
    check_secret(&client.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        let what = match encrypted {
            true => format!("the key {shown} is encrypted, and ingestd can't ask for its password"),
            false => format!("{shown} holds no private key in PEM"),
        };
        let advice = "name a file with sslkey that holds the key in PEM, without a password: \
                      openssl pkey -in OLD -out NEW";
        wrong(what, advice)
    })?;
    Ok((chain, key))
}

/// As libpq has it: a key that others may read is no secret.
fn check_secret(path: &Path) -> Result<()> {
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(());
    };
    let (others, allowed) = match metadata.uid() {
        0 => (0o037, "0640"),
        _ => (0o077, "0600"),
    };
    if metadata.permissions().mode() & others == 0 {
        return Ok(());
    }
    Err(wrong(
        format!(
            "the key {} is not secret: others may use it",
            path.display()
        ),
        format!("chmod it to {allowed}"),
    ))
}

fn certificates_in(path: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let text = read(path, parameter)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let nothing = || {
        wrong(
            format!("{} holds no certificate in PEM", path.display()),
            format!("check {parameter}"),
        )
    };
    let certificates = found.map_err(|_| nothing())?;
    if certificates.is_empty() {
        return Err(nothing());
    }
    Ok(certificates)
}

fn read(path: &Path, parameter: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        wrong(
            format!("{} can't be read: {error}", path.display()),
            format!("check {parameter}"),
        )
    })
}

fn wrong(what: impl Into<String>, advice: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, what).with_advice(advice)
}
