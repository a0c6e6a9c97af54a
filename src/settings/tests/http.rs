//! `[http]`: whether and where a service listens.

use super::*;

fn http(text: &str, pairs: &[(&str, &str)]) -> HttpSettings {
    let settings = load_with(text, pairs).unwrap_or_else(|error| panic!("{error}"));
    settings.service.http
}

#[test]
fn a_service_listens_where_it_is_told_to() {
    for (listen, expected) in [
        ("'127.0.0.1:9'", Some("127.0.0.1:9")),
        ("'localhost:9'", Some("127.0.0.1:9")),
        ("['0.0.0.0:0']", Some("0.0.0.0:0")),
        ("'[::1]:9'", Some("[::1]:9")),
        ("'off'", None),
    ] {
        let found = http(&format!("[http]\nlisten = {listen}"), &[]).listen;
        let found = found.map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{listen}");
    }
    assert_eq!(http("", &[]), HttpSettings::default());
    let by_variable = http(
        "[http]\nlisten = '127.0.0.1:9'",
        &[("INGESTD__HTTP__LISTEN", "off")],
    );
    assert_eq!(by_variable.listen, None);
}

#[test]
fn a_token_is_of_the_variable_or_of_a_file_and_is_not_shown() {
    let found = http(
        "[http]\ntoken_file = 'token'\ntls = { certificate = 'c.pem', key = '/k.pem' }",
        &[("INGESTD_HTTP_TOKEN", "s3cret")],
    );
    assert_eq!(found.token_file.as_deref(), Some(Path::new("/data/token")));
    let tls = found.tls.as_ref().expect("files");
    assert_eq!(tls.certificate, Path::new("/data/c.pem"));
    assert_eq!(tls.key, Path::new("/k.pem"));
    assert_eq!(found.token, Some(Hidden("s3cret".to_owned())));
    assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
    let said = refusal("[http]\ntoken = 's3cret'");
    assert!(
        !said.contains("s3cret") && said.contains("INGESTD_HTTP_TOKEN"),
        "{said}"
    );
}
