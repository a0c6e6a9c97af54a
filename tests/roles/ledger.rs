//! Migrating, loading and reading, each by its role alone.

use std::time::Duration;

use crate::support::home::{Home, drop_file, names_in};
use crate::support::{OwnServer, Scratch, wait_until};

use super::World;

const TABLE: &str = "
create table items (id bigint primary key, name text, amount integer check (amount >= 0));
grant select, insert, update, delete on items to ingestd_load;
";

const PIPELINE: &str = "
[pipelines.items]
directory = \"inbox\"
table = \"items\"
key = \"id\"
delete_when = { field = \"op\", values = [\"D\"] }
columns = [{ name = \"id\" }, { name = \"name\" }, { name = \"amount\" }]
";

#[test]
fn the_loading_role_loads_and_the_reading_role_reads() {
    let world = World::with_roles();
    world.migrate("migrator");
    world.server.client().batch_execute(TABLE).expect("a table");
    let home = Home::new(Some(&world.url("loader")), "", PIPELINE);
    let inbox = home.directory("inbox");
    let service = home.run();
    let archived = |count| {
        wait_until(Duration::from_secs(60), || {
            names_in(&home.directory("archive/items")).len() == count
        });
    };
    drop_file(
        &inbox,
        "1.csv",
        "id,name,amount,op\n1,a,1,\n2,b,2,\n3,c,-3,\nx,d,4,\n",
    );
    archived(1);
    drop_file(
        &inbox,
        "2.csv",
        "id,name,amount,op\n1,z,9,\n2,,,D\n4,e,5,\n",
    );
    archived(2);
    let query = "select string_agg(concat_ws(' ', id, name, amount), ', ' order by id) from items";
    let row = world.server.client().query_one(query, &[]).expect("a row");
    assert_eq!(row.get::<_, &str>(0), "1 z 9, 4 e 5");

    for (command, hint) in [
        (&["status"][..], "running"),
        (&["files"], "ARCHIVED"),
        (&["dead-letters", "list"], "items_amount_check"),
        (&["migrate"], "up to date"),
    ] {
        let said = world.ask("reader", command);
        assert_eq!(said.code, Some(0), "{command:?}: {}", said.err);
        assert!(said.out.contains(hint), "{command:?}: {}", said.out);
    }
    service.stop();
    let said = world.ask("reader", &["reset", "items", "--yes"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("permission denied"), "{}", said.err);

    // The script may be run again at any time, and changes nothing.
    world.run_script();
    let said = world.ask("loader", &["status"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn no_role_does_more_than_its_own() {
    let world = World::with_roles();
    // An administrator may do it as well, and it comes to the same.
    world.migrate("tester");
    let owned = "select count(*) from pg_class c where relnamespace = 'ingestd'::regnamespace
                 and relowner <> 'ingestd_migrate'::regrole";
    let row = world
        .server
        .client()
        .query_one(owned, &[])
        .expect("a count");
    assert_eq!(row.get::<_, i64>(0), 0, "what is made belongs to the group");
    for (role, statement) in [
        (
            "reader",
            "insert into ingestd.pipelines (name) values ('x')",
        ),
        ("reader", "update ingestd.files set state = 'FAILED'"),
        ("reader", "delete from ingestd.dead_letters"),
        ("reader", "create table ingestd.mine ()"),
        ("loader", "create table ingestd.mine ()"),
        ("loader", "drop table ingestd.files"),
        ("loader", "alter table ingestd.files add column mine text"),
        ("loader", "truncate ingestd.files"),
        ("stranger", "select from ingestd.files"),
    ] {
        let result = world.client(role).batch_execute(statement);
        let error = result
            .err()
            .unwrap_or_else(|| panic!("{role} may {statement}"));
        let code = error.code().map(|code| code.code());
        assert_eq!(code, Some("42501"), "{role}: {statement}: {error}");
    }
    let said = world.ask("stranger", &["status"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("a member of ingestd_read"),
        "{}",
        said.err
    );
}

/// What makes the ledger one of an older version.
const OLDER: &str = "alter table ingestd.files drop load_time, drop load_path;
                     delete from ingestd.migrations where version = 3";

#[test]
fn whoever_can_not_migrate_says_who_can() {
    let world = World::with_roles();
    world.migrate("migrator");
    let mut admin = world.server.client();
    admin.batch_execute(TABLE).expect("a table");
    admin.batch_execute(OLDER).expect("an older ledger");
    let scratch = Scratch::new();
    let file = scratch.write("items.csv", "id,name,amount\n1,a,1\n");
    let load = [
        "load",
        file.to_str().expect("text"),
        "--table",
        "items",
        "--key",
        "id",
    ];
    let said = world.ask("loader", &load);
    assert_eq!(said.code, Some(2), "{}", said.err);
    for hint in [
        "role loader may not",
        "`ingestd migrate`",
        "a member of role ingestd_migrate",
    ] {
        assert!(said.err.contains(hint), "{hint}: {}", said.err);
    }
    let said = world.ask("reader", &["status"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("`ingestd migrate` brings it up to date"),
        "{}",
        said.err
    );
    world.migrate("migrator");
    let said = world.ask("loader", &load);
    assert_eq!(said.code, Some(0), "{}", said.err);
}

/// A ledger that a superuser has made is handed over, and is loaded into by the new roles.
#[test]
fn a_ledger_that_was_there_before_the_roles_is_handed_over() {
    let world = World {
        server: OwnServer::start_new(),
    };
    world.migrate("tester");
    world.run_script();
    let mut admin = world.server.client();
    for statement in [super::LOGINS, TABLE, OLDER] {
        admin.batch_execute(statement).expect(statement);
    }
    world.migrate("migrator");
    let scratch = Scratch::new();
    let file = scratch.write("items.csv", "id,name,amount\n1,a,1\n");
    let file = file.to_str().expect("text");
    let said = world.ask("loader", &["load", file, "--table", "items", "--key", "id"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let said = world.ask("reader", &["files"]);
    assert!(said.out.contains("COMMITTED"), "{}{}", said.out, said.err);
}

#[test]
fn a_role_that_can_not_make_a_ledger_says_so() {
    let world = World {
        server: OwnServer::start_new(),
    };
    let mut admin = world.server.client();
    admin
        .batch_execute("create role stranger login")
        .expect("a role");
    let said = world.ask("stranger", &["migrate"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("may create schemas in this database"),
        "{}",
        said.err
    );
}
