//! PURE: what a URL or a key-value string says, the parameters that are libpq's but not
//! tokio-postgres's included.
//!
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

use std::str::FromStr;

use tokio_postgres::Config;

/// How a connection string is written, for messages.
pub const HOW: &str = "write postgresql://user:password@host:5432/name, or host=… dbname=… user=…";

/// What libpq knows and this program does not.
const UNSUPPORTED: [&str; 22] = [
    "fallback_application_name",
    "client_encoding",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "passencoding",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslpassword",
    "sslsni",
];

/// A connection string, taken apart.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConnectionString {
    /// What tokio-postgres reads.
    pub config: Config,
    /// Whether it says a port: a URL without one has the default in `config`.
    pub has_port: bool,
    /// What it says of TLS.
    pub tls: TlsWords,
    /// The password file in libpq's format.
    pub passfile: Option<String>,
}

/// What is said of TLS, as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsWords {
    /// What is encrypted and verified.
    pub sslmode: Option<String>,
    /// The certificates that the server's has to be signed by: a file, or `system`.
    pub sslrootcert: Option<String>,
    /// The client's certificate, a file.
    pub sslcert: Option<String>,
    /// Its key, a file.
    pub sslkey: Option<String>,
}

impl TlsWords {
    fn word(&mut self, parameter: &str) -> Option<&mut Option<String>> {
        match parameter {
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            "sslcert" => Some(&mut self.sslcert),
            "sslkey" => Some(&mut self.sslkey),
            _ => None,
        }
    }
}

/// Takes a connection string apart.
///
/// # Errors
/// What is wrong and what would be right; never with a part of the string that may be a password.
pub fn parse(text: &str) -> Result<ConnectionString, String> {
    let mut taken = ConnectionString::default();
    let prefixes = ["postgres://", "postgresql://"];
    let rest = match prefixes.iter().find(|prefix| text.starts_with(**prefix)) {
        Some(prefix) => taken.take_from_url(prefix, &text[prefix.len()..])?,
        None => taken.take_from_pairs(text)?,
    };
    // The parser's own message may quote the string.
    taken.config = Config::from_str(&rest).map_err(|_| {
        format!("is no connection string, or has a parameter that libpq doesn't know; {HOW}")
    })?;
    let hosts = taken
        .config
        .get_hosts()
        .len()
        .max(taken.config.get_hostaddrs().len());
    let ports = taken.config.get_ports().len();
    if ports > 1 && ports != hosts {
        return Err(format!(
            "has {hosts} hosts and {ports} ports; give each host one"
        ));
    }
    Ok(taken)
}

impl ConnectionString {
    /// Takes what is ours out of a URL, and gives the rest.
    fn take_from_url(&mut self, prefix: &str, text: &str) -> Result<String, String> {
        // As tokio-postgres has it: what stands before an @ is user and password, whatever it holds.
        let host = text.find('@').map_or(0, |at| at + 1);
        let query = text[host..].find('?').map(|at| host + at);
        let authority = &text[host..query.unwrap_or(text.len())];
        let authority = authority.split('/').next().unwrap_or_default();
        self.has_port = authority.split(',').any(|one| {
            let name = one.rfind(']').map_or(one, |end| &one[end..]);
            name.contains(':')
        });
        let Some(query) = query else {
            return Ok(format!("{prefix}{text}"));
        };
        let mut kept = Vec::new();
        for pair in text[query + 1..].split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !self.take(&decoded(key)?, &decoded(value)?)? {
                kept.push(pair);
            }
        }
        let mut rest = format!("{prefix}{}", &text[..query]);
        if !kept.is_empty() {
            rest.push('?');
            rest.push_str(&kept.join("&"));
        }
        Ok(rest)
    }

    /// Takes what is ours out of `key = value` pairs, and gives the rest.
    fn take_from_pairs(&mut self, text: &str) -> Result<String, String> {
        let mut kept = String::new();
        let mut left = text.trim_start();
        while let Some(pair) = Pair::first_of(left) {
            if !self.take(pair.key, &pair.value)? {
                kept.push_str(&left[..pair.length]);
                kept.push(' ');
            }
            left = left[pair.length..].trim_start();
        }
        // What is no pair is for the real parser to refuse.
        kept.push_str(left);
        Ok(kept)
    }

    /// Whether the parameter is one of ours, which then is taken.
    fn take(&mut self, key: &str, value: &str) -> Result<bool, String> {
        if UNSUPPORTED.contains(&key) {
            return Err(format!(
                "has the parameter {key}, which ingestd doesn't know"
            ));
        }
        if key == "port" {
            self.has_port = true;
        }
        let place = match key {
            "passfile" => &mut self.passfile,
            key => match self.tls.word(key) {
                Some(place) => place,
                None => return Ok(false),
            },
        };
        // As libpq has it, an empty value is none.
        *place = (!value.is_empty()).then(|| value.to_owned());
        Ok(true)
    }
}

