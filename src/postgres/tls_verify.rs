//! What is looked at in the server's certificate, as libpq looks at it.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-CERTIFICATES>

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::tls_mode::Verification;

/// Looks at the server's certificate. That the server has the certificate's key is verified in any
/// case: the binding of a SCRAM login to its TLS session rests on that.
#[derive(Debug)]
pub struct Verifier {
    /// What is looked at.
    pub verification: Verification,
    /// Certificates that are trusted as they stand.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Whom a certificate has to be signed by.
    pub roots: RootCertStore,
    /// How it may be signed.
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.verification == Verification::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        // A server's own certificate, signed by itself, is often all the authority there is. That
        // it calls itself an authority, as openssl makes it by default, is no harm then.
        if self.trusted.iter().any(|trusted| trusted == end_entity) {
            check_validity(end_entity, now)?;
        } else {
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                &self.roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        if self.verification == Verification::SignerAndName
            && !is_common_name(end_entity, &server_name.to_str())
        {
            let not_for_it = Error::InvalidCertificate(CertificateError::NotValidForName);
            let parsed = ParsedCertificate::try_from(end_entity).map_err(|_| not_for_it)?;
            verify_server_name(&parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match key_of_version_1(certificate) {
            None => verify_tls13_signature(message, certificate, signed, &self.algorithms),
            Some(key) => {
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
            }
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parsed(certificate: &CertificateDer<'_>) -> Result<Certificate, Error> {
    let parsed = Certificate::from_der(certificate);
    parsed.map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// The key of a certificate of X.509 version 1: rustls reads no such certificate, and openssl makes
/// them by default, so that many servers have one. Without extensions there is nothing else in it
/// that could forbid its use here.
fn key_of_version_1(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = parsed(certificate).ok()?.tbs_certificate;
    if certificate.version != Version::V1 {
        return None;
    }
    let key = certificate.subject_public_key_info.to_der().ok()?;
    Some(SubjectPublicKeyInfoDer::from(key))
}

fn check_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let validity = parsed(certificate)?.tbs_certificate.validity;
    let since_1970 =
        |time: x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
    let (not_before, not_after) = (
        since_1970(validity.not_before),
        since_1970(validity.not_after),
    );
    let wrong = if now < not_before {
        CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
    } else if now > not_after {
        CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
    } else {
        return Ok(());
    };
    Err(Error::InvalidCertificate(wrong))
}

/// Whether a certificate that lists no names of hosts has this one as its subject's common name:
/// libpq accepts it, and PostgreSQL's own instructions make such certificates.
fn is_common_name(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(certificate) = parsed(certificate) else {
        return false;
    };
    let certificate = certificate.tbs_certificate;
    let names = certificate.get::<SubjectAltName>();
    let lists_hosts = match &names {
        Ok(Some((_, SubjectAltName(names)))) => names
            .iter()
            .any(|name| matches!(name, GeneralName::DnsName(_) | GeneralName::IpAddress(_))),
        Ok(None) => false,
        Err(_) => true,
    };
    if lists_hosts {
        return false;
    }
    let attributes = certificate.subject.0.iter().flat_map(|set| set.0.iter());
    let mut common_names = attributes
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .filter_map(|attribute| {
            let value = &attribute.value;
            let utf8 = value
                .decode_as::<Utf8StringRef<'_>>()
                .map(|text| text.as_str().to_owned());
            let printable = || value.decode_as::<PrintableStringRef<'_>>();
            let teletex = || value.decode_as::<TeletexStringRef<'_>>();
            utf8.or_else(|_| printable().map(|text| text.as_str().to_owned()))
                .or_else(|_| teletex().map(|text| text.as_str().to_owned()))
                .ok()
        });
    common_names.any(|name| names_host(&name, host))
}

/// Whether a name of a certificate is this host's; a star stands for the first label.
fn names_host(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(rest), Some((_, domain))) = (name.strip_prefix("*."), host.split_once('.')) else {
        return false;
    };
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    !is_address && rest.contains('.') && rest.eq_ignore_ascii_case(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label() {
        for (name, host, same) in [
            ("db.example.com", "DB.example.com", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.com", "example.com", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("d*.example.com", "db.example.com", false),
            ("", "db", false),
        ] {
            assert_eq!(names_host(name, host), same, "{name} {host}");
        }
    }
}
