//! What needs no service.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use actix_web::body::to_bytes;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, middleware, test as calls};

use super::app::{Gate, gate, nothing_there};
use super::guard::Guard;
use super::routes;

fn entrance() -> Data<Gate> {
    Data::new(Gate {
        guard: Guard::new(None),
        document: routes::document(),
        shared: std::sync::Mutex::default(),
        log: slog::Logger::root(slog::Discard, slog::o!()),
    })
}

#[actix_web::test]
async fn a_handler_that_panics_is_a_problem_and_the_next_answer_comes() {
    let panics = || async {
        if std::hint::black_box(true) {
            panic!("on purpose");
        }
        HttpResponse::Ok().finish()
    };
    let app = App::new()
        .app_data(entrance())
        .wrap(middleware::from_fn(gate))
        .route("/panics", web::get().to(panics))
        .default_service(web::to(nothing_there));
    let app = calls::init_service(app).await;
    let get = |path: &str| {
        let request = calls::TestRequest::get().uri(path);
        request.insert_header(("Host", "localhost")).to_request()
    };
    let refused = calls::try_call_service(&app, get("/panics")).await;
    let answer = refused.expect_err("a problem").error_response();
    assert_eq!(answer.status(), 500);
    assert_eq!(
        answer.headers().get("content-type").expect("a type"),
        "application/problem+json"
    );
    let body = to_bytes(answer.into_body()).await.expect("a body");
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["type"], "urn:ingestd:problem:bug");
    assert_eq!(problem["status"], 500);
    let answer = calls::call_service(&app, get("/nothing")).await;
    assert_eq!(answer.status(), 404);
}

#[test]
fn the_document_describes_every_answer_and_refers_to_nothing_that_it_lacks() {
    let document = routes::document();
    let text = document.to_json().expect("JSON");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        json["openapi"]
            .as_str()
            .is_some_and(|it| it.starts_with("3.1"))
    );
    let mut names = BTreeSet::new();
    for (path, item) in &document.paths.paths {
        assert!(!routes::methods_of(item).is_empty(), "{path}");
        let operations = [&item.get, &item.post].into_iter().flatten();
        for operation in operations {
            assert!(
                operation.summary.is_some() || operation.description.is_some(),
                "{path}"
            );
            assert!(operation.responses.responses.contains_key("200"), "{path}");
            assert!(
                operation.responses.responses.contains_key("default"),
                "{path}"
            );
            let name = operation.operation_id.clone().expect("an id");
            assert!(names.insert(name), "{path}: an id is there twice");
        }
    }
    let schemas = json["components"]["schemas"].as_object().expect("schemas");
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("its end");
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn the_document_has_what_a_wrong_request_is_answered() {
    let document = routes::document();
    for (path, statuses) in [
        ("/api/v1/files", &["400", "404"][..]),
        ("/api/v1/events", &["400", "404"]),
        ("/api/v1/alerts", &["400"]),
        ("/api/v1/dead-letters", &["400", "404"]),
        ("/api/v1/dead-letters/groups", &["400", "404"]),
        ("/api/v1/dead-letters/export.csv", &["400", "404", "409"]),
        ("/api/v1/dead-letters/export.ndjson", &["400", "404", "409"]),
        ("/api/v1/dead-letters/replay", &["400", "404", "415"]),
        ("/api/v1/dead-letters/discard", &["400", "404", "415"]),
        ("/api/v1/pipelines/{name}/{command}", &["404", "415"]),
    ] {
        let item = document.paths.paths.get(path).expect(path);
        let operation = item.get.as_ref().or(item.post.as_ref()).expect(path);
        for status in statuses {
            let responses = &operation.responses.responses;
            assert!(responses.contains_key(*status), "{path} {status}");
        }
    }
}

/// Two types of one name are one schema: the stages of a file were described as those that hold one up.
#[test]
fn each_schema_of_the_document_is_one_type() {
    let mut names = BTreeSet::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                for derived in text.split("ToSchema)]\n").skip(1) {
                    let mut words = derived.split([' ', '(', '<', ';', '\n']);
                    words.find(|word| matches!(*word, "struct" | "enum"));
                    let name = words.next().expect("a name").to_owned();
                    assert!(names.insert(name.clone()), "{name}: {}", path.display());
                }
            }
        }
    }
    assert!(
        names.contains("StageReached") && names.len() > 30,
        "{names:?}"
    );
}
