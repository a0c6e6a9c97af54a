//! A password is in no log, no message, no process's arguments, no table and no statement.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::process::Signal;

use super::{PATIENCE, run};
use crate::support::home::{Home, drop_file};
use crate::support::{ingestd, wait_until};
use crate::tls::TlsServer;

const SECRET: &str = "pa55w0rd";

const COMMANDS: [&[&str]; 12] = [
    &["status"],
    &["status", "--json"],
    &["files"],
    &["files", "show", "1"],
    &["dead-letters", "list"],
    &["audit", "--all"],
    &["check"],
    &["config", "show"],
    &["config", "show", "--all"],
    &["retry", "--all"],
    &["pause"],
    &["reset", "items", "--yes"],
];

fn assert_no_secret(what: &str, text: &str) {
    let line = text
        .lines()
        .find(|line| line.contains(SECRET) || line.contains("pa55%77"));
    assert_eq!(line, None, "{what}");
}

/// What every process that this one has started shows to every user of the machine.
fn arguments_below(parent: i32) -> String {
    let mut all = String::new();
    for entry in fs::read_dir("/proc").expect("/proc") {
        let path = entry.expect("an entry").path();
        let Ok(stat) = fs::read_to_string(path.join("stat")) else {
            continue;
        };
        let above = stat.rsplit_once(") ").and_then(|(_, rest)| {
            let mut words = rest.split(' ').skip(1);
            words.next().and_then(|word| word.parse::<i32>().ok())
        });
        let is_it = path
            .file_name()
            .is_some_and(|it| it.to_str() == Some(&parent.to_string()));
        if is_it || above == Some(parent) {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            all += &String::from_utf8_lossy(&line).replace('\0', " ");
            all.push('\n');
        }
    }
    all
}

/// Each place of a connection string that can be wrong, beside a password.
fn malformed() -> Vec<String> {
    let s = SECRET;
    let mut urls: Vec<String> = [
        "postgresql://me:S@",
        "postgresql://me:S@db:port/shop",
        "postgresql://me:S@db:99999/shop",
        "postgresql://me:S@[::1/shop",
        "postgresql://me:S@127.0.0.1:1/shop?sslmode=sometimes",
        "postgresql://me:S@127.0.0.1:1/shop?unknown=1",
        "postgresql://me:S@127.0.0.1:1/shop?connect_timeout=soon",
        "postgresql://me:S@127.0.0.1:1/shop?sslmode",
        "postgresql://me:S%zz@127.0.0.1:1/shop",
        "postgresql://me:S/x@y:z@127.0.0.1:1/shop?nonsense=S",
        "postgresql://127.0.0.1:1/shop?password=S&unknown=1",
        "postgresql://127.0.0.1:1/shop?unknown=1&password=S",
        "postgresql://127.0.0.1:1/shop?pass%77ord=S&unknown=1",
        "postgresql:/me:S@127.0.0.1:1/shop",
        "postgresql//me:S@127.0.0.1:1/shop",
        "Postgresql://me:S@127.0.0.1:1/shop",
        "mysql://me:S@127.0.0.1:1/shop",
        "me:S@127.0.0.1:1/shop",
        "host=127.0.0.1 port=1 password=S port=x",
        "host=127.0.0.1 port=1 password='S",
        "host=127.0.0.1 port=1 password = 'it\\'s S' nonsense=1",
        "password=S nonsense",
        "host=127.0.0.1 port=1 passwordS",
        "postgresql://me:S@127.0.0.1:1/shop",
        "postgresql://me:S@%2Fnowhere/shop",
        "postgresql://me:S@127.0.0.1:1/shop?sslrootcert=/nowhere&sslmode=verify-full",
        "host=127.0.0.1 port=1 user=me password=S dbname=shop",
    ]
    .into_iter()
    .map(|url| url.replace('S', s))
    .collect();
    urls.push(format!("postgresql://me:{s}\n{s}@127.0.0.1:1/shop"));
    urls
}

#[test]
fn a_connection_string_that_is_wrong_does_not_show_its_password() {
    for url in malformed() {
        let pipeline = "[pipelines.items]\ndirectory = \"in\"\ntable = \"items\"\n";
        let home = Home::new(None, "", pipeline);
        // By a flag, by the environment, and by the file.
        let by_flag = run(home.command(&["status"]).args(["--database-url", &url]));
        let by_variable = run(home.command(&["status"]).env("DATABASE_URL", &url));
        let mut by_key = home.command(&["config", "show"]);
        let by_key = run(by_key.env("INGESTD__DATABASE__URL", &url));
        home.configure(&format!(
            "{}\n[database]\nurl = {}\n",
            home.config(),
            super::toml(&url)
        ));
        let by_file = run(&mut home.command(&["status"]));
        let shown = run(&mut home.command(&["config", "show"]));
        for (number, said) in [by_flag, by_variable, by_file, by_key, shown]
            .iter()
            .enumerate()
        {
            assert!(number > 2 || said.code == Some(2), "{url}: {}", said.err);
            assert_no_secret(&format!("{url}, out"), &said.out);
            assert_no_secret(&format!("{url}, err"), &said.err);
        }
    }
}

