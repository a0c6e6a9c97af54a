//! `[database]`: keys, URL and variables together.

use super::*;
use crate::postgres::tls_mode::{Roots, SslMode};

fn database(text: &str, variables: &[(&str, &str)]) -> DatabaseSettings {
    let settings = load_with(&format!("[database]\n{text}"), variables);
    let settings = settings.unwrap_or_else(|error| panic!("{text}: {error}"));
    settings.service.database.expect("a database")
}

fn connection(text: &str) -> Connection {
    database(text, &[]).connection
}

#[test]
fn keys_say_all_that_a_url_says() {
    let keys = connection(
        "host = 'db'\nport = 6543\nname = 'shop'\nuser = 'me'\npassword = 'p'\n\
         sslmode = 'verify-full'\nsslrootcert = '/ca.pem'\nsslcert = '/c.pem'\nsslkey = '/k.pem'",
    );
    let url = connection(
        "url = 'postgresql://me:p@db:6543/shop?sslmode=verify-full&sslrootcert=/ca.pem\
         &sslcert=/c.pem&sslkey=/k.pem'",
    );
    let pairs = connection(
        "url = 'host=db port=6543 dbname=shop user=me password=p sslmode=verify-full \
         sslrootcert=/ca.pem sslcert=/c.pem sslkey=/k.pem'",
    );
    let parts = |c: &Connection| {
        let passwords = c.passwords.given.clone();
        (
            c.endpoints.clone(),
            c.name.clone(),
            c.user.clone(),
            passwords,
            c.tls.clone(),
        )
    };
    assert_eq!(parts(&keys), parts(&url));
    assert_eq!(parts(&keys), parts(&pairs));
    assert_eq!(keys.endpoints[0].port, 6543);
    assert_eq!(keys.tls.mode, SslMode::VerifyFull);
}

#[test]
fn keys_add_what_the_url_lacks() {
    let whole = connection(
        "url = 'postgresql:///shop?application_name=loader'\nhost = '/run/postgresql'\nport = 5433\n\
         user = 'me'\npassword_file = 'secrets/db'\nsslmode = 'require'\nsslrootcert = 'ca.pem'",
    );
    assert_eq!(host_of(&whole), "/run/postgresql");
    assert_eq!(whole.endpoints[0].port, 5433);
    assert_eq!(whole.name.as_deref(), Some("shop"));
    assert_eq!(
        whole.passwords.file.as_deref(),
        Some(Path::new("/data/secrets/db"))
    );
    assert_eq!(whole.tls.roots, Some(Roots::File("/data/ca.pem".into())));
    assert_eq!(whole.options.get_application_name(), Some("loader"));
    let port = connection("url = 'postgresql://db/shop'\nport = 5433");
    assert_eq!(
        (host_of(&port).as_str(), port.endpoints[0].port),
        ("db", 5433)
    );
}

#[test]
fn what_is_said_twice_alike_is_no_contradiction() {
    connection(
        "url = 'postgresql://me:p@db:5432/shop'\nhost = 'db'\nport = 5432\nuser = 'me'\npassword = 'p'",
    );
}

