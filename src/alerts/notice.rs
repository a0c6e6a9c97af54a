//! What is known of an alert, and what is told of it: one JSON shape, `docs/alerts.md` has it.

use std::time::SystemTime;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The version of the shape. A new field does not raise it.
pub const VERSION: u32 = 1;

/// An alert that fires, or has. Times are in RFC 3339, UTC.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Alert {
    /// This one time that it has fired.
    pub id: String,
    /// The rule's name.
    pub alert: String,
    /// What the rule looks at: `lag`, `error_ratio` and so on.
    pub rule: String,
    /// The pipeline, where it is about one.
    pub pipeline: Option<String>,
    /// The host, where it is about one.
    pub host: Option<String>,
    /// Which of several, where there may be: the disk, the service.
    pub subject: Option<String>,
    /// Since when it has been so.
    pub since: String,
    /// When it fired.
    pub fired_at: String,
    /// When it ended.
    pub resolved_at: Option<String>,
    /// When the sinks were done with the last change.
    pub notified_at: Option<String>,
    /// What was read last.
    pub value: Option<f64>,
    /// What was too much.
    pub threshold: f64,
    /// What value and threshold are: `seconds`, `ratio`, `records_per_second`, `files`, `bytes`.
    pub unit: String,
    /// In words.
    pub text: String,
    /// The command that shows more.
    pub look_at: String,
}

/// Why something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It fires.
    Firing,
    /// It has ended.
    Resolved,
    /// Somebody tries the sinks.
    Test,
}

impl Status {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Status::Firing => "firing",
            Status::Resolved => "resolved",
            Status::Test => "test",
        }
    }
}

/// What a sink is told.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// See [`VERSION`].
    pub version: u32,
    /// Why.
    pub status: Status,
    /// Whether this was told before: it fires still, more has come, or whoever told it has died.
    pub repeated: bool,
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
}

impl Notice {
    /// A notice of an alert.
    pub fn new(status: Status, repeated: bool, alert: Alert) -> Notice {
        Notice {
            version: VERSION,
            status,
            repeated,
            alert,
        }
    }

    /// One that only tries a sink.
    pub fn test(sink: &str) -> Notice {
        let now = time(SystemTime::now());
        let alert = Alert {
            id: Uuid::new_v4().to_string(),
            alert: "test".to_owned(),
            rule: "test".to_owned(),
            pipeline: None,
            host: Some(host()),
            subject: Some(sink.to_owned()),
            since: now.clone(),
            fired_at: now,
            resolved_at: None,
            notified_at: None,
            value: None,
            threshold: 0.0,
            unit: "files".to_owned(),
            text: format!("somebody tries the sink {sink}: nothing is wrong"),
            look_at: "ingestd alerts".to_owned(),
        };
        Notice::new(Status::Test, false, alert)
    }

    /// As it is sent.
    pub fn json(&self) -> String {
        // There is nothing in it that can't be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A time as it is told.
pub fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// The name of this host.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_one_that_the_page_has() {
        let page = include_str!("../../docs/alerts.md");
        let (_, rest) = page.split_once("```json\n").expect("an example");
        let (example, _) = rest.split_once("```").expect("its end");
        let example: serde_json::Value = serde_json::from_str(example).expect("JSON");
        let told: serde_json::Value =
            serde_json::from_str(&Notice::test("ops").json()).expect("JSON");
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(keys(&told), keys(&example));
        assert_eq!(told["version"], example["version"]);
        assert_eq!(told["status"], "test");
    }
}
