//! PURE: what is encrypted and verified, with libpq's names.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>

use std::path::PathBuf;

use super::connection_string::TlsWords;

/// What is encrypted and verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// How much.
    pub mode: SslMode,
    /// Whom the server's certificate has to be signed by.
    pub roots: Option<Roots>,
    /// The client's certificate and its key.
    pub client: Option<ClientCertificate>,
}

/// How much is encrypted and verified: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Nothing is encrypted.
    Disable,
    /// Encrypted where the server can.
    #[default]
    Prefer,
    /// Always encrypted.
    Require,
    /// And the server's certificate is signed by somebody trusted.
    VerifyCa,
    /// And it is for the host that was asked for.
    VerifyFull,
}

/// Whom the server's certificate has to be signed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those whom the machine trusts.
    System,
    /// Those whose certificates are in a file.
    File(PathBuf),
}

/// The client's certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate's file, with those of intermediate authorities.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

/// What is looked at in the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Nothing.
    Nothing,
    /// Who has signed it, and whether it is valid.
    Signer,
    /// That, and the host's name.
    SignerAndName,
}

impl SslMode {
    /// All of them, with their names.
    pub const NAMES: [(&'static str, SslMode); 5] = [
        ("disable", SslMode::Disable),
        ("prefer", SslMode::Prefer),
        ("require", SslMode::Require),
        ("verify-ca", SslMode::VerifyCa),
        ("verify-full", SslMode::VerifyFull),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, mode)| *mode == self);
        found.map_or("", |(name, _)| name)
    }
}

/// What is wrong with what is said of TLS: the parameter, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProblem {
    /// The parameter.
    pub parameter: &'static str,
    /// What is wrong with it.
    pub text: String,
}

impl Tls {
    /// What the words mean.
    ///
    /// # Errors
    /// The first of them that means nothing, or contradicts another.
    pub fn from_words(words: &TlsWords) -> Result<Tls, TlsProblem> {
        let problem = |parameter, text: &str| TlsProblem {
            parameter,
            text: text.to_owned(),
        };
        let roots = words.sslrootcert.as_deref().map(|word| match word {
            "system" => Roots::System,
            file => Roots::File(PathBuf::from(file)),
        });
        let mode = match &words.sslmode {
            // As libpq has it: whoever trusts all authorities of the world means the name too.
            None if roots == Some(Roots::System) => SslMode::VerifyFull,
            None => SslMode::default(),
            Some(word) => named(word)?,
        };
        if roots == Some(Roots::System) && mode < SslMode::VerifyFull && mode > SslMode::Disable {
            let text = "is too weak for sslrootcert = \"system\": any site's certificate would do; \
                        write \"verify-full\"";
            return Err(problem("sslmode", text));
        }
        if mode >= SslMode::VerifyCa && roots.is_none() {
            let text = format!(
                "is missing, and sslmode {:?} verifies the server's certificate; name the file with \
                 the certificate of its authority, or write \"system\"",
                mode.name()
            );
            return Err(problem("sslrootcert", &text));
        }
        let client = match (&words.sslcert, &words.sslkey) {
            (Some(certificate), Some(key)) => Some(ClientCertificate {
                certificate: PathBuf::from(certificate),
                key: PathBuf::from(key),
            }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(problem(
                    "sslkey",
                    "is missing; name the file with the key of sslcert",
                ));
            }
            (None, Some(_)) => {
                return Err(problem(
                    "sslcert",
                    "is missing; name the certificate that sslkey is for",
                ));
            }
        };
        Ok(Tls {
            mode,
            roots,
            client,
        })
    }

    /// What is looked at in the server's certificate.
    pub fn verification(&self) -> Verification {
        match (self.mode, &self.roots) {
            (SslMode::VerifyFull, _) => Verification::SignerAndName,
            (SslMode::VerifyCa, _) | (SslMode::Require, Some(_)) => Verification::Signer,
            _ => Verification::Nothing,
        }
    }
}

fn named(word: &str) -> Result<SslMode, TlsProblem> {
    let found = SslMode::NAMES.iter().find(|(name, _)| *name == word);
    found.map(|(_, mode)| *mode).ok_or_else(|| {
        let names: Vec<String> = SslMode::NAMES
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        TlsProblem {
            parameter: "sslmode",
            text: format!("{word:?} is unknown; write one of {}", names.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(mode: &str, root: &str) -> Result<Tls, TlsProblem> {
        let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        let words = TlsWords {
            sslmode: word(mode),
            sslrootcert: word(root),
            ..TlsWords::default()
        };
        Tls::from_words(&words)
    }

    #[test]
    fn modes_verify_what_libpq_verifies() {
        use Verification::{Nothing, Signer, SignerAndName};
        for (mode, root, verification) in [
            ("disable", "", Nothing),
            ("prefer", "", Nothing),
            ("prefer", "ca.pem", Nothing),
            ("require", "", Nothing),
            ("require", "ca.pem", Signer),
            ("verify-ca", "ca.pem", Signer),
            ("verify-full", "ca.pem", SignerAndName),
            ("verify-full", "system", SignerAndName),
            ("", "", Nothing),
            ("", "system", SignerAndName),
        ] {
            let tls = tls(mode, root).unwrap_or_else(|problem| panic!("{problem:?}"));
            assert_eq!(tls.verification(), verification, "{mode} {root}");
        }
    }

    #[test]
    fn words_that_contradict_each_other_are_refused() {
        for (mode, root, parameter) in [
            ("allow", "", "sslmode"),
            ("require", "system", "sslmode"),
            ("verify-ca", "system", "sslmode"),
            ("verify-ca", "", "sslrootcert"),
            ("verify-full", "", "sslrootcert"),
        ] {
            let problem = tls(mode, root).expect_err(mode);
            assert_eq!(problem.parameter, parameter, "{mode} {root}");
        }
        let words = TlsWords {
            sslcert: Some("c".into()),
            ..TlsWords::default()
        };
        let problem = Tls::from_words(&words).expect_err("no key");
        assert_eq!(problem.parameter, "sslkey");
    }
}