/// Keys, the key that is named, and a part of what is said.
#[rustfmt::skip]
const MISTAKES: &[(&str, &str, &str)] = &[
    ("url = 'postgresql://db/shop'\nhost = 'other'", "host", "is another one than the URL has"),
    ("url = 'postgresql://db:5432/shop'\nport = 5433", "port", "is another one than the URL has"),
    ("url = 'postgresql://db/shop'\nname = 'other'", "name", "is another one than the URL has"),
    ("url = 'postgresql://me@db/shop'\nuser = 'other'", "user", "is another one than the URL has"),
    ("url = 'postgresql://me:secret@db/shop'\npassword = 'secret2'", "password", "is another one than the URL has"),
    ("url = 'postgresql://db/shop?sslmode=require'\nsslmode = 'prefer'", "sslmode", "is another one than the URL has"),
    ("name = 'shop'", "host", "is missing"),
    ("password = 'secret'", "host", "is missing"),
    ("url = 'postgresql:///shop'", "url", "names no host"),
    ("url = 'postgresql://db/shop?sslmode=verify-full'", "url", "sslrootcert is missing"),
    ("url = 'postgresql://db/shop?sslmode=some'", "url", "sslmode \"some\" is unknown"),
    ("url = 'postgresql://db/shop?sslmode=verify-full'\nsslcert = 'c'\nsslkey = 'k'", "sslrootcert", "is missing"),
    ("host = ''", "host", "is empty"),
    ("host = 'a,b'", "host", "write several into database.url"),
    ("host = 'postgresql://u:secret@h'", "host", "write a URL into database.url"),
    ("host = 'db'\nport = 0", "port", "write 1 to 65535"),
    ("host = 'db'\nport = 65536", "port", "write 1 to 65535"),
    ("host = 'db'\nuser = ' '", "user", "is empty"),
    ("host = 'db'\npassword = 7", "password", "expected text in quotes"),
    ("host = 'db'\npassword_file = '~/file'", "password_file", "write the home directory out"),
    ("host = 'db'\nsslmode = 'allow'", "sslmode", "\"disable\", \"prefer\", \"require\", \"verify-ca\", \"verify-full\""),
    ("host = 'db'\nsslmode = 'verify-ca'", "sslrootcert", "or write \"system\""),
    ("host = 'db'\nsslmode = 'require'\nsslrootcert = 'system'", "sslmode", "write \"verify-full\""),
    ("host = 'db'\nsslcert = 'c.pem'", "sslkey", "is missing"),
    ("host = 'db'\nsslkey = 'k.pem'", "sslcert", "is missing"),
    ("url = 'postgresql://u:secret@h/d?sslpassword=secret'", "url", "the parameter sslpassword"),
    ("hots = 'db'", "hots", "did you mean \"host\""),
];

#[test]
fn each_mistake_says_what_would_be_right_and_shows_no_password() {
    for (text, key, hint) in MISTAKES {
        let said = refusal(&format!("[database]\n{text}"));
        assert!(
            said.contains(&format!("test.toml: database.{key}: ")),
            "{text}: {said}"
        );
        assert!(said.contains(hint), "{text}: {said}");
        assert!(!said.contains("secret"), "{text}: {said}");
    }
}

#[test]
fn a_key_of_a_stronger_source_stands_against_the_url_and_the_other_way_round() {
    let text = "url = 'postgresql://me@file/shop'\nuser = 'me'";
    let by_key = database(text, &[("INGESTD__DATABASE__HOST", "variable")]);
    assert_eq!(host_of(&by_key.connection), "variable");
    assert_eq!(by_key.connection.name.as_deref(), Some("shop"));
    assert_eq!(by_key.origin, "INGESTD__DATABASE__HOST");

    let text = "host = 'file'\nport = 5433\nuser = 'me'\nsslmode = 'require'";
    let by_url = database(
        text,
        &[("DATABASE_URL", "postgresql://you@shared:5432/shop")],
    );
    assert_eq!(host_of(&by_url.connection), "shared");
    assert_eq!(by_url.connection.endpoints[0].port, 5432);
    assert_eq!(by_url.connection.user.as_deref(), Some("you"));
    assert_eq!(
        by_url.connection.tls.mode,
        SslMode::Require,
        "it says nothing of that"
    );
    assert_eq!(by_url.origin, "DATABASE_URL");
}

#[test]
fn passwords_of_the_environment_are_libpqs() {
    let variables = [("PGPASSWORD", "secret"), ("HOME", "/home/me")];
    let settings = database("host = 'db'", &variables);
    let passwords = &settings.connection.passwords;
    assert_eq!(passwords.variable.as_deref(), Some("secret"));
    assert_eq!(
        passwords.passfile.as_deref(),
        Some(Path::new("/home/me/.pgpass"))
    );
    assert!(!format!("{settings:?}").contains("secret"));
    let named = database(
        "host = 'db'",
        &[("PGPASSFILE", "/run/pass"), ("HOME", "/home/me")],
    );
    let passfile = named.connection.passwords.passfile;
    assert_eq!(passfile.as_deref(), Some(Path::new("/run/pass")));
    let in_url = "url = 'postgresql://db/shop?passfile=/run/other'";
    let passfile = database(in_url, &[("PGPASSFILE", "/run/pass")])
        .connection
        .passwords
        .passfile;
    assert_eq!(passfile.as_deref(), Some(Path::new("/run/other")));
}