/// One pair of a key-value string.
struct Pair<'a> {
    key: &'a str,
    value: String,
    /// How much of the text it is.
    length: usize,
}

impl<'a> Pair<'a> {
    /// The pair that a text begins with, where it begins with one.
    fn first_of(text: &'a str) -> Option<Pair<'a>> {
        let equals = text.find('=')?;
        let key = text[..equals].trim_end();
        let value_at = text.len() - text[equals + 1..].trim_start().len();
        let mut characters = text[value_at..].char_indices().peekable();
        let quoted = characters.next_if(|(_, c)| *c == '\'').is_some();
        let mut value = String::new();
        while let Some((at, c)) = characters.next() {
            match c {
                '\\' => value.extend(characters.next().map(|(_, c)| c)),
                '\'' if quoted => {
                    return Some(Pair {
                        key,
                        value,
                        length: value_at + at + 1,
                    });
                }
                c if !quoted && c.is_whitespace() => {
                    return Some(Pair {
                        key,
                        value,
                        length: value_at + at,
                    });
                }
                c => value.push(c),
            }
        }
        // A quote that isn't closed is no pair.
        (!quoted).then_some(Pair {
            key,
            value,
            length: text.len(),
        })
    }
}

/// What percent signs stand for in a URL.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || format!("has a percent sign that stands for no character; {HOW}");
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.as_bytes();
    while let [first, rest @ ..] = left {
        left = rest;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, rest @ ..] = rest else {
            return Err(wrong());
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            return Err(wrong());
        };
        bytes.push((high * 16 + low) as u8);
        left = rest;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::Host;

    fn words(mode: &str, root: &str) -> TlsWords {
        TlsWords {
            sslmode: Some(mode.to_owned()),
            sslrootcert: Some(root.to_owned()),
            ..TlsWords::default()
        }
    }

    #[test]
    fn what_is_ours_is_taken_out_of_a_url() {
        let url = "postgresql://me:p%40ss@db:6543/shop?sslmode=verify-full&connect_timeout=3\
                   &sslrootcert=%2Fetc%2Fmy%20ca.pem&passfile=/run/pass&application_name=x";
        let taken = parse(url).expect("a URL");
        assert_eq!(taken.tls, words("verify-full", "/etc/my ca.pem"));
        assert_eq!(taken.passfile.as_deref(), Some("/run/pass"));
        assert_eq!(taken.config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(taken.config.get_hosts(), [Host::Tcp("db".into())]);
        assert_eq!(taken.config.get_application_name(), Some("x"));
        assert!(taken.has_port && taken.config.get_connect_timeout().is_some());
    }

    #[test]
    fn what_is_ours_is_taken_out_of_pairs() {
        let text = r"host=db password = 'it\'s = \\' sslrootcert='/etc/my ca.pem'  sslmode = verify-ca dbname=shop";
        let taken = parse(text).expect("pairs");
        assert_eq!(taken.tls, words("verify-ca", "/etc/my ca.pem"));
        assert_eq!(taken.config.get_password(), Some(&br"it's = \"[..]));
        assert_eq!(taken.config.get_dbname(), Some("shop"));
        assert!(!taken.has_port);
    }

    #[test]
    fn a_port_that_nobody_has_said_is_none() {
        for (text, said) in [
            ("postgresql://db/shop", false),
            ("postgresql://u:p@db/shop?user=x", false),
            ("postgresql://db:5432/shop", true),
            ("postgresql://[::1]/shop", false),
            ("postgresql://[::1]:1/shop", true),
            ("postgresql:///shop?host=/run&port=5433", true),
            ("host=db", false),
            ("host=db port=5432", true),
        ] {
            assert_eq!(parse(text).expect(text).has_port, said, "{text}");
        }
    }

    #[test]
    fn what_is_no_connection_string_is_refused_without_showing_it() {
        for text in [
            "mysql://u:secret@h/d",
            "host=h password='secret",
            "host=h password=secret word",
            "postgresql://u:secret@h/d?sslmode=%zz",
            "postgresql://u:secret@h/d?secret",
            "postgresql://u:secret@h:port/d",
            "postgresql://u:secret@h/d?sslpassword=secret",
            "host=a,b,c port=1,2 password=secret",
        ] {
            let refused = parse(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(!refused.contains("secret"), "{text}: {refused}");
        }
        let refused = parse("postgresql://h/d?sslpassword=x")
            .err()
            .expect("refused");
        assert!(refused.contains("the parameter sslpassword"), "{refused}");
    }

    #[test]
    fn an_empty_parameter_is_none() {
        let taken = parse("postgresql://h/d?sslmode=&sslcert=").expect("a URL");
        assert_eq!(taken.tls, TlsWords::default());
    }
}
