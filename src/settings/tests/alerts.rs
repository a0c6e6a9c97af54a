//! What is watched, and whom it is told.

use super::*;

fn rules(text: &str) -> Vec<AlertRule> {
    load(&with(text)).alerts.rules
}

fn rule(text: &str) -> AlertRule {
    let text = format!("[alerting]\ndefaults = false\n[alerts.one]\n{text}");
    let mut rules = rules(&text);
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

#[test]
fn the_built_in_rules_tell_the_log_and_can_be_replaced_or_switched_off() {
    let settings = load(SMALL);
    let named = |rules: &[AlertRule]| -> Vec<String> {
        rules.iter().map(|rule| rule.name.clone()).collect()
    };
    assert_eq!(
        named(&settings.alerts.rules),
        [
            "lag",
            "error_ratio",
            "batch_failing",
            "file_quarantined",
            "database_unreachable",
            "disk_nearly_full"
        ]
    );
    for rule in &settings.alerts.rules {
        assert_eq!(rule.name, rule.condition.word());
        assert_eq!(rule.sinks, ["log"]);
        let expected: &[&str] = match rule.condition.is_of_pipelines() {
            true => &["events"],
            false => &[],
        };
        assert_eq!(rule.pipelines, expected);
        assert!(rule.built_in && rule.repeat.is_none());
    }
    assert_eq!(settings.alerts.interval, Duration::from_secs(5));
    assert_eq!(settings.alerts.quiet_start, Duration::from_secs(30));
    assert!(rules("[alerting]\ndefaults = false").is_empty());
    let replaced = rules("[alerts.lag]\nwhen = 'lag'\nabove = '1h'");
    assert_eq!(replaced.len(), 6);
    let lag = replaced.iter().find(|rule| rule.name == "lag").unwrap();
    assert!(!lag.built_in);
    let hour = Duration::from_secs(3600);
    assert_eq!(
        lag.condition,
        Condition::Lag {
            above: hour,
            until: hour / 2
        }
    );
}

#[test]
fn every_rule_takes_its_bound_in_its_own_type() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    for (text, condition) in [
        (
            "when = 'lag'\nabove = '5min'\nuntil = '2min'",
            Condition::Lag {
                above: minutes(5),
                until: minutes(2),
            },
        ),
        (
            "when = 'error_ratio'\nabove = 0.01",
            Condition::ErrorRatio {
                above: 0.01,
                until: 0.005,
                over: minutes(5),
                min_records: 100,
            },
        ),
        (
            "when = 'error_ratio'\nabove = 0\nuntil = 0\nover = '1min'\nmin_records = 1",
            Condition::ErrorRatio {
                above: 0.0,
                until: 0.0,
                over: minutes(1),
                min_records: 1,
            },
        ),
        (
            "when = 'throughput'\nbelow = 1000",
            Condition::Throughput {
                below: 1000.0,
                until: 1250.0,
                over: minutes(1),
            },
        ),
        (
            "when = 'batch_failing'\nlonger_than = '10min'",
            Condition::BatchFailing {
                longer_than: minutes(10),
            },
        ),
        ("when = 'file_quarantined'", Condition::FileQuarantined),
        (
            "when = 'database_unreachable'\nlonger_than = '1min'",
            Condition::DatabaseUnreachable {
                longer_than: minutes(1),
            },
        ),
        (
            "when = 'disk_nearly_full'\nfree_below = '5%'\nuntil = '10%'",
            Condition::DiskNearlyFull {
                free_below: Free::Share(0.05),
                until: Free::Share(0.1),
            },
        ),
        (
            "when = 'disk_nearly_full'\nfree_below = '10GiB'",
            Condition::DiskNearlyFull {
                free_below: Free::Bytes(10 << 30),
                until: Free::Bytes(12 << 30),
            },
        ),
    ] {
        assert_eq!(rule(text).condition, condition, "{text}");
    }
    let timed = rule("when = 'lag'\nabove = '5min'\nfor = '1min'\nrepeat = '4h'");
    assert_eq!((timed.hold, timed.repeat), (minutes(1), Some(minutes(240))));
}

#[test]
fn pipelines_are_chosen_by_patterns_and_sinks_by_name() {
    let text = "[pipelines.orders-eu]\ndirectory = 'eu'\ntable = 'o'\n\
                [pipelines.orders-us]\ndirectory = 'us'\ntable = 'o'\n\
                [alert_sinks.ops]\ntype = 'webhook'\nurl = 'https://example.com/hook'\nsecret = 's3cret'\n\
                [alert_sinks.pager]\ntype = 'command'\ncommand = ['/bin/page', 'x']\ntimeout = '1s'\n\
                [alerts.late]\nwhen = 'lag'\nabove = '5min'\npipelines = ['orders-*']\nsinks = ['ops', 'log']\n";
    let alerts = load(&with(text)).alerts;
    let late = alerts.rules.last().unwrap();
    assert_eq!(late.pipelines, ["orders-eu", "orders-us"]);
    assert_eq!(late.sinks, ["ops", "log"]);
    assert_eq!(alerts.rules[0].sinks, ["log", "ops", "pager"]);
    assert!(
        !format!("{alerts:?}").contains("s3cret"),
        "nothing shows it"
    );
    assert!(
        !format!("{alerts:?}").contains("example.com"),
        "nor where to"
    );
    let SinkKind::Webhook(ops) = &alerts.sinks[1].kind else {
        panic!("{:?}", alerts.sinks[1]);
    };
    assert_eq!(ops.timeout, Duration::from_secs(10));
    assert_eq!(ops.retry_for, Duration::from_secs(600));
    let by_variable = load_with(
        &with("[alert_sinks.ops]\ntype = 'webhook'\nurl = 'https://example.com'\nsecret_file = 'hook'"),
        &[("INGESTD__ALERTS__LATE__WHEN", "file_quarantined")],
    )
    .unwrap();
    let SinkKind::Webhook(ops) = &by_variable.alerts.sinks[1].kind else {
        panic!("{:?}", by_variable.alerts.sinks);
    };
    assert_eq!(ops.secret, Some(Secret::File("/data/hook".into())));
    assert_eq!(by_variable.alerts.rules.last().unwrap().name, "late");
}

