//! A webhook that verifies, fails, hangs, redirects.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::receiver::{Answer, Request, Webhook};
use super::*;
use crate::support::database;

const SECRET: &str = "s3cr3t-0f-the-h00k";

/// What a receiver does: nothing of the program is used.
fn is_genuine(request: &Request) -> bool {
    let signature = request.signature.as_ref().expect("a signature");
    let (time, code) = signature.split_once(",v1=").expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(format!("{time}.{}", request.body).as_bytes());
    let code: Vec<u8> = (0..code.len() / 2)
        .map(|at| u8::from_str_radix(&code[at * 2..at * 2 + 2], 16).expect("hex"))
        .collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.expect("a time").as_secs() - time.parse::<u64>().expect("seconds");
    age < 60 && mac.verify_slice(&code).is_ok()
}

/// A sink `ops` with these keys, and a rule that tells it alone.
fn sink(webhook: &Webhook, keys: &str) -> String {
    format!("{}{BAD}sinks = [\"ops\"]\n", webhook.sink(keys))
}

#[test]
fn a_webhook_that_fails_twice_gets_it_signed_and_once() {
    let (database, webhook) = (
        database(),
        Webhook::new(vec![
            Answer::Status("500 Internal Server Error"),
            Answer::Status("503 Service Unavailable"),
        ]),
    );
    let mut client = database.client();
    let home = home(
        &database.url,
        &mut client,
        &sink(&webhook, "secret_file = \"hook\""),
    );
    std::fs::write(home.data().join("hook"), format!("{SECRET}\n")).expect("written");
    drop_bad(&home);
    let service = home.run();
    let tries = [webhook.next(), webhook.next(), webhook.next()];
    for request in &tries {
        assert!(is_genuine(request), "{:?}", request.signature);
        assert_eq!(request.content_type.as_deref(), Some("application/json"));
        assert_eq!(request.path, "/hook?token=t0k3n");
        assert_eq!(request.body, tries[0].body, "the same each time");
    }
    let told = tries[0].json();
    assert_eq!(
        (&told["version"], &told["status"]),
        (&1.into(), &"firing".into())
    );
    assert_eq!(
        (&told["alert"], &told["rule"]),
        (&"bad".into(), &"file_quarantined".into())
    );
    assert_eq!(
        (&told["pipeline"], &told["value"]),
        (&"items".into(), &1.0.into())
    );
    assert!(
        told["text"].as_str().expect("text").contains("bad.csv"),
        "{told}"
    );
    webhook.assert_silent();
    wait_until(PATIENCE, || notified(&mut client) == 1);

    // It is taken out of the quarantine by hand: the end is told, under the same number.
    mend(&mut client);
    let ended = webhook.next();
    assert!(is_genuine(&ended));
    let ended = ended.json();
    assert_eq!(
        (&ended["status"], &ended["id"]),
        (&"resolved".into(), &told["id"])
    );
    assert!(ended["resolved_at"].is_string());
    webhook.assert_silent();
    assert_eq!(firing(&mut client), 0);
    service.stop();
    let log = home.log();
    assert!(
        log.contains("a notification did not arrive: trying again"),
        "{log}"
    );
    assert!(log.contains("it answered 500"), "{log}");
    for hidden in [SECRET, "t0k3n"] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
        let (shown, said) = text(&home.ask(&["config", "show"]));
        assert!(!shown.contains(hidden) && !said.contains(hidden), "{shown}");
    }
}

#[test]
fn a_webhook_that_hangs_holds_up_neither_the_loading_nor_other_sinks_nor_the_end() {
    let (database, webhook) = (database(), Webhook::new(vec![Answer::Hang, Answer::Hang]));
    let mut client = database.client();
    let keys = "timeout = \"300ms\"\nretry_for = \"1min\"";
    let text = sink(&webhook, keys).replace("sinks = [\"ops\"]", "");
    let home = home(&database.url, &mut client, &text);
    drop_bad(&home);
    let service = home.run();
    webhook.next();
    wait_until_told(&home, "bad", &["firing"]);
    drop_rows(&home, "good.csv", 1_000);
    wait_for_items(&mut client, 1_000);
    webhook.next();
    let third = webhook.next();
    assert_eq!(third.json()["status"], "firing");
    wait_until(PATIENCE, || {
        home.log().contains("it did not answer within 300ms")
    });
    service.stop();
}

#[test]
fn what_a_webhook_refuses_is_given_up_and_no_redirect_is_followed() {
    for (answer, said) in [
        ("403 Forbidden", "it answered 403"),
        ("302 Found\r\nLocation: /elsewhere", "follow no redirect"),
    ] {
        let (database, webhook) = (database(), Webhook::new(vec![Answer::Status(answer)]));
        let mut client = database.client();
        let home = home(&database.url, &mut client, &sink(&webhook, ""));
        drop_bad(&home);
        let service = home.run();
        assert_eq!(webhook.next().signature, None, "there is no secret");
        wait_until(PATIENCE, || {
            home.log().contains("a notification is given up")
        });
        assert!(home.log().contains(said), "{}", home.log());
        webhook.assert_silent();
        service.stop();
    }
}

#[test]
fn a_test_says_what_came_back_of_each_sink() {
    let database = database();
    let webhook = Webhook::new(vec![
        Answer::Status("204 No Content"),
        Answer::Status("401 Unauthorized"),
    ]);
    let mut client = database.client();
    let text_of = format!(
        "{}[alert_sinks.page]\ntype = \"command\"\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; echo no line >&2; exit 3\"]\n",
        sink(&webhook, &format!("secret = \"{SECRET}\""))
    );
    let home = home(&database.url, &mut client, &text_of);
    let one = home.ask(&["alerts", "test", "ops"]);
    let (out, err) = text(&one);
    assert!(one.status.success(), "{out}{err}");
    assert!(
        out.starts_with("ops: it answered 204 No Content ("),
        "{out}"
    );
    let request = webhook.next();
    assert!(is_genuine(&request));
    assert_eq!(request.json()["status"], "test");

    let all = home.ask(&["alerts", "test"]);
    let (out, _) = text(&all);
    assert_eq!(all.status.code(), Some(1), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("log: it was logged"), "{out}");
    assert!(
        lines[1].starts_with("ops: FAILED: it answered 401"),
        "{out}"
    );
    assert!(
        lines[2].contains("exit status: 3, and said: no line"),
        "{out}"
    );
    let none = home.ask(&["alerts", "test", "opps"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none).1.contains("did you mean \"ops\""), "{none:?}");
    // Nobody is there at all.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = nobody.local_addr().expect("ours").to_string();
    drop(nobody);
    home.configure(
        &home
            .config()
            .replace(&webhook.url, &format!("http://{port}/t0k3n")),
    );
    let (out, err) = text(&home.ask(&["alerts", "test", "ops"]));
    assert!(
        out.contains("ops: FAILED: it can't be reached"),
        "{out}{err}"
    );
    assert!(!out.contains("t0k3n") && !err.contains("t0k3n"));
}
