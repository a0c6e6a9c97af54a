//! Who gets in, and what whoever asks wrongly is told.

use std::net::TcpListener;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;

use super::*;
use crate::support::{OwnServer, database};

#[test]
fn a_service_answers_about_itself() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    let live = api.json("/health/live");
    assert_eq!(live["live"], true);
    wait_until_ready(api);
    let ready = api.json("/health/ready");
    assert_eq!(ready["parts"].as_array().map(Vec::len), Some(3), "{ready}");
    let head = api.ask("HEAD /health/ready", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let metrics = api.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|it| it.starts_with("text/plain"))
    );
    let answer = api.get("/api/v1/pipelines");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    answering.service.stop();
}

#[test]
fn every_path_of_the_document_answers_and_no_other_does() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    let document = api.json("/api/v1/openapi.json");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 16, "{document}");
    for (template, item) in paths {
        let path = template
            .replace("{name}", "nobody")
            .replace("{command}", "nothing")
            .replace("{id}", "0")
            .replace("{file}", "0")
            .replace("{record}", "0");
        for method in item.as_object().expect("methods").keys() {
            if template == "/api/v1/stream" || template.ends_with("/reload") {
                continue;
            }
            let headers = [("X-Ingestd", "1")];
            let answer = api.ask(&format!("{} {path}", method.to_uppercase()), &headers, "");
            let is_known = answer.status == 200
                || answer.problem()["type"] != "urn:ingestd:problem:no-such-path"
                || template.contains("{command}");
            assert!(
                is_known && answer.status != 405,
                "{method} {path}: {answer:?}"
            );
        }
        let answer = api.ask(&format!("DELETE {path}"), &[("X-Ingestd", "1")], "");
        assert_eq!(answer.status, 405, "{path}");
        let methods: Vec<String> = item
            .as_object()
            .expect("methods")
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let allowed = answer.header("allow").expect("what is allowed").to_owned();
        assert!(
            methods.iter().all(|method| allowed.contains(method)),
            "{path}: {allowed}"
        );
        answer.problem();
    }
    for path in [
        "/nothing",
        "/api/v1",
        "/api/v1/files/x",
        "/api/v1/files/1/2",
        "/api/v2/files",
    ] {
        assert_eq!(api.get(path).problem()["status"], 404, "{path}");
    }
    let unknown = api.get("/api/v1/pipelines/onee").problem();
    assert_eq!(unknown["type"], "urn:ingestd:problem:unknown-pipeline");
    assert_eq!(unknown["advice"], "did you mean \"one\"?");
    assert_eq!(api.get("/api/v1/files/17").problem()["status"], 404);
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "state=LOST",
        "since=never",
        "stat=READING",
        "name=[a",
        "cursor=x",
    ] {
        let problem = api.get(&format!("/api/v1/files?{wrong}")).problem();
        assert_eq!(problem["status"], 400, "{wrong}");
    }
    assert_eq!(api.get("/api/v1/events?cursor=17").problem()["status"], 400);
    answering.service.stop();
}

#[test]
fn a_browser_that_was_led_here_gets_nothing() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    let api = &answering.api;
    let get = |headers: &[(&str, &str)]| api.ask("GET /api/v1/pipelines", headers, "");
    assert_eq!(get(&[("Host", "evil.example")]).problem()["status"], 421);
    assert_eq!(
        get(&[("Origin", "https://evil.example")]).problem()["status"],
        403
    );
    let own = format!("http://{}", api.address);
    assert_eq!(get(&[("Origin", &own)]).status, 200);
    let post = |headers: &[(&str, &str)], body: &str| {
        api.ask("POST /api/v1/pipelines/one/pause", headers, body)
    };
    assert_eq!(post(&[], "").problem()["status"], 415);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(post(&form, "a=b").problem()["status"], 415);
    let json = [("Content-Type", "application/json")];
    assert_eq!(post(&json, "{\"force\": true}").problem()["status"], 400);
    let wanted = "select wanted, command from ingestd.pipelines where name = 'one'";
    let row = database
        .client()
        .query_one(wanted, &[])
        .expect("a pipeline");
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, i64>(1)),
        ("running", 0)
    );
    let long = [
        ("Content-Type", "application/json"),
        ("Content-Length", "1048577"),
    ];
    assert_eq!(post(&long, "").problem()["status"], 413);
    let long = "x".repeat(200_000);
    let answer = api.ask("GET /health/live", &[("X-Long", &long)], "");
    assert!((400..500).contains(&answer.status), "{}", answer.status);
    answering.service.stop();
}

