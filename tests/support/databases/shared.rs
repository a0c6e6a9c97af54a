//! One server for a whole test run, however many processes that has.
//!
//! Each process holds a common lock on a file for its life. The first one starts the server,
//! together with a watcher, which stops it once nobody has held the lock for some seconds.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::{server, wait_until};

/// This process's share in the server.
struct Share {
    place: PathBuf,
    _users: File,
}

/// The URL of a database of the shared server, which is started if need be.
pub fn url(database: &str) -> String {
    static SHARE: OnceLock<Share> = OnceLock::new();
    let share = SHARE.get_or_init(join);
    server::url(&share.place, database)
}

fn join() -> Share {
    // The programs of one test run stand side by side.
    let program = std::env::current_exe().expect("this program");
    let meeting = program.with_file_name("shared-server");
    fs::create_dir_all(&meeting).expect("a directory");
    // From here on the watcher stops nothing; while it does, this waits.
    let users = locked(&meeting.join("users.lock"), FlockOperation::LockShared);
    let _starting = locked(&meeting.join("start.lock"), FlockOperation::LockExclusive);
    let sign = meeting.join("place");
    let place = fs::read_to_string(&sign).map(PathBuf::from);
    if let Ok(place) = place
        && server::ready(&place).is_some()
    {
        return Share {
            place,
            _users: users,
        };
    }
    let place = start(&meeting);
    fs::write(&sign, place.to_str().expect("a plain path")).expect("written");
    Share {
        place,
        _users: users,
    }
}

/// Makes a cluster and starts its server and the watcher, which outlive this process.
fn start(meeting: &Path) -> PathBuf {
    // Not below the target directory: that may be where the server's user can't get.
    let place = tempfile::Builder::new()
        .prefix("ingestd-tests-")
        .tempdir()
        .expect("a temporary directory")
        .keep();
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("ours");
    server::make_cluster(&place);
    let script = format!(
        "(
        {line}
        server=$!
        exec 9>>{users}
        idle=0
        while kill -0 $server; do
            sleep 1
            if flock --nonblock 9; then
                idle=$((idle + 1))
                [ $idle -lt 3 ] || break
                flock --unlock 9
            else
                idle=0
            fi
        done
        kill -QUIT $server
        wait $server
        rm -rf {place}
        ) &",
        line = server::shell_line(&place, &[]),
        users = server::quoted(meeting.join("users.lock").to_str().expect("a plain path")),
        place = server::quoted(place.to_str().expect("a plain path")),
    );
    // The shell ends at once and leaves the watcher behind, a child of nobody's here.
    Command::new("sh")
        .args(["-c", &script])
        .current_dir("/")
        // Ctrl-C ends the tests, and the watcher sees to the rest.
        .process_group(0)
        // Whoever waits for the end of the tests' output must not wait for the watcher.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("a shell");
    wait_until(Duration::from_secs(60), || server::ready(&place).is_some());
    place
}

fn locked(path: &Path, how: FlockOperation) -> File {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("a lock file");
    rustix::io::retry_on_intr(|| flock(&file, how)).expect("locked");
    file
}
