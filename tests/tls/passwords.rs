//! Passwords over TLS: where they come from, and that a login is bound to its session.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::cli::run;
use crate::support::ingestd;

use super::{TlsServer, write_secret};

#[test]
fn each_source_of_a_password_serves() {
    let server = TlsServer::start();
    let url = server.url("scram", &server.with_root("verify-full"));
    let ask = || {
        let mut command = ingestd();
        command
            .args(["migrate", "--database-url", &url])
            .env("HOME", server.scratch.path());
        command
    };
    let said = run(&mut ask());
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("wants a password, and none was found"),
        "{}",
        said.err
    );

    let said = run(ask().env("PGPASSWORD", "wrong"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("28P01") && !said.err.contains("wrong"),
        "{}",
        said.err
    );
    let said = run(ask().env("PGPASSWORD", "pa55word"));
    assert_eq!(said.code, Some(0), "{}", said.err);

    let passfile = server.scratch.path().join(".pgpass");
    let line = format!("localhost:{}:*:scram:pa55word\n", server.port);
    write_secret(&passfile, &line);
    let said = run(&mut ask());
    assert_eq!(said.code, Some(0), "{}", said.err);
    fs::set_permissions(&passfile, fs::Permissions::from_mode(0o644)).expect("ours");
    let said = run(&mut ask());
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("is passed over") && said.err.contains("0600"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("pa55word"), "{}", said.err);

    let named = server.scratch.path().join("named");
    write_secret(&named, &line);
    let said = run(ask().env("PGPASSFILE", &named));
    assert_eq!(said.code, Some(0), "{}", said.err);

    let file = server.scratch.write("secret", "pa55word\n");
    let said = run(ask()
        .env("INGESTD__DATABASE__PASSWORD_FILE", &file)
        .env("PGPASSWORD", "wrong"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let said = run(ask().env("INGESTD__DATABASE__PASSWORD_FILE", "/nowhere/secret"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("/nowhere/secret can't be read"),
        "{}",
        said.err
    );
}

#[test]
fn a_login_is_bound_to_its_session() {
    let server = TlsServer::start();
    for (parameters, code, hint) in [
        ("sslmode=require&channel_binding=require", 0, ""),
        (
            "sslmode=disable&channel_binding=require",
            2,
            "channel binding",
        ),
    ] {
        let url = server.url("scram", parameters);
        let said = run(ingestd()
            .args(["migrate", "--database-url", &url])
            .env("PGPASSWORD", "pa55word"));
        assert_eq!(said.code, Some(code), "{parameters}: {}", said.err);
        assert!(said.err.contains(hint), "{parameters}: {}", said.err);
    }
}
