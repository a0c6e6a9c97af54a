//! An inbox that somebody hostile may write to: nothing outside of it is read, told of, or moved.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{PATIENCE, run};
use crate::support::home::{Home, drop_file, names_in};
use crate::support::{TestDatabase, database, wait_until};

/// A service that loads what comes, directories below too.
struct Shared {
    home: Home,
    database: TestDatabase,
}

impl Shared {
    fn new(keys: &str) -> Shared {
        let database = database();
        let table = "create table things (id text, name text)";
        database.client().batch_execute(table).expect(table);
        let pipeline = format!(
            "[pipelines.things]
             directory = \"inbox\"
             table = \"things\"
             recursive = true
             partitions = 1
             scan_interval = \"10ms\"
             settle = \"10ms\"
             {keys}"
        );
        let home = Home::new(Some(&database.url), "", &pipeline);
        home.directory("inbox");
        Shared { home, database }
    }

    fn wait_for(&self, name: &str, state: &str) {
        let mut client = self.database.client();
        let query = "select count(*) from ingestd.files
                     where state = $2 and path like '%/' || $1::text";
        wait_until(PATIENCE, || {
            let count = client.query_one(query, &[&name, &state]);
            count.is_ok_and(|row| row.get::<_, i64>(0) > 0)
        });
    }

    /// Everything in the database, and everything in the service's directories and its log.
    fn assert_nowhere(&self, secret: &str) {
        let mut client = self.database.client();
        let dump = "select coalesce(string_agg(query_to_xml('select * from ' || c.oid::regclass,
                                                            true, true, '')::text, ''), '')
                    from pg_class c join pg_namespace n on n.oid = c.relnamespace
                    where c.relkind = 'r' and n.nspname in ('ingestd', 'public')";
        let all: String = client.query_one(dump, &[]).expect("a dump").get(0);
        assert!(all.contains("things"), "the dump has what there is");
        assert!(!all.contains(secret), "in the database");
        assert!(!self.home.log().contains(secret), "in the log");
        let mut places = vec![self.home.data()];
        while let Some(place) = places.pop() {
            for entry in fs::read_dir(&place).expect("a directory") {
                let entry = entry.expect("an entry");
                let kind = entry.file_type().expect("a kind");
                if kind.is_dir() {
                    places.push(entry.path());
                } else if kind.is_file() {
                    let content = fs::read(entry.path()).unwrap_or_default();
                    let content = String::from_utf8_lossy(&content);
                    assert!(!content.contains(secret), "{}", entry.path().display());
                }
            }
        }
    }
}

fn exchange(one: &Path, other: &Path) {
    // The service may have taken one of them away.
    let _ = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
}

/// A secret directory: files of the names that are dropped, which only the service may read.
fn make_secret(directory: &Path) {
    fs::create_dir(directory).expect("a directory");
    for (name, text) in [
        ("x.csv", "id,name\n666,s3cr3t\n"),
        ("shadow", "s3cr3t:$6$hash:20000::::::\nroot:*:20000::::::\n"),
    ] {
        fs::write(directory.join(name), text).expect("written");
    }
}

/// Links take the places of directories and files again and again, at any moment of the service's.
#[test]
fn links_that_come_and_go_lead_nowhere() {
    let shared = Shared::new("");
    let inbox = shared.home.directory("inbox");
    let outside = crate::support::Scratch::new();
    let secret = outside.path().join("secret");
    make_secret(&secret);
    let before = names_in(&secret);

    let away = outside.path().join("away");
    symlink(&secret, &away).expect("a link");
    let service = shared.home.run();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // A directory that is a link to another one half of the time.
        scope.spawn(|| {
            let sub = inbox.join("sub");
            fs::create_dir(&sub).expect("a directory");
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                let text = format!("id,name\n{round},sub\n");
                if fs::symlink_metadata(&sub).is_ok_and(|it| it.is_dir()) {
                    // Put there as it is: what settles is looked at while it is swapped.
                    drop_file(&sub, "x.csv", text);
                }
                if round % 3 == 0 {
                    std::thread::sleep(Duration::from_millis(50));
                }
                for _ in 0..20 {
                    exchange(&sub, &away);
                    std::thread::sleep(Duration::from_micros(200));
                }
                round += 1;
            }
        });
        // A file that is one.
        scope.spawn(|| {
            let (file, link) = (inbox.join("y.csv"), outside.path().join("link"));
            let mut round = 0;
            while !done.load(Ordering::Relaxed) {
                let _ = fs::remove_file(&link);
                symlink(secret.join("shadow"), &link).expect("a link");
                drop_file(&inbox, "y.csv", format!("id,name\n{round},file\n"));
                for _ in 0..10 {
                    exchange(&file, &link);
                    std::thread::sleep(Duration::from_micros(100));
                }
                round += 1;
            }
        });
        let until = Instant::now() + Duration::from_secs(3);
        wait_until(PATIENCE, || Instant::now() > until);
        done.store(true, Ordering::Relaxed);
    });
    // It has gone on all the time.
    drop_file(&inbox, "z.csv", "id,name\n1,last\n");
    shared.wait_for("z.csv", "ARCHIVED");
    service.stop();
    assert_eq!(names_in(&secret), before);
    let text = fs::read_to_string(secret.join("x.csv")).expect("it is there");
    assert!(text.contains("s3cr3t"), "{text}");
    shared.assert_nowhere("s3cr3t");
}

