//! What waits where the ledger does not know of it yet.

use serde_json::Value;

use super::*;
use crate::support::database;

/// The metrics said 1 file and 278 s; the API, the page and the alerts 0.
#[test]
fn a_pipeline_that_cant_begin_lags_behind_for_everybody() {
    let database = database();
    let alerts = "[alerting]\ndefaults = false\ninterval = \"100ms\"\nquiet_start = \"0s\"\n\
                  [alerts.late]\nwhen = \"lag\"\nabove = \"1s\"\nuntil = \"500ms\"\n";
    let home = home_with(&database, &["ghost"], alerts);
    let mut client = database.client();
    client
        .batch_execute("alter table ghost rename to elsewhere")
        .expect("renamed");
    let answering = start(&home);
    drop_rows(&home, "ghost", "g.csv", 0, 10);
    // The ledger knows it as soon as the service has begun with it.
    let path = "/api/v1/pipelines/ghost";
    wait_until(PATIENCE, || answering.api.get(path).status == 200);
    let mut now = Value::Null;
    wait_until(PATIENCE, || {
        now = answering.api.json(path);
        // What holds it up is noted apart.
        let late = now["lag_seconds"].as_f64().is_some_and(|lag| lag > 1.0);
        late && now["degraded"].is_string()
    });
    assert_eq!(now["backlog"]["files"], 1, "{now:#}");
    assert!(now["backlog"]["bytes"].as_u64() > Some(0), "{now:#}");
    assert_eq!(now["files"]["scheduled"], 0, "{now:#}");
    // Whoever has the pipeline alone is held up by what holds it up.
    let degraded = now["degraded"].as_str().expect("it is degraded");
    assert!(degraded.contains("ghost"), "{degraded}");
    assert_eq!(now["instances"][0]["held_up_by"], degraded, "{now:#}");
    let metrics = answering.api.get("/metrics").body;
    let files = "ingestd_backlog_files{pipeline=\"ghost\"} 1";
    assert!(metrics.contains(files), "{metrics}");
    let fired = "select count(*) from ingestd.firing_alerts
                 where alert = 'late' and text like '%g.csv'";
    wait_until(PATIENCE, || {
        let row = client.query_one(fired, &[]).expect("a count");
        row.get::<_, i64>(0) == 1
    });

    client
        .batch_execute("alter table elsewhere rename to ghost")
        .expect("renamed");
    wait_for_archived(&mut client, 1);
    wait_until(PATIENCE, || {
        let now = answering.api.json(path);
        now["backlog"]["files"] == 0 && now["lag_seconds"] == 0.0
    });
    answering.service.stop();
}
