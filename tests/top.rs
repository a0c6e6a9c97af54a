//! `ingestd top` on a terminal: a real one, as far as the program can tell.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::home::{Home, drop_file};
use crate::support::{PATIENCE, TestDatabase, database, wait_until};

const ROWS: usize = 30;
const COLUMNS: usize = 110;

/// The program on a terminal of util-linux's `script`, and what stands on it.
struct OnTerminal {
    script: Child,
    keys: ChildStdin,
    written: Arc<Mutex<Vec<u8>>>,
    pid_file: PathBuf,
}

impl OnTerminal {
    fn start(home: &Home) -> OnTerminal {
        OnTerminal::start_after(home, "")
    }

    /// Starts it by a shell that does this before, and writes its exit code to `top.code`.
    fn start_after(home: &Home, before: &str) -> OnTerminal {
        let top = home.command(&["top", "--interval", "100ms"]);
        let mut words = vec![top.get_program().to_string_lossy().into_owned()];
        words.extend(
            top.get_args()
                .map(|word| word.to_string_lossy().into_owned()),
        );
        let pid_file = home.data().join("top.pid");
        let run = format!(
            "echo $$ > {}; exec {}",
            pid_file.display(),
            shlex::try_join(words.iter().map(String::as_str)).expect("words")
        );
        let line = format!(
            "stty cols {COLUMNS} rows {ROWS}; {before} sh -c {}; code=$?; echo $code > {}; exit $code",
            shlex::try_quote(&run).expect("words"),
            home.data().join("top.code").display(),
        );
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-f", "-c", &line, "/dev/null"]);
        for (name, value) in top.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut script = script
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of util-linux");
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut output = script.stdout.take().expect("piped");
        let into = Arc::clone(&written);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = output.read(&mut bytes) {
                if count == 0 {
                    return;
                }
                into.lock()
                    .expect("no panic")
                    .extend_from_slice(&bytes[..count]);
            }
        });
        OnTerminal {
            keys: script.stdin.take().expect("piped"),
            script,
            written,
            pid_file,
        }
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().expect("no panic")).into_owned()
    }

    fn wait_for(&self, words: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !picture(&self.written()).contains(words) {
            let shown = picture(&self.written());
            assert!(
                std::time::Instant::now() < deadline,
                "{words:?} in\n{shown}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
        self.keys.flush().expect("a terminal");
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    fn pid(&self) -> Pid {
        let pid = std::fs::read_to_string(&self.pid_file).expect("a number");
        Pid::from_raw(pid.trim().parse().expect("a number")).expect("a process")
    }

    /// The terminal is closed.
    fn close(&mut self) {
        self.script.kill().expect("it runs");
        self.script.wait().expect("it ends");
    }

    /// Waits for its end; the terminal is then as it was.
    fn ended(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until(PATIENCE, || {
            let status = self.script.try_wait().expect("a status");
            code = status.and_then(|status| status.code());
            status.is_some()
        });
        wait_until(PATIENCE, || self.written().contains("\u{1b}[?1049l"));
        code
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// What stands on the terminal once it has been sent these bytes: as far as moving, clearing and
/// printing go, which is what is sent.
fn picture(written: &str) -> String {
    let mut cells = vec![vec![' '; COLUMNS]; ROWS];
    let (mut row, mut column) = (0, 0);
    let mut characters = written.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '\u{1b}' {
            if !c.is_control() && row < ROWS && column < COLUMNS {
                cells[row][column] = c;
                column += 1;
            }
            continue;
        }
        if characters.next_if_eq(&'[').is_none() {
            continue;
        }
        let mut parameters = String::new();
        let end = loop {
            match characters.next() {
                Some(c) if c.is_ascii_alphabetic() => break c,
                Some(c) => parameters.push(c),
                None => break ' ',
            }
        };
        match end {
            'H' => {
                let mut at = parameters.split(';').map(|it| it.parse().unwrap_or(1));
                row = at.next().unwrap_or(1) - 1;
                column = at.next().unwrap_or(1) - 1;
            }
            'J' => cells = vec![vec![' '; COLUMNS]; ROWS],
            _ => {}
        }
    }
    let lines = cells
        .into_iter()
        .map(|line| line.into_iter().collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

fn home(database: &TestDatabase) -> Home {
    let text = "[pipelines.one]\ndirectory = \"inbox/one\"\ntable = \"one\"\nsettle = \"10ms\"\n";
    let home = Home::new(Some(&database.url), "", text);
    home.directory("inbox/one");
    let table = "create table one (id bigint, note text)";
    database.client().batch_execute(table).expect("a table");
    home
}

#[test]
fn it_shows_what_goes_on_gives_commands_and_outlives_the_database() {
    let database = database();
    let home = home(&database);
    let service = home.run();
    let mut client = database.client();
    let archived = "select count(*) from ingestd.files where state = 'ARCHIVED'";
    drop_file(
        &home.directory("inbox/one"),
        "a.csv",
        "id,note\n1,a\nx,bad\n",
    );
    wait_until(PATIENCE, || {
        client
            .query_one(archived, &[])
            .is_ok_and(|row| row.get::<_, i64>(0) == 1)
    });
    let mut top = OnTerminal::start(&home);
    for words in [
        "one",
        "running",
        "files in flight",
        "writers",
        "invalid_value",
    ] {
        top.wait_for(words);
    }
    top.press("p");
    top.wait_for("pause one? [y/n]");
    top.press("n");
    top.wait_for("nothing was changed");
    top.press("p");
    top.wait_for("pause one? [y/n]");
    top.press("y");
    let wanted = "select wanted from ingestd.pipelines where name = 'one'";
    wait_until(PATIENCE, || {
        let wanted: String = client.query_one(wanted, &[]).expect("a row").get(0);
        wanted == "paused"
    });
    top.wait_for("one: paused (was running)");
    top.wait_for("paused by");

    top.press("\r");
    top.wait_for("ARCHIVED");
    top.press("\r");
    top.wait_for("all of it is loaded");
    top.press("\u{1b}");
    top.wait_for("ARCHIVED");
    top.press("h?");
    top.wait_for("up, down, k, j");
    top.press("x");

    // The database goes away for a while.
    let url = database.url.replace(&database.name, "postgres");
    let mut elsewhere = postgres::Client::connect(&url, postgres::NoTls).expect("a connection");
    let allow = |allowed: bool| {
        format!(
            "alter database {} allow_connections {allowed}",
            database.name
        )
    };
    elsewhere.batch_execute(&allow(false)).expect("closed");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    elsewhere.query(end, &[&database.name]).expect("ended");
    top.wait_for("trying again");
    elsewhere.batch_execute(&allow(true)).expect("open");
    top.wait_for("? help");

    top.press("q");
    assert_eq!(top.ended(), Some(0));
    // It may still be on its way back to the database.
    drop(service);
}

/// The ledger knows of no file then: 0 files and no lag were shown.
#[test]
fn what_a_pipeline_that_cant_begin_has_found_shows_in_top_and_status() {
    let database = database();
    let home = home(&database);
    let mut client = database.client();
    let rename = |client: &mut postgres::Client, from: &str, to: &str| {
        let sql = format!("alter table {from} rename to {to}");
        client.batch_execute(&sql).expect("renamed");
    };
    rename(&mut client, "one", "elsewhere");
    assert!(home.ask(&["migrate"]).status.success());
    drop_file(&home.directory("inbox/one"), "a.csv", "id,note\n1,a\n");
    let service = home.run();
    let mut top = OnTerminal::start(&home);
    // A picture comes in pieces.
    wait_until(PATIENCE, || {
        let shown = picture(&top.written());
        let line = shown.lines().find(|line| line.starts_with("one "));
        let cells: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
        let has_lag = cells.get(6).is_some_and(|lag| lag.parse::<u64>().is_ok());
        has_lag && cells[..2] == ["one", "degraded"] && cells[3..6] == ["1", "12", "B"]
    });
    top.press("q");
    assert_eq!(top.ended(), Some(0));

    let status = || {
        let said = home.ask(&["status", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&said).expect("JSON");
        status[0].clone()
    };
    let now = status();
    assert_eq!(now["backlog"], serde_json::json!({"files": 1, "bytes": 12}));
    assert!(now["lag_seconds"].as_f64() > Some(0.0), "{now}");
    let mut watch = home.command(&["status", "--watch"]);
    let said = home.data().join("watched");
    let out = fs::File::create(&said).expect("a file");
    let mut watch = watch.stdout(out).spawn().expect("started");
    let line = || fs::read_to_string(&said).expect("text");
    wait_until(PATIENCE, || line().contains('\n'));
    let line = line();
    watch.kill().expect("it runs");
    watch.wait().expect("ended");
    assert!(line.contains("files 0 and 1 waiting"), "{line}");

    rename(&mut client, "elsewhere", "one");
    wait_until(PATIENCE, || {
        let now = status();
        let is_idle = now["backlog"]["files"] == 0 && now["lag_seconds"] == 0.0;
        is_idle && now["files"]["committed"] == 1 && now["state"] == "running"
    });
    let found = "select count(*) from ingestd.found";
    wait_until(PATIENCE, || {
        client.query_one(found, &[]).expect(found).get::<_, i64>(0) == 0
    });
    service.stop();
}

#[test]
fn signals_leave_the_terminal_as_it_was_and_without_one_it_says_so() {
    let database = database();
    let home = home(&database);
    assert!(home.ask(&["migrate"]).status.success());
    let mut top = OnTerminal::start(&home);
    top.wait_for("? help");
    top.signal(Signal::TERM);
    assert_eq!(top.ended(), Some(0));
    let mut top = OnTerminal::start(&home);
    top.wait_for("? help");
    top.press("\u{3}");
    assert_eq!(top.ended(), Some(0), "by Ctrl-C");

    let none = home.ask(&["top"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(said.contains("status --watch"), "{said}");
}

/// What reads keys went on reading from nothing then, on a whole core, for ever.
#[test]
fn it_ends_with_its_terminal_even_where_nobody_hangs_up() {
    let database = database();
    let home = home(&database);
    assert!(home.ask(&["migrate"]).status.success());
    for before in ["", "trap '' HUP;"] {
        let mut top = OnTerminal::start_after(&home, before);
        top.wait_for("? help");
        let pid = top.pid();
        top.close();
        let ended = std::time::Instant::now() + Duration::from_secs(10);
        while test_kill_process(pid).is_ok() {
            if std::time::Instant::now() > ended {
                let _ = kill_process(pid, Signal::KILL);
                panic!("it goes on without a terminal, after {before:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    // The shell has outlived the hang-up.
    let code = home.data().join("top.code");
    wait_until(PATIENCE, || {
        std::fs::read_to_string(&code).is_ok_and(|code| code.trim() == "1")
    });
}
