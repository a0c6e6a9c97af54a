//! What is due by time, also while nobody runs.

use super::*;

#[test]
fn files_are_deleted_and_forgotten_when_their_time_has_come() {
    let mut depot = Depot::new(&[
        ("deletes", "finished = \"delete\"\ndelete_after = \"1s\""),
        (
            "forgets",
            "archive_dates = \"%Y/%m/%d\"\narchive_retention = \"1s\"\nquarantine_retention = \"1s\"",
        ),
    ]);
    depot.start();
    depot.drop_file("deletes", "a.csv", &csv([1]));
    depot.drop_file("forgets", "a.csv", &csv([1]));
    depot.drop_file("forgets", "bad.csv", "nonsense\n1\n");
    depot.wait_until_said("deletes", "a.csv", "ARCHIVED", "deleted");
    depot.wait_for(
        "select count(*) filter (where archive_removed_at is not null) = 2
         from ingestd.files where pipeline = 'forgets'",
    );
    assert_eq!(names_in(&depot.inbox("deletes")), [""; 0]);
    assert_eq!(names_in(&depot.home.directory("archive/forgets")), [""; 0]);
    assert_eq!(
        names_in(&depot.home.directory("quarantine/forgets")),
        [""; 0]
    );
    assert_eq!(depot.ids("deletes"), [1]);
    let waited = "select min(archived_at - committed_at) >= '1 second'
                  from ingestd.files where pipeline = 'deletes'";
    assert!(
        depot
            .client
            .query_one(waited, &[])
            .expect("a row")
            .get::<_, bool>(0)
    );
    depot.stop();
}

#[test]
fn what_was_due_while_nobody_ran_is_done_after_the_start_but_not_while_paused() {
    let mut depot = Depot::new(&[
        ("deletes", "finished = \"delete\"\ndelete_after = \"7d\""),
        ("forgets", "archive_retention = \"7d\""),
    ]);
    depot.start();
    for name in ["a", "b", "changed"] {
        let id = name.len() as i64 + i64::from(name.as_bytes()[0]);
        depot.drop_file("deletes", &format!("{name}.csv"), &csv([id]));
        depot.drop_file("forgets", &format!("{name}.csv"), &csv([id]));
    }
    depot.wait_for(
        "select count(*) = 6 from ingestd.files
         where state = case pipeline when 'deletes' then 'COMMITTED' else 'ARCHIVED' end",
    );
    depot.service.take().expect("it runs").kill();
    let archive = depot.home.directory("archive/forgets");
    assert_eq!(names_in(&depot.inbox("deletes")).len(), 3);
    // Both change what nobody may take away then: by adding to it, and by putting another in its place.
    let changed = depot.inbox("deletes").join("changed.csv");
    let mut grown = read(&changed);
    grown.push_str("7777\n");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&changed)
        .expect("there");
    std::io::Write::write_all(&mut &file, grown.as_bytes()).expect("written");
    fs::write(archive.join("changed.csv"), "somebody's").expect("written");
    depot.age(24 * 8);
    let paused = "select ingestd.pause()";
    depot.client.execute(paused, &[]).expect("paused");
    depot.start();
    let obeyed = "select count(*) = 2 from ingestd.live_services
                  join ingestd.service_pipelines using (service) where state = 'paused'";
    depot.wait_for(obeyed);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(names_in(&depot.inbox("deletes")).len(), 3, "it is paused");
    assert_eq!(names_in(&archive).len(), 3);
    depot.service.take().expect("it runs").kill();
    depot
        .client
        .execute("select ingestd.resume()", &[])
        .expect("on");

    depot.start();
    wait_until(PATIENCE, || names_in(&archive) == ["changed.csv"]);
    wait_until(PATIENCE, || {
        names_in(&changed.with_file_name("")) == ["changed.csv"]
    });
    depot.wait_for("select count(*) = 1 from numbers where id = 7777");
    assert_eq!(read(&changed), grown);
    assert_eq!(read(&archive.join("changed.csv")), "somebody's");
    let every = "select max(times) = 1 from (select count(*) as times from numbers
                 group by pipeline, id) n";
    assert!(
        depot
            .client
            .query_one(every, &[])
            .expect("a row")
            .get::<_, bool>(0),
        "no row twice"
    );
    depot.stop();
}