#[test]
fn what_is_wrong_says_what_would_be_right() {
    for (text, key, said) in [
        ("[alerts.x]", "alerts.x.when", "is missing"),
        (
            "[alerts.x]\nwhen = 'late'",
            "alerts.x.when",
            "\"lag\", \"error_ratio\"",
        ),
        ("[alerts.X]\nwhen = 'lag'", "alerts.X", "lower-case letters"),
        ("[alerts]\nx = 1", "alerts.x", "begin it with [alerts.x]"),
        ("[[alerts]]\nname = 'x'", "alerts", "begin it with [alerts]"),
        (
            "[alerts.x]\nwhen = 'lag'",
            "alerts.x.above",
            "as in \"5min\"",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nabove = 5",
            "alerts.x.above",
            "has no unit",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nbelow = 5\nabove = '1s'",
            "alerts.x.below",
            "write above = \"5min\"",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nabove = '5min'\nuntil = '6min'",
            "alerts.x.until",
            "while it still fires",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nabove = '5min'\nover = '6min'",
            "alerts.x.over",
            "leave it out",
        ),
        (
            "[alerts.x]\nwhen = 'error_ratio'\nabove = 1.5",
            "alerts.x.above",
            "a share of 1 such as 0.01",
        ),
        (
            "[alerts.x]\nwhen = 'error_ratio'\nabove = 'much'",
            "alerts.x.above",
            "not a number",
        ),
        (
            "[alerts.x]\nwhen = 'error_ratio'\nabove = -1",
            "alerts.x.above",
            "not a number from 0 on",
        ),
        (
            "[alerts.x]\nwhen = 'file_quarantined'\nabove = 1",
            "alerts.x.above",
            "leave it out",
        ),
        (
            "[alerts.x]\nwhen = 'disk_nearly_full'\nfree_below = '120%'",
            "alerts.x.free_below",
            "such as \"5%\"",
        ),
        (
            "[alerts.x]\nwhen = 'disk_nearly_full'\nfree_below = 5",
            "alerts.x.free_below",
            "has no unit",
        ),
        (
            "[alerts.x]\nwhen = 'disk_nearly_full'\nfree_below = '5%'\nuntil = '10GiB'",
            "alerts.x.until",
            "in the same unit",
        ),
        (
            "[alerts.x]\nwhen = 'batch_failing'\nlonger_than = '1s'\nuntil = '1s'",
            "alerts.x.until",
            "leave it out",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nabove = '1s'\npipelines = ['order*']",
            "alerts.x.pipelines",
            "there are events",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nabove = '1s'\nsinks = ['lok']",
            "alerts.x.sinks",
            "did you mean \"log\"",
        ),
        (
            "[alerts.x]\nwhen = 'lag'\nabove = '1s'\nsinks = []",
            "alerts.x.sinks",
            "nobody would hear",
        ),
        (
            "[alerts.x]\nwhen = 'database_unreachable'\nlonger_than = '1s'\npipelines = ['events']",
            "alerts.x.pipelines",
            "about the service",
        ),
        (
            "[alerting]\ninterval = '1ms'",
            "alerting.interval",
            "write \"100ms\" or more",
        ),
        (
            "[alerting]\ndefault = true",
            "alerting.default",
            "did you mean \"defaults\"",
        ),
        (
            "[alert_sinks.x]\ntype = 'mail'",
            "alert_sinks.x.type",
            "\"webhook\", \"command\", \"log\"",
        ),
        (
            "[alert_sinks.log]\ntype = 'command'\ncommand = ['x']",
            "alert_sinks.log.type",
            "another name",
        ),
        (
            "[alert_sinks.x]\ntype = 'webhook'",
            "alert_sinks.x.url",
            "is missing",
        ),
        (
            "[alert_sinks.x]\ntype = 'webhook'\nurl = 'example.com/tok3n'",
            "alert_sinks.x.url",
            "https://",
        ),
        (
            "[alert_sinks.x]\ntype = 'webhook'\nurl = 'https://me:tok3n@example.com'",
            "alert_sinks.x.url",
            "let a secret sign",
        ),
        (
            "[alert_sinks.x]\ntype = 'webhook'\nurl = 'https://e.com'\nsecret = 'a'\nsecret_file = 'b'",
            "alert_sinks.x.secret_file",
            "one of them",
        ),
        (
            "[alert_sinks.x]\ntype = 'webhook'\nurl = 'https://e.com'\ncommand = ['b']",
            "alert_sinks.x.command",
            "type = \"command\"",
        ),
        (
            "[alert_sinks.x]\ntype = 'command'\ncommand = []",
            "alert_sinks.x.command",
            "is empty",
        ),
    ] {
        let refused = refusal(&with(text));
        let line = refused
            .lines()
            .find(|line| line.contains(&format!(": {key}: ")));
        let line = line.unwrap_or_else(|| panic!("{text}: {refused}"));
        assert!(line.contains(said), "{text}: {line}");
        assert!(!refused.contains("tok3n"), "{refused}");
    }
}