#[test]
fn a_password_that_serves_or_does_not_is_shown_nowhere() {
    let server = TlsServer::start();
    server
        .client()
        .batch_execute("create table items (id int primary key, name text)")
        .expect("a table");
    let root = server.root.display().to_string();
    let wrong_root = server.scratch.write("wrong.pem", "no certificate");
    let unreadable = server.scratch.path().join("loop");
    symlink(&unreadable, &unreadable).expect("a link");
    let directory = server.scratch.path().display().to_string();
    let section = |host: &str, password: &str, root: &str| {
        format!(
            "[database]\nhost = \"{host}\"\nport = {}\nname = \"postgres\"\nuser = \"scram\"\n{password}\n\
             sslmode = \"verify-full\"\nsslrootcert = \"{root}\"\n",
            server.port
        )
    };
    let good = format!("password = \"{SECRET}\"");
    let by_file = |path: &Path| format!("password_file = \"{}\"", path.display());
    let file = server.scratch.write("secret", format!("{SECRET}\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    let two_lines = server.scratch.write("two", format!("{SECRET}\n{SECRET}\n"));
    let pipeline = "[pipelines.items]\ndirectory = \"in\"\ntable = \"items\"\nkey = [\"id\"]\nsettle = \"10ms\"\n";
    let cases = [
        section("localhost", &good, &root),
        section("localhost", &by_file(&two_lines), &root),
        section("localhost", &by_file(&unreadable), &root),
        section("localhost", &by_file(Path::new(&directory)), &root),
        section("localhost", &format!("password = [\"{SECRET}\"]"), &root),
        section("localhost", &format!("password = \"{SECRET}"), &root),
        section("localhost", &format!("pasword = \"{SECRET}\""), &root),
        section(
            "localhost",
            &format!("{good}\npassword_file = \"{}\"", file.display()),
            &root,
        ),
        section("127.0.0.2", &good, &root),
        section("localhost", &good, &wrong_root.display().to_string()),
        section("localhost", &good, "/nowhere"),
    ];
    // The server takes another password, so that this one is a wrong one.
    for case in &cases {
        let home = Home::new(None, "", pipeline);
        home.configure(&format!(
            "{}\n{case}",
            home.config()
                .replace("\"json\"", "\"json\"\nlevel = \"debug\"")
        ));
        for command in COMMANDS {
            let said = run(&mut home.command(command));
            assert_no_secret(&format!("{command:?}, out"), &said.out);
            assert_no_secret(&format!("{command:?} with {case}, err"), &said.err);
        }
    }

    // Now it is the right one.
    let sql = format!("alter role scram password '{SECRET}'");
    server.client().batch_execute(&sql).expect("altered");
    let home = Home::new(None, "", pipeline);
    let inbox = home.directory("in");
    let level = home
        .config()
        .replace("\"json\"", "\"json\"\nlevel = \"debug\"");
    home.configure(&format!("{level}\n{}", section("localhost", &good, &root)));
    let service = home.run();
    drop_file(&inbox, "a.csv", "id,name\n1,x\nx,y\n");
    let mut client = server.client();
    let loaded = "select count(*) from items";
    wait_until(PATIENCE, || {
        let rows = client.query_one(loaded, &[]);
        rows.is_ok_and(|row| row.get::<_, i64>(0) == 1)
    });
    for command in COMMANDS.into_iter().filter(|it| it[0] != "reset") {
        let said = run(&mut home.command(command));
        assert_ne!(said.code, Some(2), "{command:?}: {}", said.err);
        assert_no_secret(&format!("{command:?}, out"), &said.out);
        assert_no_secret(&format!("{command:?}, err"), &said.err);
    }
    let arguments = arguments_below(service.pid().as_raw_pid());
    assert!(arguments.contains(" run "), "{arguments}");
    assert_no_secret("the service's arguments", &arguments);
    // What psql is started with.
    let script = home.directory("").join("ask.sql");
    let asking = "\\! tr '\\000' '\\012' < /proc/$PPID/cmdline\n";
    fs::write(&script, asking).expect("written");
    let script = script.to_str().expect("text");
    let mut psql = ingestd();
    psql.env("INGESTD__DATABASE__PASSWORD", SECRET).args([
        "psql",
        "--database-url",
        &server.url("scram", ""),
        "--",
        "-X",
        "-f",
        script,
    ]);
    let said = run(&mut psql);
    assert!(said.out.contains("ask.sql"), "{}{}", said.out, said.err);
    assert_no_secret("psql's arguments", &said.out);

    // A password that changes comes about at the next start; the reload says so, and no more.
    home.replace(SECRET, "pa55w0rd2");
    service.signal(Signal::HUP);
    wait_until(PATIENCE, || home.log().contains("reload"));
    wait_until(PATIENCE, || home.log().contains("[database]"));
    home.replace("pa55w0rd2", &format!("{SECRET}\nurl"));
    let before = home.log().len();
    service.signal(Signal::HUP);
    wait_until(PATIENCE, || home.log().len() > before);

    let activity = "select string_agg(concat_ws(' ', query, application_name, usename), E'\\n') from pg_stat_activity
                    where pid <> pg_backend_pid()";
    let activity: String = client.query_one(activity, &[]).expect("queries").get(0);
    assert_no_secret("pg_stat_activity", &activity);
    let dump = "select coalesce(string_agg(query_to_xml('select * from ' || c.oid::regclass,
                                                        true, true, '')::text, ''), '')
                from pg_class c where c.relnamespace = 'ingestd'::regnamespace and c.relkind = 'r'";
    let dump: String = client.query_one(dump, &[]).expect("a dump").get(0);
    assert!(dump.contains("a.csv"), "it is all there");
    assert_no_secret("the ledger", &dump);
    service.stop();
    let log = home.log();
    assert!(log.contains("\"level\":\"debug\""), "it is the whole log");
    assert_no_secret("the log", &log);
}
