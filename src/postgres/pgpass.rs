//! PURE: the password file of libpq: which line is for whom.
//!
//! <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::path::Path;

use tokio_postgres::config::Host;

/// For whom a password is looked up.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    /// The server's name or address; a socket in the default directory is `localhost`.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The database.
    pub name: &'a str,
    /// The user.
    pub user: &'a str,
}

/// The password of the first line that is for them.
pub fn find(text: &[u8], whom: Whom<'_>) -> Option<Vec<u8>> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.starts_with(b"#"))
        .find_map(|line| password_of(line, whom))
        .filter(|password| !password.is_empty())
}

/// What a line calls a host.
pub fn host_in_file(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(directory) => {
            // PostgreSQL's own default, and Debian's.
            let usual = ["/tmp", "/var/run/postgresql", "/run/postgresql"];
            if usual.iter().any(|usual| directory == Path::new(usual)) {
                return "localhost".to_owned();
            }
            directory.to_string_lossy().into_owned()
        }
    }
}

fn password_of(line: &[u8], whom: Whom<'_>) -> Option<Vec<u8>> {
    let port = whom.port.to_string();
    let mut rest = line;
    for wanted in [whom.host, &port, whom.name, whom.user] {
        let (field, after) = field(rest)?;
        let matches = rest.starts_with(b"*:") || field == wanted.as_bytes();
        rest = matches.then_some(after)?;
    }
    // A colon in the password needs no escape.
    Some(unescaped(rest))
}

/// The field that a text begins with, and what stands after its colon.
fn field(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b':' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    Some((unescaped(&text[..end]), &text[end + 1..]))
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = text.iter();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            byte => plain.push(*byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOM: Whom<'_> = Whom {
        host: "db.example",
        port: 5432,
        name: "shop",
        user: "me",
    };

    fn found(text: &str) -> Option<String> {
        find(text.as_bytes(), WHOM).map(|password| String::from_utf8(password).expect("text"))
    }

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# db.example:5432:shop:me:comment\n\n\
                    other:5432:shop:me:host\n\
                    db.example:5433:shop:me:port\n\
                    db.example:5432:shops:me:name\n\
                    db.example:5432:shop:you:user\n\
                    db.example:5432:shop:me:right\n\
                    *:*:*:*:late\n";
        assert_eq!(found(text).as_deref(), Some("right"));
    }

    #[test]
    fn wildcards_stand_for_whole_fields() {
        assert_eq!(found("*:*:*:me:p").as_deref(), Some("p"));
        assert_eq!(found("db.*:*:*:me:p"), None);
        assert_eq!(found("*:*:*:*:p\r\n").as_deref(), Some("p"));
    }

    #[test]
    fn escapes_are_undone_in_fields_and_in_the_password() {
        assert_eq!(
            found(r"db\.example:5432:sh\op:me:a\:b\\c:d").as_deref(),
            Some(r"a:b\c:d")
        );
        let whom = Whom {
            host: "::1",
            user: r"m\e",
            ..WHOM
        };
        let line = br"\:\:1:5432:shop:m\\e:p";
        assert_eq!(find(line, whom).as_deref(), Some(&b"p"[..]));
    }

    #[test]
    fn lines_that_are_cut_short_and_empty_passwords_are_none() {
        for text in [
            "",
            "db.example:5432:shop:me",
            "db.example",
            "*:*:*:*:",
            "\\",
            ":",
        ] {
            assert_eq!(found(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_socket_in_its_usual_place_is_localhost() {
        assert_eq!(
            host_in_file(&Host::Unix("/var/run/postgresql".into())),
            "localhost"
        );
        assert_eq!(
            host_in_file(&Host::Unix("/srv/sockets".into())),
            "/srv/sockets"
        );
    }
}
