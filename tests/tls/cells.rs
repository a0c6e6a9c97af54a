//! Every mode with every certificate: encrypted, plain, or refused with a reason.

use ingestd::postgres::{Connection, connect_blocking};
use ingestd_actors::error::{Error, ErrorKind};

use super::certificates::{Authority, self_signed, self_signed_long_ago};
use super::{Pair, TlsServer};

/// What a connection came to.
#[derive(Debug)]
enum Came {
    Encrypted,
    Plain,
    Refused(Error),
}

fn connect(url: &str) -> Came {
    let connection: Connection = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
    let mut client = match connect_blocking(&connection) {
        Ok(client) => client,
        Err(error) => return Came::Refused(error),
    };
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    match client.query_one(query, &[]).expect("a row").get(0) {
        true => Came::Encrypted,
        false => Came::Plain,
    }
}

/// `"tls"`, `"plain"`, or what the refusal says.
fn expect(url: &str, expected: &str) {
    match (connect(url), expected) {
        (Came::Encrypted, "tls") | (Came::Plain, "plain") => {}
        (Came::Refused(error), hint) if error.to_string().contains(hint) => {
            assert_eq!(error.kind(), ErrorKind::Configuration, "{url}: {error}");
            assert!(error.advice().is_some(), "{url}: {error}");
        }
        (came, _) => panic!("{url}: expected {expected}, got {came:?}"),
    }
}

/// The modes, and what each of them comes to with one certificate.
fn expect_cells(server: &TlsServer, root: &str, cells: [&str; 7]) {
    let modes = [
        ("sslmode=disable", false),
        ("", false),
        ("sslmode=prefer", false),
        ("sslmode=require", false),
        ("sslmode=require", true),
        ("sslmode=verify-ca", true),
        ("sslmode=verify-full", true),
    ];
    for ((mode, has_root), expected) in modes.into_iter().zip(cells) {
        let root = if has_root {
            format!("&sslrootcert={root}")
        } else {
            String::new()
        };
        expect(&server.url("tester", &format!("{mode}{root}")), expected);
    }
}

#[test]
fn every_mode_with_every_certificate() {
    let server = TlsServer::start();
    let root = server.root.display().to_string();
    let other = Authority::new("another authority");
    let hosts: &[&str] = &["localhost", "127.0.0.1"];
    let present = |pair: &Pair| server.present(pair);
    let unknown = "signed by nobody whom sslrootcert names";

    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", "tls", "tls", "tls"],
    );

    present(&other.server(hosts));
    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", unknown, unknown, unknown],
    );

    let expired = "has expired, on 2021-01-01";
    present(&server.authority.expired(hosts));
    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", expired, expired, expired],
    );

    let name = "not for the host localhost: it is for db.example;";
    present(&server.authority.server(&["db.example"]));
    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", "tls", "tls", name],
    );

    // The name is the subject's alone, as PostgreSQL's own instructions have it.
    present(&server.authority.server_by_subject("localhost"));
    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", "tls", "tls", "tls"],
    );
    present(&server.authority.server_by_subject("db.example"));
    let name = "not for the host localhost";
    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", "tls", "tls", name],
    );

    for authority in [false, true] {
        let own = self_signed(hosts, authority);
        present(&own);
        let refused = if authority {
            "the server's certificate"
        } else {
            unknown
        };
        expect_cells(
            &server,
            &root,
            ["plain", "tls", "tls", "tls", refused, refused, refused],
        );
        let itself = server.scratch.write("itself.pem", &own.certificate);
        let itself = itself.display().to_string();
        expect_cells(
            &server,
            &itself,
            ["plain", "tls", "tls", "tls", "tls", "tls", "tls"],
        );
    }
    let long_ago = self_signed_long_ago(hosts);
    present(&long_ago);
    let itself = server.scratch.write("itself.pem", &long_ago.certificate);
    let itself = itself.display().to_string();
    expect_cells(
        &server,
        &itself,
        ["plain", "tls", "tls", "tls", expired, expired, expired],
    );

    // As `openssl x509 -req` makes them.
    let old = Pair {
        certificate: include_str!("version_1.pem").to_owned(),
        key: include_str!("version_1.key").to_owned(),
    };
    present(&old);
    let refused = "of X.509 version 1";
    expect_cells(
        &server,
        &root,
        ["plain", "tls", "tls", "tls", refused, refused, refused],
    );
    let itself = server.scratch.write("itself.pem", &old.certificate);
    let itself = itself.display().to_string();
    expect_cells(
        &server,
        &itself,
        ["plain", "tls", "tls", "tls", "tls", "tls", "tls"],
    );

    let elsewhere = self_signed(&["db.example"], true);
    present(&elsewhere);
    let itself = server.scratch.write("itself.pem", &elsewhere.certificate);
    let itself = itself.display().to_string();
    expect_cells(
        &server,
        &itself,
        ["plain", "tls", "tls", "tls", "tls", "tls", name],
    );
}

