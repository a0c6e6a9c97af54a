//! A token that is none, or no secret.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::support::database;

/// What `run` says where it does not start.
fn refused(home: &Home, listen: &str, token: Option<&str>) -> String {
    let mut command = home.command(&["run"]);
    command.env("INGESTD__HTTP__LISTEN", listen);
    if let Some(token) = token {
        command.env("INGESTD_HTTP_TOKEN", token);
    }
    let output = command.output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

/// Once, an empty variable left the listener open to everybody on the machine, in silence.
#[test]
fn an_empty_token_is_refused_wherever_it_comes_from() {
    let database = database();
    let open = home(&database, &["one"]);
    for token in ["", " ", "\t\n"] {
        for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
            let said = refused(&open, listen, Some(token));
            assert!(said.contains("the token for http is empty"), "{said}");
            assert!(said.contains("INGESTD_HTTP_TOKEN"), "{said}");
        }
    }
    drop(open);
    let place = crate::support::Scratch::new();
    for text in ["", "\n", "  \r\n"] {
        let file = place.write("token", text);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("a secret");
        let text = format!(
            "[http]\ntoken_file = \"{}\"\n{}",
            file.display(),
            pipeline("one")
        );
        let home = Home::new(Some(&database.url), "", &text);
        for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
            let said = refused(&home, listen, None);
            assert!(
                said.contains("token") && said.contains("is empty"),
                "{said}"
            );
            assert!(said.contains("http.token_file"), "{said}");
        }
    }
    // Nothing was begun.
    let ledger = "select to_regclass('ingestd.files') is null";
    let row = database.client().query_one(ledger, &[]).expect("an answer");
    assert!(row.get::<_, bool>(0), "the ledger is there");
}

#[test]
fn a_token_file_that_is_not_there_is_refused() {
    let database = database();
    let place = crate::support::Scratch::new();
    let file = place.path().join("token");
    let text = format!(
        "[http]\ntoken_file = \"{}\"\n{}",
        file.display(),
        pipeline("one")
    );
    let home = Home::new(Some(&database.url), "", &text);
    let said = refused(&home, "127.0.0.1:0", None);
    assert!(
        said.contains("token file") && said.contains("can't be read"),
        "{said}"
    );
    assert!(said.contains("http.token_file"), "{said}");
}
