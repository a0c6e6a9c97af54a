//! Which paths there are: the routes and the document that describes them are one list.

use actix_web::App;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Info, OpenApi, Ref, Response, ResponseBuilder};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;

use super::dead_letters::{export, list, settle};
use super::{alerts, control, events, files, health, pipelines, service, stream, tree, why};

/// What a token is called in the document.
const TOKEN: &str = "token";

/// All of them. What is added here is in the document by that.
pub fn all(config: &mut ServiceConfig<'_>) {
    config
        .service(health::is_live)
        .service(health::is_ready)
        .service(health::show_metrics)
        .service(pipelines::list_pipelines)
        .service(control::pause_all)
        .service(control::resume_all)
        .service(control::drain_all)
        .service(control::rescan_all)
        .service(pipelines::show_pipeline)
        .service(control::command_one)
        .service(pipelines::list_instances)
        .service(pipelines::show_state)
        .service(files::list_files)
        .service(files::show_file)
        .service(control::retry_one_file)
        .service(why::explain_file)
        .service(list::list_groups)
        .service(list::list_letters)
        .service(export::export_csv)
        .service(export::export_ndjson)
        .service(settle::replay_letters)
        .service(settle::discard_letters)
        .service(settle::show_replay)
        .service(list::show_letter)
        .service(alerts::list_alerts)
        .service(events::list_events)
        .service(stream::open_stream)
        .service(tree::show_tree)
        .service(service::reload_service)
        .service(service::show_openapi);
}

/// The document.
pub fn document() -> OpenApi {
    let (_, mut document) = App::new()
        .into_utoipa_app()
        .configure(all)
        .split_for_parts();
    let mut info = Info::new("ingestd", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "What a service that loads CSV files into PostgreSQL does, and what it is to do. \
         Times are RFC 3339 in UTC, durations are in seconds, sizes in bytes. Errors are RFC 9457 \
         problem details."
            .to_owned(),
    );
    document.info = info;
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.insert("default".to_owned(), any_other_problem().into());
        }
    }
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, token);
    // Whether one is wanted is a matter of the configuration.
    let wanted = SecurityRequirement::new::<_, [&str; 0], &str>(TOKEN, []);
    document.security = Some(vec![SecurityRequirement::default(), wanted]);
    document
}

/// What each path may answer, too.
fn any_other_problem() -> Response {
    let body = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(
            "Any other problem: a request that can't be meant, or that may not be made, or a \
             database that does not answer.",
        )
        .content("application/problem+json", body)
        .build()
}

/// PURE: the methods that a path takes, by the document; none where there is no such path.
pub fn methods(document: &OpenApi, path: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (template, item) in &document.paths.paths {
        if fits(template, path) {
            found.extend(methods_of(item));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The methods of one path of the document.
pub fn methods_of(item: &PathItem) -> Vec<&'static str> {
    let all = [("GET", &item.get), ("POST", &item.post)];
    let there = all.into_iter().filter(|(_, operation)| operation.is_some());
    there.map(|(method, _)| method).collect()
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) => {
                let is_any = wanted.starts_with('{') && !given.is_empty();
                if !is_any && wanted != given {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_what_the_document_says() {
        let document = document();
        for (path, expected) in [
            ("/health/live", &["GET"][..]),
            ("/api/v1/pipelines", &["GET"]),
            ("/api/v1/pipelines/events", &["GET"]),
            ("/api/v1/pipelines/pause", &["GET", "POST"]),
            ("/api/v1/pipelines/events/pause", &["POST"]),
            ("/api/v1/files/17/retry", &["POST"]),
            ("/api/v1/files//retry", &[]),
            ("/api/v1/nothing", &[]),
            ("/", &[]),
        ] {
            assert_eq!(methods(&document, path), expected, "{path}");
        }
        assert!(document.paths.paths.len() >= 16);
    }
}
