//! Authorities and certificates, made in the test.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};

/// A certificate with its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    fn new(certificate: &Certificate, key: &KeyPair) -> Pair {
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Writes both into a directory, the key as a secret; gives their paths.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let certificate = directory.join(format!("{name}.pem"));
        let key = directory.join(format!("{name}.key"));
        std::fs::write(&certificate, &self.certificate).expect("written");
        super::write_secret(&key, &self.key);
        (certificate, key)
    }
}

/// Somebody who signs.
pub struct Authority {
    pub certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = params(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Authority {
            certificate: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Pair::new(&certificate, &key)
    }

    /// A server's certificate for these hosts.
    pub fn server(&self, hosts: &[&str]) -> Pair {
        self.sign(&params(hosts, "the server"))
    }

    /// One that names its host as its subject only, as PostgreSQL's instructions have it.
    pub fn server_by_subject(&self, host: &str) -> Pair {
        self.sign(&params(&[], host))
    }

    /// One that has expired.
    pub fn expired(&self, hosts: &[&str]) -> Pair {
        let mut params = params(hosts, "the server");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    /// A client's certificate for a user.
    pub fn client(&self, user: &str) -> Pair {
        let mut params = params(&[], user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }
}

/// A certificate that has signed itself; `authority`: it calls itself one, as openssl has it.
pub fn self_signed(hosts: &[&str], authority: bool) -> Pair {
    let mut params = params(hosts, "the server");
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    signed_by_itself(&params)
}

/// One that has signed itself, and has expired.
pub fn self_signed_long_ago(hosts: &[&str]) -> Pair {
    let mut params = params(hosts, "the server");
    params.not_after = date_time_ymd(2021, 1, 1);
    signed_by_itself(&params)
}

fn signed_by_itself(params: &CertificateParams) -> Pair {
    let key = KeyPair::generate().expect("a key");
    Pair::new(&params.self_signed(&key).expect("a certificate"), &key)
}

fn params(hosts: &[&str], subject: &str) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2060, 1, 1);
    params
}
