//! A cluster for tests: quick, not durable against a failure of the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ingestd::local_server::find_binaries;

/// The role of the tests: not named as the schema of the ledger, or that would be the search path.
pub const ROLE: &str = "tester";

/// Makes a cluster below `place`, which the server's user must be able to reach.
pub fn make_cluster(place: &Path) {
    let data = place.join("data");
    fs::create_dir(&data).expect("a directory");
    give_to_server(&data);
    let output = as_server_user(find_binaries().expect("installed").initdb())
        .arg("-D")
        .arg(&data)
        .args(["-U", ROLE, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])
        .current_dir(place)
        .output()
        .expect("initdb");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {said}");
}

/// Makes a file the server's user's.
pub fn give_to_server(path: &Path) {
    if let Some(user) = server_user() {
        let user = format!("{user}:");
        let changed = Command::new("chown").arg(user).arg(path).status();
        assert!(changed.expect("chown").success());
    }
}

/// The line of a shell that runs the server in the background, with further settings.
pub fn shell_line(place: &Path, further: &[String]) -> String {
    let mut command = as_server_user(find_binaries().expect("installed").postgres());
    let data = place.join("data");
    command.arg("-D").arg(&data);
    for setting in [
        "listen_addresses=",
        "max_connections=300",
        "deadlock_timeout=100ms",
        // A test's server may lose everything when the machine fails, not when it is killed.
        "fsync=off",
        "full_page_writes=off",
        "max_wal_size=2GB",
        "log_min_messages=log",
    ] {
        command.arg("-c").arg(setting);
    }
    // The last one counts.
    for setting in further {
        command.arg("-c").arg(setting);
    }
    command.arg("-k").arg(&data);
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(word.to_str().expect("plain paths")))
        .collect();
    let log = quoted(place.join("log").to_str().expect("a plain path"));
    format!("{} >>{log} 2>&1 </dev/null &", words.join(" "))
}

/// The URL of a database of the cluster. Its socket is where only the server's user gets.
pub fn url(place: &Path, database: &str) -> String {
    let host = place.join("data");
    let host = host.to_str().expect("a plain path");
    format!("postgresql:///{database}?host={host}&user={ROLE}")
}

/// The server's process, once it takes connections.
pub fn ready(place: &Path) -> Option<u32> {
    let file = fs::read_to_string(place.join("data/postmaster.pid")).ok()?;
    let lines: Vec<&str> = file.lines().map(str::trim).collect();
    let pid = lines.first()?.parse().ok()?;
    let alive = Path::new("/proc").join(lines[0]).exists();
    (alive && lines.get(7) == Some(&"ready")).then_some(pid)
}

/// A word of a shell's line.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A command that runs as the server's user. It becomes that program: its process is the same.
pub fn as_server_user(program: PathBuf) -> Command {
    let mut command = match server_user() {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", user, "--regid"])
                .arg(group_of(user))
                .arg("--clear-groups")
                .arg(program);
            command
        }
    };
    command.stdin(Stdio::null());
    command
}

/// Whom the server runs as, where it can't be us.
fn server_user() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let exists = |user: &&str| {
        let id = Command::new("id").arg(user).output();
        id.is_ok_and(|id| id.status.success())
    };
    let user = ["postgres", "nobody"].into_iter().find(exists);
    Some(user.expect("a user for the server"))
}

fn group_of(user: &str) -> String {
    let output = Command::new("id").args(["-g", user]).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
