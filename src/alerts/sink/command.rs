//! A program that reads JSON from its standard input.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, Command};
use tokio_util::task::AbortOnDropHandle;

use super::Failure;
use crate::alerts::notice::Notice;
use crate::service::as_shells_do;

/// The most of what it says that anybody is shown.
const MOST_SAID: usize = 2_000;
/// What it has said is there when it ends, but for what its own children may say.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs it once; what came of that.
pub async fn run(
    command: &[String],
    timeout: Duration,
    notice: &Notice,
) -> Result<String, Failure> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::lasting("no program is named".to_owned()));
    };
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir("/");
    for (name, _) in std::env::vars_os() {
        if is_ours(&name.to_string_lossy()) {
            command.env_remove(&name);
        }
    }
    as_shells_do(&mut command);
    let mut command = Command::from(command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // What it starts ends with it.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| Failure::lasting(format!("{program} can't be started: {error}")))?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let said = Arc::new(Mutex::new(Vec::new()));
    let Ok(ended) = tokio::time::timeout(timeout, talk(&mut child, notice, &said)).await else {
        drop(group);
        // The end of one that was killed is near.
        let _ = child.wait().await;
        return Err(Failure::lasting(format!(
            "it did not end within {}, and was killed",
            humantime::format_duration(timeout)
        )));
    };
    // What it has left running on purpose goes on.
    group.0 = None;
    match ended {
        Ok(status) if status.success() => Ok("it ended with 0".to_owned()),
        Ok(status) => {
            let said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let said = String::from_utf8_lossy(&said).into_owned();
            let said = match said.lines().find(|line| !line.trim().is_empty()) {
                Some(line) => format!(", and said: {}", line.trim()),
                None => String::new(),
            };
            Err(Failure::lasting(format!("it ended with {status}{said}")))
        }
        Err(error) => Err(Failure::lasting(format!("it can't be waited for: {error}"))),
    }
}

/// Kills all of it, unless it has ended by itself; where nobody waits any more, too.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended just now.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What configures this service, its passwords among it, is nothing for others.
fn is_ours(variable: &str) -> bool {
    variable.starts_with("INGESTD_") || variable == "DATABASE_URL" || variable == "PGPASSWORD"
}

/// Tells it all, and waits for its end.
async fn talk(
    child: &mut Child,
    notice: &Notice,
    said: &Arc<Mutex<Vec<u8>>>,
) -> io::Result<ExitStatus> {
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let said = Arc::clone(said);
    let mut listening = AbortOnDropHandle::new(tokio::spawn(listen(stderr, said)));
    let text = notice.json();
    let tell = async {
        if let Some(mut stdin) = stdin {
            // One that does not read it has its reasons.
            let _ = stdin.write_all(text.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
        }
    };
    let (_, status) = tokio::join!(tell, child.wait());
    let _ = tokio::time::timeout(LAST_WORDS, &mut listening).await;
    status
}

/// Reads on when it has read enough: a pipe that is full would hold the program up.
async fn listen(stderr: Option<ChildStderr>, said: Arc<Mutex<Vec<u8>>>) {
    let Some(mut stderr) = stderr else {
        return;
    };
    let mut bytes = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut bytes).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < MOST_SAID {
            said.extend_from_slice(&bytes[..read]);
        }
    }
}