#[test]
fn with_a_token_only_those_who_have_it_are_answered() {
    let database = database();
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "from-the-file\n").expect("written");
    let file = format!("token_file = \"{}\"", secret.path().display());
    let home = home_with(&database, &["one"], &file);
    for (variables, token) in [
        (&[][..], "from-the-file"),
        (
            &[("INGESTD_HTTP_TOKEN", "from-the-variable")][..],
            "from-the-variable",
        ),
    ] {
        let mut all = vec![("INGESTD__HTTP__LISTEN", "0.0.0.0:0")];
        all.extend(variables);
        let mut answering = start_with(&home, &all);
        let api = &mut answering.api;
        api.address = api.address.replace("0.0.0.0", "127.0.0.1");
        let get = |token: Option<&str>| {
            let header = token.map(|token| format!("Bearer {token}"));
            let header = header.as_deref().map(|it| ("Authorization", it));
            api.ask("GET /api/v1/pipelines", header.as_slice(), "")
        };
        let refused = get(None);
        assert_eq!(refused.problem()["status"], 401);
        assert!(
            refused
                .header("www-authenticate")
                .is_some_and(|it| it.starts_with("Bearer"))
        );
        assert_eq!(get(Some("another")).problem()["status"], 401);
        assert_eq!(get(Some(token)).status, 200);
        assert_eq!(api.get("/metrics").status, 401);
        // How ready it is everybody may know, and why not those alone who may ask for more. The page is
        // open, and shows nothing that it has not asked for.
        let stranger = api.get("/health/ready").json();
        assert!(stranger["parts"].is_null(), "{stranger}");
        let bearer = format!("Bearer {token}");
        let known = api.ask("GET /health/ready", &[("Authorization", &bearer)], "");
        assert!(known.json()["parts"].is_array(), "{known:?}");
        assert_eq!(api.get("/").status, 200);
        assert_eq!(api.get("/nothing").status, 401);
        assert_eq!(api.get("/health/live").status, 200);
        assert!(!home.log().contains(token), "{}", home.log());
        answering.service.stop();
    }
}

#[test]
fn a_listener_beyond_this_machine_needs_a_token_and_a_taken_address_is_an_error() {
    let database = database();
    let home = home(&database, &["one"]);
    let run = |listen: &str| {
        let mut command = home.command(&["run"]);
        command.env("INGESTD__HTTP__LISTEN", listen);
        let output = command.output().expect("the program");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, said) = run("0.0.0.0:0");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("there is no token") && said.contains("INGESTD_HTTP_TOKEN"),
        "{said}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, said) = run(&address);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("http can't listen on {address}")),
        "{said}"
    );
    assert!(said.contains("another http.listen"), "{said}");
    // Nothing was begun.
    let ledger = "select to_regclass('ingestd.files') is null";
    let row = database.client().query_one(ledger, &[]).expect("an answer");
    assert!(row.get::<_, bool>(0), "the ledger is there");
}

#[test]
fn connections_are_encrypted_where_that_is_configured() {
    let database = database();
    let directory = tempfile::tempdir().expect("a directory");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let (at, key_at) = (
        directory.path().join("c.pem"),
        directory.path().join("k.pem"),
    );
    std::fs::write(&at, &certificate).expect("written");
    std::fs::write(&key_at, key.serialize_pem()).expect("written");
    let tls = format!(
        "tls = {{ certificate = \"{}\", key = \"{}\" }}",
        at.display(),
        key_at.display()
    );
    let home = home_with(&database, &["one"], &tls);
    let answering = start(&home);
    assert!(urls(&home)[0].starts_with("https://"));
    let encrypted = Api {
        certificate: Some(certificate),
        ..answering.api.clone()
    };
    wait_until_ready(&encrypted);
    assert_eq!(encrypted.json("/api/v1/pipelines")[0]["pipeline"], "one");
    let mut messages = encrypted.stream(&[]);
    assert!(messages.next().is_some());
    answering.service.stop();

    home.replace("k.pem", "nothing.pem");
    let mut command = home.command(&["run"]);
    command.env("INGESTD__HTTP__LISTEN", "127.0.0.1:0");
    let output = command.output().expect("the program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("http.tls.key") && said.contains("in PEM"),
        "{said}"
    );
}

