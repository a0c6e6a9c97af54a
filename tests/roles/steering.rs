//! Commands, proofs and second tries: each by the role that is meant for it.

use super::World;
use crate::support::home::{Home, drop_file, names_in};
use crate::support::{PATIENCE, wait_until};

const TABLE: &str = "
create table items (id bigint primary key, name text);
grant select, insert, update on items to ingestd_load;
";

const COMMANDS: [&str; 4] = ["pause", "resume", "drain", "rescan"];

/// A pipeline in a directory that two configurations may share.
fn home(world: &World, role: &str, first: Option<&Home>) -> Home {
    let url = world.url(role);
    let pipeline = "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\nkey = [\"id\"]\n\
                    settle = \"10ms\"\nscan_interval = \"50ms\"\nmax_errors = 0\n";
    let home = Home::new(Some(&url), "", pipeline);
    if let Some(first) = first {
        let (own, shared) = (home.data(), first.data());
        home.replace(
            own.to_str().expect("a plain path"),
            shared.to_str().expect("a plain path"),
        );
    }
    home
}

fn wait_for_state(world: &World, state: &str) {
    let query = format!(
        "select count(*) from ingestd.files where state = '{state}' and archived_at is not null"
    );
    let mut admin = world.server.client();
    wait_until(PATIENCE, || {
        let row = admin.query_one(&query, &[]);
        row.is_ok_and(|row| row.get::<_, i64>(0) == 1)
    });
}

#[test]
fn the_loading_role_steers_and_the_reading_role_does_not() {
    let world = World::with_roles();
    world.migrate("migrator");
    let mut admin = world.server.client();
    admin.batch_execute(TABLE).expect("a table");
    let home = home(&world, "loader", None);
    let inbox = home.directory("inbox");
    let service = home.run();
    drop_file(&inbox, "a.csv", "id,name\n1,a\n2,b\n");
    wait_for_state(&world, "ARCHIVED");

    for command in COMMANDS {
        let error = world
            .client("reader")
            .batch_execute(&format!("select ingestd.{command}('items')"))
            .expect_err(command);
        let code = error.code().map(|code| code.code());
        assert_eq!(code, Some("42501"), "{command}: {error}");
        let said = world.ask("reader", &[command, "items"]);
        assert_eq!(said.code, Some(2), "{command}: {}", said.err);
        assert!(
            said.err.contains("a member of ingestd_load"),
            "{}",
            said.err
        );
    }
    let untouched = "select wanted = 'running' and command = 0 and rescan = 0
                     from ingestd.pipelines where name = 'items'";
    let row = admin.query_one(untouched, &[]).expect("a pipeline");
    assert!(row.get::<_, bool>(0));

    for (command, hint) in COMMANDS.into_iter().zip([
        "items: paused",
        "items: running",
        "items: drained",
        "is drained",
    ]) {
        let said = world.ask("loader", &[command, "items"]);
        assert_eq!(said.code, Some(0), "{command}: {}", said.err);
        assert!(said.out.contains(hint), "{command}: {}", said.out);
    }
    for command in COMMANDS {
        world
            .client("Other Loader")
            .batch_execute(&format!("select ingestd.{command}()"))
            .expect(command);
    }

    for (command, hint) in [
        (&["audit", "--all"][..], "holds"),
        (&["files", "show", "1"], "ARCHIVED"),
        (&["status"], "drained"),
        (&["dead-letters", "list"], "no dead letters"),
    ] {
        let said = world.ask("reader", command);
        assert_eq!(said.code, Some(0), "{command:?}: {}", said.err);
        assert!(said.out.contains(hint), "{command:?}: {}", said.out);
    }
    service.stop();
}

#[test]
fn the_loading_role_checks_and_tries_again() {
    let world = World::with_roles();
    world.migrate("migrator");
    let mut admin = world.server.client();
    admin.batch_execute(TABLE).expect("a table");
    let own = home(&world, "loader", None);
    let reading = home(&world, "reader", Some(&own));
    let inbox = own.directory("inbox");
    let service = own.run();
    drop_file(&inbox, "a.csv", "id,name\n1,a\nx,b\n");
    wait_for_state(&world, "QUARANTINED");
    service.stop();

    let checked = own.ask(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{text}");
    let checked = reading.ask(&["check"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{text}");
    for hint in [
        "may not write the tables of the schema ingestd",
        "lacks INSERT",
    ] {
        assert!(text.contains(hint), "{hint}: {text}");
    }

    let note = own.data().join("quarantine/items/a.csv.reason");
    wait_until(PATIENCE, || note.exists());
    let refused = reading.ask(&["retry", "1"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("a member of ingestd_load"), "{text}");
    assert!(note.exists(), "nothing is touched by who may not");
    own.replace("max_errors = 0", "max_errors = 1");
    let said = own.ask(&["retry", "1"]);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(0), "{text}");
    let service = own.run();
    wait_for_state(&world, "ARCHIVED");
    service.stop();
    assert_eq!(names_in(&inbox), [""; 0]);
}