#[test]
fn pg_hba_decides_who_comes_how() {
    let server = TlsServer::start();
    for (user, mode, expected) in [
        ("encrypted", "", "tls"),
        ("encrypted", "sslmode=require", "tls"),
        (
            "encrypted",
            "sslmode=disable",
            "set sslmode to \"require\" or stronger",
        ),
        ("plain", "", "plain"),
        ("plain", "sslmode=disable", "plain"),
        ("plain", "sslmode=require", "set sslmode to \"disable\""),
        ("nobody", "", "pg_hba.conf"),
        ("nobody", "sslmode=require", "pg_hba.conf"),
    ] {
        expect(&server.url(user, mode), expected);
    }
}

#[test]
fn a_server_without_tls_is_told_apart_and_prefer_goes_without() {
    let server = TlsServer::start_with("ssl=off");
    let missing = "the server doesn't speak TLS";
    let root = server.root.display().to_string();
    let cells = [
        "plain", "plain", "plain", missing, missing, missing, missing,
    ];
    expect_cells(&server, &root, cells);
}

/// A socket's other end is known by its directory: as libpq has it, no mode asks for TLS there.
#[test]
fn a_socket_needs_no_tls() {
    let server = TlsServer::start();
    let place = server.server.data();
    let url = format!(
        "host={} port={} user=tester dbname=postgres sslmode=verify-full sslrootcert={}",
        place.display(),
        server.port,
        server.root.display()
    );
    expect(&url, "plain");
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let server = TlsServer::start();
    let no_pem = server.scratch.write("no.pem", "no certificate");
    for (file, hint) in [
        (
            "/nowhere/ca.pem",
            "/nowhere/ca.pem can't be read: No such file",
        ),
        (
            no_pem.to_str().expect("text"),
            "holds no certificate in PEM; check sslrootcert",
        ),
    ] {
        let url = server.url("tester", &format!("sslmode=verify-ca&sslrootcert={file}"));
        expect(&url, hint);
    }
}

/// The file of the machine's roots is the test's, by the variable that OpenSSL has for it.
#[test]
fn the_systems_roots_verify_the_name_too() {
    let server = TlsServer::start();
    let url = server.url("tester", "sslrootcert=system");
    let ask = |file: &std::path::Path| {
        crate::cli::run(
            crate::support::ingestd()
                .args(["migrate", "--database-url", &url])
                .env("SSL_CERT_FILE", file),
        )
    };
    let said = ask(&server.root);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let other = Authority::new("another authority").certificate;
    let other = server.scratch.write("other.pem", other);
    let said = ask(&other);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("signed by nobody"), "{}", said.err);
    server.present(&server.authority.server(&["db.example"]));
    let said = ask(&server.root);
    assert!(
        said.err.contains("not for the host localhost"),
        "{}",
        said.err
    );
}
