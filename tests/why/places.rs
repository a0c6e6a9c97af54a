//! Files that no service has seen, and files that nobody has to wait for any more.

use super::*;
use crate::support::database;

#[test]
fn a_file_that_is_not_a_pipelines_or_not_ready_says_what_it_lacks() {
    let database = database();
    let home = home(&database, "done_marker = \".done\"");
    assert!(home.ask(&["migrate"]).status.success());
    let inbox = home.directory("inbox/one");
    let at = |name: &str| {
        let path = inbox.join(name);
        std::fs::write(&path, "id,note\n1,a\n").expect("written");
        path.display().to_string()
    };
    let outside = home.data().join("o.csv");
    std::fs::write(&outside, "id\n").expect("written");
    let outside = why(&home, &outside.display().to_string());
    assert_eq!(outside["stage"], "outside_inboxes");
    assert!(
        text(&outside, "advice").contains("inbox/one"),
        "{outside:#}"
    );
    for (name, stage, word) in [
        ("a.txt", "not_matched", "*.csv"),
        (".a.csv", "unfinished_name", "dot"),
        ("a.csv.part", "unfinished_name", ".part"),
        ("a.csv", "waiting_for_marker", "a.csv.done"),
    ] {
        let found = why(&home, &at(name));
        assert_eq!(found["stage"], stage, "{found:#}");
        says(&found, &[word]);
    }
    at("a.csv.done");
    let ready = why(&home, "a.csv");
    assert_eq!(ready["stage"], "no_service", "{ready:#}");
    assert_eq!(ready["pipeline"], "one");

    let nobody = home.ask(&["why", "/nowhere/at/all.csv"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(said.contains("nobody knows a file"), "{said}");
    let nobody = home.ask(&["why", "4711"]);
    assert_eq!(nobody.status.code(), Some(1));
}

#[test]
fn a_file_that_settles_says_for_how_long_and_a_pipeline_elsewhere_who_has_it() {
    let database = database();
    let home = home(&database, "");
    home.replace("settle = \"10ms\"", "settle = \"1h\"");
    let service = home.run();
    let mut client = database.client();
    wait_until_ready(&mut client);
    let path = home.directory("inbox/one").join("a.csv");
    // Written where it stands, by a writer that has not closed it.
    let writer = std::fs::File::create(&path).expect("a file");
    let path = path.display().to_string();
    let found = why(&home, &path);
    assert_eq!(found["stage"], "settling", "{found:#}");
    let left = found["estimate_seconds"].as_f64().expect("an estimate");
    assert!((3_000.0..=3_600.0).contains(&left), "{left}");
    drop(writer);
    service.stop();

    // As an instance on another machine would stand in the ledger.
    home.replace("settle = \"1h\"", "settle = \"1ms\"");
    client
        .batch_execute(
            "insert into ingestd.instances (instance, pipeline, host, process, shares, expires)
             values (gen_random_uuid(), 'one', 'elsewhere', 42, false, now() + interval '1 hour')",
        )
        .expect("an instance");
    let found = wait_for_stage(&home, &path, "leased_elsewhere");
    says(&found, &["process 42 on host elsewhere"]);
}

#[test]
fn finished_files_say_how_they_ended() {
    let database = database();
    let home = home(&database, "max_errors = 0\narchive_collision = \"fail\"");
    let service = home.run();
    let mut client = database.client();
    wait_until_ready(&mut client);

    let first = drop_rows(&home, "a.csv", 3);
    let found = wait_for_stage(&home, &first, "archived");
    says(&found, &["archive/one/a.csv"]);
    let number = found["file"].to_string();
    assert_eq!(why(&home, &number)["stage"], "archived");
    assert_eq!(
        why(&home, "a.csv")["file"],
        found["file"],
        "by its name alone"
    );

    let inbox = home.directory("inbox/one");
    let text_of = std::fs::read(home.data().join("archive/one/a.csv")).expect("archived");
    drop_file(&inbox, "b.csv", text_of);
    let found = wait_for_stage(&home, "b.csv", "skipped_as_duplicate");
    says(&found, &[&format!("file {number} ("), "a.csv"]);
    // To do what it advised doubled the rows, and it did not say so.
    let twice = format!("3 rows of file {number} are in the table already");
    let advice = text(&found, "advice");
    assert!(advice.contains(&twice), "{advice}");

    drop_file(&inbox, "over.csv", "id,note\n1,a\nx,b\n");
    let found = wait_for_stage(&home, "over.csv", "over_budget");
    assert!(
        text(&found, "advice").contains("ingestd retry"),
        "{found:#}"
    );
    drop_file(&inbox, "header.csv", "id,other\n1,a\n");
    let found = wait_for_stage(&home, "header.csv", "quarantined");
    says(&found, &["other"]);

    // Other content under a name that the archive has.
    drop_file(&inbox, "a.csv", "id,note\n7,new\n");
    // Before that it is about to leave, which is the same stage.
    let found = wait_for(&home, &first, |answer| {
        let because = answer["because"].as_str();
        because.is_some_and(|it| it.contains("tried again at"))
    });
    assert_eq!(found["stage"], "not_archived");
    says(&found, &["all of it is loaded"]);
    service.stop();

    home.replace("archive_collision = \"fail\"", "archive = false");
    let service = home.run();
    let stays = drop_rows(&home, "stays.csv", 2);
    let found = wait_for_stage(&home, &stays, "loaded");
    says(&found, &["stays in the inbox"]);
    service.stop();
}
