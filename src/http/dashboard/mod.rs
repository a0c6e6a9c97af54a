//! The page: what an operator wants at a glance, on top of the API and nothing else.
//!
//! Its files are part of the program, and nothing of it comes from elsewhere. The policy that it is sent
//! with lets it run its own scripts and ask this service, and nothing more: no text of a CSV can become
//! anything but text, even where a script had a fault. All files but the page itself have the digest of
//! them all in their paths, so that browsers keep them for good, and a new program's page gets new ones.

mod assets;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName,
    IF_NONE_MATCH, REFERRER_POLICY, VARY,
};
use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError};

use super::problem::Problem;
use assets::{Asset, Assets};

/// What the page may do. Trusted types make every way from text to markup an error, but for those of
/// policies, of which none is allowed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// Its own paths.
pub fn routes(config: &mut ServiceConfig) {
    let other = || web::to(|request: HttpRequest| async move { wrong_method(&request) });
    config
        .service(web::resource("/").get(show_page).default_service(other()))
        .service(
            web::resource("/assets/{digest}/{name}")
                .get(show_asset)
                .default_service(other()),
        );
}

/// Whether there is nothing behind a path that a stranger may not see: the page itself and what it is
/// drawn with. All that it shows it asks the API for.
pub fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/assets/")
}

async fn show_page(request: HttpRequest) -> HttpResponse {
    let page = &Assets::get().page;
    let mut response = HttpResponse::Ok();
    // Asked for anew each time, and sent anew where it is another one.
    response.insert_header((CACHE_CONTROL, "no-cache"));
    send(&request, response, page)
}

async fn show_asset(request: HttpRequest, path: Path<(String, String)>) -> HttpResponse {
    let (digest, name) = path.into_inner();
    let assets = Assets::get();
    let found = assets.find(&name).filter(|_| digest == assets.digest);
    let Some(asset) = found else {
        return Problem::no_such_path(request.path()).error_response();
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"));
    send(&request, response, asset)
}

fn send(request: &HttpRequest, mut response: HttpResponseBuilder, asset: &Asset) -> HttpResponse {
    let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
    response
        .content_type(asset.kind)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ))
        .insert_header((
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((ETAG, asset.etag.as_str()));
    if header(IF_NONE_MATCH).is_some_and(|known| is_known(known, &asset.etag)) {
        return response
            .status(actix_web::http::StatusCode::NOT_MODIFIED)
            .finish();
    }
    match &asset.gzip {
        Some(gzip) if header(ACCEPT_ENCODING).is_some_and(takes_gzip) => {
            response.insert_header((CONTENT_ENCODING, "gzip"));
            response.body(gzip.clone())
        }
        _ => response.body(asset.plain.clone()),
    }
}

fn wrong_method(request: &HttpRequest) -> HttpResponse {
    let problem = Problem::wrong_method(request.method().as_str(), request.path(), "GET");
    problem.error_response()
}

/// PURE: whether a browser has it already.
fn is_known(known: &str, etag: &str) -> bool {
    let mut known = known.split(',').map(str::trim);
    known.any(|known| {
        known == "*" || known.trim_start_matches("W/") == etag.trim_start_matches("W/")
    })
}

/// PURE: whether `Accept-Encoding` has gzip, and does not refuse it.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("gzip"));
        let refused = parts
            .filter_map(|it| it.strip_prefix("q="))
            .any(|weight| weight.parse() == Ok(0.0));
        is_gzip && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_goes_to_those_who_take_it() {
        for (accepted, expected) in [
            ("gzip, deflate, br", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("br", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        for (known, expected) in [
            ("W/\"a\"", true),
            ("\"x\", W/\"a\"", true),
            ("\"a\"", true),
            ("*", true),
            ("\"b\"", false),
        ] {
            assert_eq!(is_known(known, "W/\"a\""), expected, "{known}");
        }
    }

    #[test]
    fn the_page_and_its_files_are_open_and_nothing_else_is() {
        for (path, expected) in [
            ("/", true),
            ("/assets/0/main.js", true),
            ("/api/v1/state", false),
            ("/metrics", false),
            ("/assetsx", false),
            ("", false),
        ] {
            assert_eq!(is_page(path), expected, "{path}");
        }
    }
}