/// What was dropped below a directory goes back there, and nowhere else.
#[test]
fn a_retry_puts_nothing_through_a_link() {
    let shared = Shared::new("");
    let sub = shared.home.directory("inbox/sub");
    let outside = crate::support::Scratch::new();
    let service = shared.home.run();
    drop_file(&sub, "job.csv", "nonsense\n1\n");
    shared.wait_for("sub/job.csv", "QUARANTINED");
    wait_until(PATIENCE, || names_in(&sub).is_empty());
    wait_until(PATIENCE, || {
        names_in(&shared.home.data().join("quarantine/things/sub")).len() == 2
    });
    service.stop();
    fs::remove_dir(&sub).expect("empty");
    symlink(outside.path(), &sub).expect("a link");
    let said = run(&mut shared.home.command(&["retry", "1"]));
    assert_ne!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(
        names_in(outside.path()),
        [""; 0],
        "{}{}",
        said.out,
        said.err
    );
    // Nothing of it is lost: once the link is gone it goes on.
    fs::remove_file(&sub).expect("a link");
    let said = run(&mut shared.home.command(&["retry", "1"]));
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert_eq!(names_in(&sub), ["job.csv"]);
}

#[test]
fn a_link_is_neither_a_file_nor_a_manifest_nor_a_marker() {
    let shared = Shared::new("manifest = \".manifest\"");
    let inbox = shared.home.directory("inbox");
    let outside = crate::support::Scratch::new();
    let secret = outside.write("secret.csv", "id,name\n1,s3cr3t\n");
    let number = outside.write("number", "1\n");
    symlink(&secret, inbox.join("link.csv")).expect("a link");
    symlink(&number, inbox.join("link.csv.manifest")).expect("a link");
    fs::write(inbox.join("a.csv"), "id,name\n2,good\n").expect("written");
    symlink(&number, inbox.join("a.csv.manifest")).expect("a link");
    let service = shared.home.run();
    drop_file(&inbox, "b.csv", "id,name\n3,good\n");
    drop_file(&inbox, "b.csv.manifest", "1");
    shared.wait_for("b.csv", "ARCHIVED");
    wait_until(PATIENCE, || shared.home.log().contains("symbolic link"));
    service.stop();
    let mut client = shared.database.client();
    let rows = client.query("select id from things", &[]).expect("rows");
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, ["3"]);
    shared.assert_nowhere("s3cr3t");
    assert!(secret.exists() && number.exists());
}

/// A copy belongs to the service's user: with a set-user-ID bit it would be a way to become that.
#[test]
fn the_archive_makes_no_program_of_the_services_user() {
    let shared = Shared::new("archive_compression = \"zstd\"");
    let inbox = shared.home.directory("inbox");
    let service = shared.home.run();
    for (name, mode) in [("a.csv", 0o4755), ("b.csv", 0o2711), ("c.csv", 0o1600)] {
        let hidden = inbox.join(format!(".{name}"));
        fs::write(&hidden, format!("id,name\n1,{name}\n")).expect("written");
        fs::set_permissions(&hidden, Permissions::from_mode(mode)).expect("ours");
        fs::rename(&hidden, inbox.join(name)).expect("renamed");
    }
    for name in ["a.csv", "b.csv", "c.csv"] {
        shared.wait_for(name, "ARCHIVED");
    }
    service.stop();
    let archive = shared.home.data().join("archive/things");
    let modes = names_in(&archive).into_iter().map(|name| {
        let found = fs::metadata(archive.join(&name)).expect("there");
        (name, found.mode() & 0o7777)
    });
    let expected = [
        ("a.csv.zst", 0o755),
        ("b.csv.zst", 0o711),
        ("c.csv.zst", 0o600),
    ];
    let expected = expected.map(|(name, mode)| (name.to_owned(), mode));
    assert_eq!(modes.collect::<Vec<_>>(), expected);
}