#[test]
fn a_service_is_not_ready_while_its_database_is_away_and_comes_back() {
    let mut server = OwnServer::start_new();
    let text = pipeline("one");
    let home = Home::new(Some(&server.url()), "", &text);
    home.directory("inbox/one");
    let table = "create table one (id bigint, note text)";
    server.client().batch_execute(table).expect("a table");
    let answering = start(&home);
    let api = &answering.api;
    wait_until_ready(api);
    server.stop_immediate();
    wait_until(PATIENCE, || {
        let answer = api.get("/health/ready");
        answer.status == 503
            && answer.json()["parts"][0]["part"] == "database"
            && answer.json()["parts"][0]["ready"] == false
    });
    let asked = Instant::now();
    let answer = api.get("/api/v1/pipelines");
    assert!(
        asked.elapsed() < Duration::from_secs(8),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(answer.problem()["type"], "urn:ingestd:problem:database");
    assert_eq!(api.get("/health/live").status, 200);
    server.start();
    wait_until_ready(api);
    assert_eq!(api.json("/api/v1/pipelines")[0]["pipeline"], "one");
    answering.service.signal(Signal::TERM);
    let status = answering.service.wait(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0));
}

/// Whoever shares out work has to know before the door is closed.
#[test]
fn a_service_that_is_told_to_end_lives_and_is_not_ready() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    // What is in flight waits for somebody who has the table.
    let mut client = database.client();
    let mut locked = client.transaction().expect("a transaction");
    locked
        .batch_execute("lock table one in access exclusive mode")
        .expect("a lock");
    drop_rows(&home, "one", "a.csv", 0, 10);
    let mut other = database.client();
    let reads = "select count(*) from ingestd.files where state in ('READING', 'COMPLETED')";
    wait_until(PATIENCE, || {
        let row = other.query_one(reads, &[]).expect("a count");
        row.get::<_, i64>(0) == 1
    });
    answering.service.signal(Signal::TERM);
    wait_until(PATIENCE, || {
        answering.api.get("/health/ready").status == 503
    });
    let ready = answering.api.get("/health/ready").json();
    let says = serde_json::json!({
        "ready": false,
        "parts": [{ "part": "service", "ready": false, "says": "is stopping" }],
    });
    assert_eq!(ready, says);
    assert_eq!(answering.api.get("/health/live").status, 200);
    locked.rollback().expect("let go");
    let status = answering.service.wait(PATIENCE);
    assert!(status.success(), "{status}");
}

#[test]
fn the_tree_lists_what_there_is_and_nothing_else() {
    let database = database();
    let home = home(&database, &["one"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    let names = |api: &client::Api| -> Vec<String> {
        let tree = api.json("/api/v1/tree");
        let children = tree["children"].as_array().expect("children").iter();
        children
            .map(|child| child["child"].as_str().expect("a name").to_owned())
            .collect()
    };
    let here = names(&answering.api);
    for part in [
        "control",
        "notes",
        "held-up notes",
        "alerts",
        "alert sinks",
        "replays",
        "metrics",
        "http listener",
        "snapshots",
        "rates",
    ] {
        let metric = format!("ingestd_restarts_total{{child=\"{part}\",pipeline=\"\"}} 0");
        let metrics = answering.api.get("/metrics").body;
        let known = here.iter().any(|it| it == part);
        assert!(known && metrics.contains(&metric), "{part}: {here:?}");
    }
    assert!(here.iter().all(|it| it != "private server"), "{here:?}");
    answering.service.stop();
}
