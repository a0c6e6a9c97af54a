//! `[alert_sinks.NAME]`: whom alerts are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ureq::http::Uri;

use super::alerts::{AlertSink, Hidden, LOG_SINK, Secret, SinkKind, Webhook};
use super::check_pipeline::plain_name;
use super::problems::{Problems, Section};
use super::raw::RawAlertSink;
use super::service::{at_least, check_path, one_of};

const TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_FOR: Duration = Duration::from_secs(600);

/// The sinks by name, the log first.
pub(super) fn check(
    raw: BTreeMap<String, RawAlertSink>,
    data_dir: &Path,
    problems: &mut Problems<'_>,
) -> Vec<AlertSink> {
    let mut sinks = vec![AlertSink {
        name: LOG_SINK.to_owned(),
        kind: SinkKind::Log,
    }];
    for (name, sink) in raw {
        let path = format!("alert_sinks.{name}");
        if let Err(text) = plain_name(&name, "a sink's name") {
            problems.add(&path, text);
            continue;
        }
        let mut section = problems.at(path);
        let Some(kind) = check_sink(sink, data_dir, &mut section) else {
            continue;
        };
        if name != LOG_SINK {
            sinks.push(AlertSink { name, kind });
        } else if kind != SinkKind::Log {
            section.problem(
                "type",
                "the sink log is the service's own log; give this one another name",
            );
        }
    }
    sinks
}

fn check_sink(
    mut raw: RawAlertSink,
    data_dir: &Path,
    section: &mut Section<'_, '_>,
) -> Option<SinkKind> {
    let advice = "write \"webhook\", \"command\" or \"log\"";
    let kind = section.required("type", raw.kind.take(), advice)?;
    refuse_others(&kind, &raw, section);
    let timeout = section
        .converted("timeout", raw.timeout, |timeout| {
            at_least(timeout, Duration::from_millis(100))
        })
        .unwrap_or(TIMEOUT);
    match kind.as_str() {
        "log" => Some(SinkKind::Log),
        "command" => {
            let advice =
                "name the program and its arguments, as in [\"/usr/local/bin/page\", \"ops\"]";
            let command = section.required("command", raw.command, advice)?.0;
            if command
                .first()
                .is_none_or(|program| program.trim().is_empty())
            {
                section.problem("command", format!("is empty; {advice}"));
                return None;
            }
            if command.iter().any(|word| word.contains('\0')) {
                section.problem("command", "has a NUL, which no argument can hold");
                return None;
            }
            Some(SinkKind::Command { command, timeout })
        }
        "webhook" => {
            let advice = "write where to, as in \"https://example.com/hook\"";
            let both = raw.secret.is_some() && raw.secret_file.is_some();
            let url = section.required("url", raw.url, advice);
            let url = url.and_then(|url| match check_url(&url) {
                Ok(()) => Some(Hidden(url)),
                Err(text) => {
                    section.problem("url", text);
                    None
                }
            });
            let given = section.converted("secret", raw.secret, |secret| match secret.is_empty() {
                true => Err("is empty; leave it out".to_owned()),
                false => Ok(Secret::Given(Hidden(secret))),
            });
            let file = section.converted("secret_file", raw.secret_file, check_path);
            if both {
                section.problem("secret_file", "stands beside secret; write one of them");
            }
            let retry_for = section
                .optional("retry_for", raw.retry_for)
                .unwrap_or(RETRY_FOR);
            Some(SinkKind::Webhook(Webhook {
                url: url?,
                secret: given.or(file.map(|file| Secret::File(data_dir.join(file)))),
                timeout,
                retry_for,
            }))
        }
        other => {
            section.problem("type", one_of(other, &["webhook", "command", "log"]));
            None
        }
    }
}

fn refuse_others(kind: &str, raw: &RawAlertSink, section: &mut Section<'_, '_>) {
    let keys = [
        ("url", raw.url.is_some(), "webhook"),
        ("secret", raw.secret.is_some(), "webhook"),
        ("secret_file", raw.secret_file.is_some(), "webhook"),
        ("retry_for", raw.retry_for.is_some(), "webhook"),
        ("command", raw.command.is_some(), "command"),
    ];
    if !["webhook", "command", "log"].contains(&kind) {
        return;
    }
    for (key, _, of) in keys
        .iter()
        .filter(|(_, is_there, of)| *is_there && *of != kind)
    {
        section.problem(
            key,
            format!("is for type = {of:?}; leave it out, or change the type"),
        );
    }
}

/// Never says the URL: it may hold a token.
fn check_url(url: &str) -> Result<(), String> {
    const HOW: &str = "write it as \"https://example.com/hook\"";
    let uri: Uri = url.parse().map_err(|_| format!("is no URL; {HOW}"))?;
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return Err(format!(
            "begins neither with https:// nor with http://; {HOW}"
        ));
    }
    let Some(authority) = uri.authority().filter(|it| !it.host().is_empty()) else {
        return Err(format!("names no host; {HOW}"));
    };
    if authority.as_str().contains('@') {
        return Err("holds a user or a password; let a secret sign what is sent".to_owned());
    }
    Ok(())
}
