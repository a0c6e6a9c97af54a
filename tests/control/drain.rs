//! A drained pipeline has let go: whatever was in flight is committed, and others may take it.

use super::*;
use crate::support::database;
use crate::support::scene::{Scene, Watcher};

#[test]
fn another_instance_takes_a_drained_pipeline_over() {
    let database = database();
    // With a key, so that one loads and the other waits.
    let scene = Scene::small_batches(Some(&database.url), true, 2, 30_000);
    let mut watcher = Watcher::new(&database.url);
    let first = scene.home.run();
    watcher.wait_for(|now| now.records > 1_000);
    let second = scene.home.run();
    wait_until_said(&scene.home, "pipeline ecommerce is loaded by", 1);
    let output = scene.home.ask(&["drain", "ecommerce"]);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        out.starts_with("ecommerce: drained by 2 services; "),
        "{output:?}"
    );
    let mut client = database.client();
    assert_eq!(lease(&mut client, "ecommerce"), None, "nobody has it");
    // Nothing half: of what was read, each lane has committed all.
    let halves = "select count(*) from ingestd.file_status s join ingestd.files f using (file_id)
                  where f.state = 'READING'
                    and f.watermark_record <> s.inserted + s.updated + s.unchanged + s.duplicate
                                              + s.rejected + s.filtered";
    assert_eq!(count(&mut client, halves), 0);
    let before = watcher.wait_for(|_| true);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(watcher.wait_for(|_| true), before, "and nobody loads");
    assert_eq!(status(&scene.home, "ecommerce")["state"], "drained");

    // The one that had it goes on running for its other work; it is told to leave this alone by
    // ending here. A restart changes nothing.
    first.stop();
    let third = scene.home.run();
    wait_until_said(&scene.home, "service is ready", 3);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(watcher.wait_for(|_| true), before);
    third.stop();

    let output = scene.home.ask(&["resume"]);
    assert!(output.status.success(), "{output:?}");
    watcher.wait_for(|now| now.is_all());
    scene.assert_exactly_once(&database.url);
    second.stop();
}

#[test]
fn load_refuses_what_is_paused() {
    let database = database();
    let home = home(&database, &["one"]);
    assert!(home.ask(&["migrate"]).status.success());
    home.ask(&["drain"]);
    let file = home.data().join("a.csv");
    std::fs::write(&file, "id,note\n1,a\n").expect("written");
    let path = file.to_str().expect("UTF-8");
    let output = home.ask(&["load", path, "--pipeline", "one"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("pipeline one is drained by"), "{said}");
    home.ask(&["resume"]);
    let output = home.ask(&["load", path, "--pipeline", "one"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
