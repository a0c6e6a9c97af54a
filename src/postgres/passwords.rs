//! The password of a connection, looked for anew for each one, so that a secret that is replaced
//! needs no restart.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::connection::{Connection, Endpoint};
use super::pgpass::{self, Whom};

/// More than any password, less than a file that was named by mistake may be.
const LONGEST: u64 = 1 << 20;

/// What was found.
#[derive(Default)]
pub struct Found {
    /// The password.
    pub password: Option<Vec<u8>>,
    /// Why a file that may hold one was passed over.
    pub passed_over: Option<String>,
}

impl Found {
    fn password(password: Vec<u8>) -> Found {
        Found {
            password: Some(password),
            passed_over: None,
        }
    }
}

/// Looks for the password of a server in all places, the strongest first.
///
/// # Errors
/// `Configuration` where the file that holds nothing else can't be read.
pub fn find(connection: &Connection, endpoint: &Endpoint) -> Result<Found> {
    let passwords = &connection.passwords;
    if let Some(given) = &passwords.given {
        return Ok(Found::password(given.clone()));
    }
    if let Some(path) = &passwords.file {
        return read_alone(path).map(Found::password);
    }
    if let Some(variable) = &passwords.variable {
        return Ok(Found::password(variable.clone().into_bytes()));
    }
    let Some(path) = &passwords.passfile else {
        return Ok(Found::default());
    };
    Ok(match read_many(path) {
        Ok(Some(text)) => Found {
            password: look_up(&text, connection, endpoint),
            passed_over: None,
        },
        Ok(None) => Found::default(),
        Err(why) => Found {
            password: None,
            passed_over: Some(format!("{} is passed over: {why}", path.display())),
        },
    })
}

/// A file that holds a password and nothing else, but for the end of its line.
pub fn read_alone(path: &Path) -> Result<Vec<u8>> {
    let failed = |why: String| {
        let message = format!("the password file {} {why}", path.display());
        Error::new(ErrorKind::Configuration, message).with_advice("check database.password_file")
    };
    let mut password = read(path).map_err(|error| failed(format!("can't be read: {error}")))?;
    if password.ends_with(b"\n") {
        password.pop();
        if password.ends_with(b"\r") {
            password.pop();
        }
    }
    if password.is_empty() {
        return Err(failed("is empty".to_owned()));
    }
    Ok(password)
}

/// The text of a file in libpq's format; `None` where there is none.
fn read_many(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // As libpq has it: that it is missing, or out of reach, is no news.
        Err(_) => return Ok(None),
    };
    if !metadata.is_file() {
        return Err("it is no plain file".to_owned());
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err("others than its owner may read it; chmod it to 0600".to_owned());
    }
    read(path)
        .map(Some)
        .map_err(|error| format!("it can't be read: {error}"))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut text)?;
    Ok(text)
}

fn look_up(text: &[u8], connection: &Connection, endpoint: &Endpoint) -> Option<Vec<u8>> {
    // As tokio-postgres will: the user is the operating system's, and the name is the user's.
    let ours = || whoami::username().ok();
    let user = connection.user.clone().or_else(ours)?;
    let name = connection.name.as_deref().unwrap_or(&user);
    let host = pgpass::host_in_file(&endpoint.host);
    let whom = Whom {
        host: &host,
        port: endpoint.port,
        name,
        user: &user,
    };
    pgpass::find(text, whom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::path::PathBuf;

    struct Place {
        directory: tempfile::TempDir,
        connection: Connection,
    }

    impl Place {
        fn new(url: &str) -> Place {
            Place {
                directory: tempfile::tempdir().expect("a directory"),
                connection: url.parse().expect("a URL"),
            }
        }

        fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
            let path = self.directory.path().join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
            path
        }

        fn found(&self) -> Found {
            find(&self.connection, &self.connection.endpoints[0]).expect("no error")
        }

        fn password(&self) -> Option<String> {
            let password = self.found().password;
            password.map(|password| String::from_utf8(password).expect("text"))
        }
    }

    #[test]
    fn the_strongest_source_wins() {
        let mut place = Place::new("postgresql://me:given@db/shop");
        let passfile = place.write("passfile", "db:5432:shop:me:passfile\n", 0o600);
        let file = place.write("file", "file\n", 0o644);
        let passwords = &mut place.connection.passwords;
        passwords.file = Some(file);
        passwords.variable = Some("variable".to_owned());
        passwords.passfile = Some(passfile);
        assert_eq!(place.password().as_deref(), Some("given"));
        place.connection.passwords.given = None;
        assert_eq!(place.password().as_deref(), Some("file"));
        place.connection.passwords.file = None;
        assert_eq!(place.password().as_deref(), Some("variable"));
        place.connection.passwords.variable = None;
        assert_eq!(place.password().as_deref(), Some("passfile"));
        place.connection.passwords.passfile = None;
        assert_eq!(place.password(), None);
    }

    #[test]
    fn a_password_file_loses_one_line_end_and_is_read_anew() {
        let mut place = Place::new("postgresql://me@db/shop");
        for (text, password) in [
            ("a\n", "a"),
            ("a\r\n", "a"),
            (" a b ", " a b "),
            ("a\n\n", "a\n"),
        ] {
            let path = place.write("file", text, 0o600);
            place.connection.passwords.file = Some(path);
            assert_eq!(place.password().as_deref(), Some(password));
        }
    }

    #[test]
    fn a_password_file_that_is_empty_or_missing_is_an_error_that_names_it() {
        let mut place = Place::new("postgresql://me@db/shop");
        let empty = place.write("empty", "\n", 0o600);
        for path in [empty, place.directory.path().join("missing")] {
            place.connection.passwords.file = Some(path.clone());
            let found = find(&place.connection, &place.connection.endpoints[0]);
            let error = found.err().expect("an error");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(
                error.message().contains(path.to_str().expect("text")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_passfile_that_others_may_read_is_passed_over_and_says_so() {
        let mut place = Place::new("postgresql://me@db/shop");
        for mode in [0o640, 0o604, 0o644, 0o610] {
            let path = place.write("passfile", "*:*:*:*:secret\n", mode);
            place.connection.passwords.passfile = Some(path);
            let found = place.found();
            assert_eq!(found.password, None);
            let why = found.passed_over.expect("a reason");
            assert!(why.contains("0600") && !why.contains("secret"), "{why}");
        }
        place.connection.passwords.passfile = Some("/nowhere/passfile".into());
        assert!(place.found().passed_over.is_none());
    }
}
