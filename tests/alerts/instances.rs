//! Several services on one database.

use super::*;
use crate::support::{Scratch, database};

/// Two homes that share an inbox.
fn two(url: &str, client: &mut Client, place: &Scratch, keys: &str) -> [Home; 2] {
    let inbox = place.path().join("inbox");
    std::fs::create_dir_all(&inbox).expect("a directory");
    make(client, "items");
    let text = format!(
        "{SOON}{BAD}[alerts.disk]\nwhen = \"disk_nearly_full\"\nfree_below = \"1B\"\n\
         [pipelines.items]\ndirectory = \"{}\"\ntable = \"items\"\nsettle = \"10ms\"\nquarantine = false\narchive = false\n{keys}\n",
        inbox.display()
    );
    [(); 2].map(|()| Home::new(Some(url), "lease = \"2s\"", &text))
}

fn one_tells_and_the_other_takes_over(keys: &str) {
    let (database, place) = (database(), Scratch::new());
    let mut client = database.client();
    let homes = two(&database.url, &mut client, &place, keys);
    let first = homes[0].run();
    let living = "select count(*) from ingestd.live_services";
    wait_for(&mut client, living, 1);
    let second = homes[1].run();
    wait_for(&mut client, living, 2);
    drop_file(&place.path().join("inbox"), "bad.csv", BAD_FILE);
    wait_until_told(&homes[0], "bad", &["firing"]);
    wait_until(PATIENCE, || notified(&mut client) == 1);
    wait_for_looks(&mut client, 10);
    assert_eq!(words(&homes[1], "bad"), [""; 0], "one of them tells");
    assert_eq!(firing(&mut client), 1);
    first.kill();
    wait_for(&mut client, living, 1);
    wait_for_looks(&mut client, 10);
    assert_eq!(words(&homes[1], "bad"), [""; 0], "it was told before");
    mend(&mut client);
    wait_until_told(&homes[1], "bad", &["resolved"]);
    assert_eq!(words(&homes[0], "bad"), ["firing"]);
    assert_eq!(firing(&mut client), 0);
    assert_eq!(
        events(&mut client, "bad"),
        ["alert.fired", "alert.resolved"]
    );
    second.stop();
}

#[test]
fn the_one_that_holds_the_lease_tells_and_the_next_takes_over() {
    one_tells_and_the_other_takes_over("key = [\"id\"]\nmode = \"ignore\"");
}

#[test]
fn of_those_that_share_a_pipeline_the_oldest_tells_and_the_next_takes_over() {
    one_tells_and_the_other_takes_over("");
}

#[test]
fn what_nobody_looks_after_any_more_ends_after_an_hour() {
    let database = database();
    let mut client = database.client();
    let home = home(&database.url, &mut client, BAD);
    let first = home.run();
    wait_until(PATIENCE, || {
        client.batch_execute("select from ingestd.alerts").is_ok()
    });
    first.stop();
    let rows = "insert into ingestd.alerts (alert_id, alert, rule, pipeline, host, since, fired_at, notified_at,
                    threshold, unit, text, look_at, by_host, by_process, origin)
                select gen_random_uuid(), name, 'disk_nearly_full', '', 'gone', at, at, at,
                       1, 'ratio', 'it is full', 'df -h', 'gone', 1, 'gone:/data'
                from (values ('old', clock_timestamp() - interval '2 hours'),
                             ('new', clock_timestamp() - interval '10 minutes')) as v (name, at)";
    client.batch_execute(rows).expect("inserted");
    let service = home.run();
    wait_until_told(&home, "old", &["resolved"]);
    wait_for_looks(&mut client, 5);
    let left: String = client
        .query_one("select alert from ingestd.firing_alerts", &[])
        .expect("one")
        .get(0);
    assert_eq!((left.as_str(), words(&home, "new").len()), ("new", 0));
    assert_eq!(events(&mut client, "old"), ["alert.resolved"]);
    service.stop();
}
