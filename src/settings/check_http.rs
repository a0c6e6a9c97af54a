//! `[http]`: whether and where a service listens, and who may ask.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::alerts::Hidden;
use super::entry::Texts;
use super::problems::Problems;
use super::raw::{RawHttp, RawHttpTls};
use super::service::check_path;
use super::sources::Environment;

/// The variable that may hold the token.
pub const TOKEN_VARIABLE: &str = "INGESTD_HTTP_TOKEN";

/// Where a service listens unless it is told.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8474);

const HOW: &str = "write an address and a port, such as \"127.0.0.1:8474\", or \"off\"";

/// Whether and where a service listens.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// The address; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The file that holds the token.
    pub token_file: Option<PathBuf>,
    /// The token of the variable.
    pub token: Option<Hidden>,
    /// What it encrypts with; `None`: nothing.
    pub tls: Option<HttpTls>,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            listen: Some(LISTEN),
            token_file: None,
            token: None,
            tls: None,
        }
    }
}

/// A certificate and its key, each a file in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTls {
    /// The certificate, with those of intermediate authorities.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

pub(super) fn check(
    raw: RawHttp,
    data_dir: &Path,
    environment: &Environment,
    problems: &mut Problems<'_>,
) -> HttpSettings {
    let mut section = problems.at("http");
    let listen = section.converted("listen", raw.listen, check_listen);
    let token_file = section.converted("token_file", raw.token_file, check_path);
    let tls = raw.tls.and_then(|tls| check_tls(tls, data_dir, problems));
    HttpSettings {
        listen: listen.unwrap_or(Some(LISTEN)),
        token_file: token_file.map(|file| data_dir.join(file)),
        token: token(environment),
        tls,
    }
}

/// An empty one is there: whoever sets it means to have a token, and must not go without by mistake.
fn token(environment: &Environment) -> Option<Hidden> {
    let empty = environment.is_empty(TOKEN_VARIABLE).then_some("");
    let token = environment.get(TOKEN_VARIABLE).or(empty);
    token.map(|token| Hidden(token.to_owned()))
}

fn check_tls(raw: RawHttpTls, data_dir: &Path, problems: &mut Problems<'_>) -> Option<HttpTls> {
    let mut section = problems.at("http.tls");
    let mut file = |key: &str, entry, advice: &str| {
        let text = section.required(key, entry, advice)?;
        match check_path(text) {
            Ok(path) => Some(data_dir.join(path)),
            Err(text) => {
                section.problem(key, text);
                None
            }
        }
    };
    let certificate = file(
        "certificate",
        raw.certificate,
        "name the file in PEM that holds the certificate",
    );
    let key = file("key", raw.key, "name the file in PEM that holds its key");
    Some(HttpTls {
        certificate: certificate?,
        key: key?,
    })
}

fn check_listen(Texts(texts): Texts) -> Result<Option<SocketAddr>, String> {
    let [text] = &texts[..] else {
        return Err(format!(
            "names {} addresses, and a service listens on one; {HOW}",
            texts.len()
        ));
    };
    if text == "off" {
        return Ok(None);
    }
    let text = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.clone(),
    };
    let address: SocketAddr = text
        .parse()
        .map_err(|_| format!("{text:?} is no address with a port; {HOW}"))?;
    Ok(Some(address))
}
