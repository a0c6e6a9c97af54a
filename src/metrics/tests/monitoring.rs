//! What `docker/` and docs/metrics.md say of the metrics, against the metrics.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use regex::Regex;

use super::counted::MIXED;
use super::running::with_service;

const PAGE: &str = include_str!("../../../docs/metrics.md");
const RULES: &str = include_str!("../../../docker/alerts.yml");
const RULE_TESTS: &str = include_str!("../../../docker/alerts.test.yml");
const DASHBOARD: &str = include_str!("../../../docker/grafana/dashboards/ingestd.json");

/// A scrape of a service that has done something, with all that there is.
fn scrape() -> &'static str {
    static SCRAPE: OnceLock<String> = OnceLock::new();
    SCRAPE.get_or_init(|| {
        let mut text = String::new();
        with_service("", async |service| {
            service.drop_file("mixed.csv", MIXED);
            service.until_archived(1).await;
            let files = "ingestd_files{pipeline=\"events\",state=\"ARCHIVED\"}";
            service.until(files, |files| files == 1.0).await;
            text = service.metrics.scrape().await;
        });
        text
    })
}

/// The names of the metrics that are exported: a histogram has one.
fn exported() -> BTreeSet<&'static str> {
    let types = scrape()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

/// The metrics that a text names, without what a histogram adds to its name.
fn named(text: &str) -> BTreeSet<String> {
    let names = Regex::new(r"\b(?:ingestd|process)_[a-z_]+\b").expect("a pattern");
    let found = names.find_iter(text).map(|found| {
        let name = found.as_str();
        let histogram = ["_bucket", "_sum", "_count"].iter();
        let mut whole = histogram.filter_map(|part| name.strip_suffix(part));
        let whole = whole.find(|whole| exported().contains(whole));
        whole.unwrap_or(name).to_owned()
    });
    found.collect()
}

fn docker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker")
}

fn promtool(arguments: &[&str], input: &str) -> String {
    let child = Command::new("promtool")
        .args(arguments)
        .current_dir(docker())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool, of Debian's package prometheus: .ci/setup tests");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("its end");
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    let said = said.concat();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn promtool_has_nothing_to_complain_of_in_a_scrape() {
    assert_eq!(promtool(&["check", "metrics"], scrape()), "");
}

#[test]
fn the_rules_are_rules_and_fire_where_they_have_to() {
    promtool(&["check", "rules", "alerts.yml"], "");
    promtool(&["test", "rules", "alerts.test.yml"], "");
}

#[test]
fn prometheus_takes_its_configuration() {
    let text = include_str!("../../../docker/prometheus.yml");
    let place = tempfile::tempdir().expect("a directory");
    let token = place.path().join("token");
    std::fs::write(&token, "secret").expect("written");
    let token = token.to_str().expect("a path");
    let text = text.replace("/run/secrets/ingestd_http_token", token);
    std::fs::write(place.path().join("prometheus.yml"), text).expect("written");
    std::fs::write(place.path().join("alerts.yml"), RULES).expect("written");
    let config = place.path().join("prometheus.yml");
    promtool(&["check", "config", config.to_str().expect("a path")], "");
}

#[test]
fn each_alert_is_tested_and_explained() {
    let alerts: BTreeSet<&str> = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 10, "{alerts:?}");
    let tested: BTreeSet<&str> = RULE_TESTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alertname: "))
        .collect();
    assert_eq!(alerts, tested);
    let cells = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `Ingestd"));
    let explained: BTreeSet<String> = cells
        .filter_map(|rest| Some(format!("Ingestd{}", rest.split_once('`')?.0)))
        .collect();
    let alerts: BTreeSet<String> = alerts.into_iter().map(str::to_owned).collect();
    assert_eq!(alerts, explained);
}

#[test]
fn every_metric_is_on_the_page_and_no_other() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows
        .filter_map(|row| Some(row.split_once('`')?.0))
        .filter(|name| !name.starts_with("Ingestd"))
        .collect();
    assert_eq!(listed, exported());
    let types = scrape()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    for line in types {
        let (name, kind) = line.split_once(' ').expect("a type");
        let row = format!("| `{name}` | {kind} |");
        assert!(PAGE.contains(&row), "docs/metrics.md lacks {row:?}");
    }
}

#[test]
fn rules_and_dashboard_name_what_there_is() {
    let json: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = json["panels"].as_array().expect("panels");
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| target["expr"].as_str().expect("an expression"))
        .collect();
    assert!(expressions.len() >= panels.len() && panels.len() > 20);
    let variables = json["templating"]["list"].as_array().expect("variables");
    let queries = variables
        .iter()
        .map(|it| it["definition"].as_str().expect("a query"));
    let shown = expressions.iter().copied().chain(queries);
    let shown = shown.collect::<Vec<_>>().join("\n");
    for text in [RULES, RULE_TESTS, &shown, PAGE] {
        for name in named(text) {
            assert!(
                exported().contains(name.as_str()),
                "there is no metric {name}"
            );
        }
    }
    // Whoever looks at the board sees all of it that is ours.
    let shown = named(&shown);
    for name in exported() {
        let apart = [
            "process_virtual_memory_bytes",
            "process_threads",
            "process_start_time_seconds",
        ];
        assert!(
            shown.contains(name) || apart.contains(&name),
            "{name} is not shown"
        );
    }
}

#[test]
fn the_dashboards_queries_are_queries() {
    let json: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    let panels = json["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|it| it["targets"].as_array().expect("targets"));
    for (number, target) in targets.enumerate() {
        let query = target["expr"].as_str().expect("an expression");
        let query = query
            .replace("$__rate_interval", "1m")
            .replace("$instance", ".*");
        let query = query.replace("$pipeline", ".*");
        let query = serde_json::to_string(&query).expect("text");
        rules.push_str(&format!(
            "      - record: shown:{number}\n        expr: {query}\n"
        ));
    }
    let place = tempfile::tempdir().expect("a directory");
    let path = place.path().join("rules.yml");
    std::fs::write(&path, rules).expect("written");
    promtool(&["check", "rules", path.to_str().expect("a path")], "");
}
