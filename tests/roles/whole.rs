//! Staging tables of files that are loaded as a whole: the loading role makes them where it may, and
//! its logins go on with each other's.

use super::World;
use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, wait_until};

const TABLE: &str = "
create table items (id bigint primary key, name text);
grant select, insert, update on items to ingestd_load;
";

const GRANT: &str = "grant create on schema ingestd to ingestd_load";

const ROWS: u32 = 60_000;

fn home(world: &World, role: &str) -> Home {
    let pipeline = "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"items\"\nkey = [\"id\"]\n\
                    settle = \"10ms\"\nbatch_rows = 100\nall_or_nothing = true\n";
    Home::new(Some(&world.url(role)), "", pipeline)
}

fn world() -> World {
    let world = World::with_roles();
    world.migrate("migrator");
    world.server.client().batch_execute(TABLE).expect("a table");
    world
}

#[test]
fn who_loads_needs_create_on_the_schema_and_is_told_so() {
    let world = world();
    let home = home(&world, "loader");
    let given = home.directory("given");
    drop_file(&given, "a.csv", "id,name\n1,a\n");
    let file = given.join("a.csv");
    let load = ["load", "--pipeline", "items", file.to_str().expect("plain")];
    let said = home.ask(&load);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_ne!(said.status.code(), Some(0), "{text}");
    assert!(text.contains("GRANT CREATE ON SCHEMA ingestd"), "{text}");
    world.server.client().batch_execute(GRANT).expect(GRANT);
    let said = home.ask(&load);
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(0), "{text}");
    let left = "select (select count(*) from items),
                       (select count(*) from pg_class where relname ~ '^staged_')";
    let row = world.server.client().query_one(left, &[]).expect("counts");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 0));
}

/// The owner of the staging table that there is.
const OWNER: &str = "select relowner::regrole::text from pg_class
                     where relnamespace = 'ingestd'::regnamespace and relname ~ '^staged_[0-9]+$'";

#[test]
fn another_login_goes_on_with_what_is_staged() {
    let world = world();
    let mut admin = world.server.client();
    admin.batch_execute(GRANT).expect(GRANT);
    let first = home(&world, "loader");
    let second = home(&world, "Other Loader");
    let own = second.data();
    second.replace(
        own.to_str().expect("a plain path"),
        first.data().to_str().expect("a plain path"),
    );
    let mut text = "id,name\n".to_owned();
    for id in 1..=ROWS {
        text.push_str(&format!("{id},of the first\n"));
    }
    drop_file(&first.directory("inbox"), "a.csv", text);
    let service = first.run();
    let staged = "select coalesce(sum(staged), 0)::bigint from ingestd.checkpoints";
    wait_until(PATIENCE, || {
        let row = admin.query_one(staged, &[]);
        row.is_ok_and(|row| row.get::<_, i64>(0) > 0)
    });
    service.kill();
    let owner: String = admin.query_one(OWNER, &[]).expect("half a file").get(0);
    assert_eq!(owner, "ingestd_load");
    // The script may be run again, and leaves it to them.
    world.run_script();
    let owner: String = admin.query_one(OWNER, &[]).expect("half a file").get(0);
    assert_eq!(owner, "ingestd_load");
    let service = second.run();
    wait_until(PATIENCE, || {
        let archived = "select count(*) from ingestd.files where state = 'ARCHIVED'";
        let row = admin.query_one(archived, &[]).expect("a count");
        row.get::<_, i64>(0) == 1
    });
    service.stop();
    let row = admin.query_one("select count(*) from items", &[]);
    assert_eq!(row.expect("a count").get::<_, i64>(0), i64::from(ROWS));
    assert!(admin.query(OWNER, &[]).expect("none").is_empty());
}

/// What a migration makes is the owner's, whosever files are on their way meanwhile.
#[test]
fn a_staging_table_stands_in_no_migrations_way() {
    let world = world();
    let mut admin = world.server.client();
    admin.batch_execute(GRANT).expect(GRANT);
    let staging = "create table ingestd.staged_7 (id bigint)";
    world
        .client("loader")
        .batch_execute(staging)
        .expect(staging);
    let older = "drop table ingestd.deferred_indexes cascade;
                 delete from ingestd.migrations where version = 2";
    admin.batch_execute(older).expect("an older ledger");
    world.migrate("migrator");
    let owners = "select string_agg(relowner::regrole::text, ' ' order by relname) from pg_class
                  where oid in ('ingestd.deferred_indexes'::regclass, 'ingestd.staged_7'::regclass)";
    let owners: String = admin.query_one(owners, &[]).expect("owners").get(0);
    assert_eq!(owners, "ingestd_migrate loader");
}
