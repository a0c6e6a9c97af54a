//! Processes that end when we do.
//!
//! The kernel's parent-death signal follows the *thread* that forked, not the process: so one
//! thread that never ends forks them all.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::sync::watch;

use super::account::Account;

/// What the thread that forks is asked to do.
type Job = Box<dyn FnOnce() + Send>;

/// A process of ours, in a process group of its own.
#[derive(Clone, Debug)]
pub(super) struct OwnChild {
    pid: Pid,
    /// `None` once it has been reaped: from then on its number may be another's.
    child: Arc<Mutex<Option<Child>>>,
    status: watch::Receiver<Option<ExitStatus>>,
}

impl OwnChild {
    /// Starts `command` as `user`; it gets `on_our_death` when this process dies in any way.
    pub fn spawn(command: Command, user: &Account, on_our_death: Signal) -> io::Result<OwnChild> {
        let child = fork(as_user(command, user, on_our_death))?;
        let pid = Pid::from_child(&child);
        let child = Arc::new(Mutex::new(Some(child)));
        let (sender, status) = watch::channel(None);
        let reaped = Arc::clone(&child);
        thread::Builder::new()
            .name("ingestd-reaper".into())
            .spawn(move || sender.send_replace(Some(reap(pid, &reaped))))?;
        Ok(OwnChild { pid, child, status })
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<ExitStatus> {
        *self.status.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> ExitStatus {
        let mut status = self.status.clone();
        match status.wait_for(Option::is_some).await {
            Ok(ended) => ended.unwrap_or_default(),
            // The reaper sends before it ends, so this is only its panic.
            Err(_) => ExitStatus::default(),
        }
    }

    /// Sends it a signal; nothing happens where it has ended.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_some() {
            // It can only fail for a process that is gone, and this one is ours and not reaped.
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }
}

/// Waits for a process's end, and reaps it while nobody can be sending it a signal.
fn reap(pid: Pid, child: &Mutex<Option<Child>>) -> ExitStatus {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), ended) {}
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let status = child.as_mut().and_then(|child| child.wait().ok());
    *child = None;
    status.unwrap_or_default()
}

/// Makes `command` run as `user`, in its own process group, and tied to the life of this process.
pub(super) fn as_user(mut command: Command, user: &Account, on_our_death: Signal) -> Command {
    if rustix::process::geteuid().is_root() {
        // The standard library drops root's other groups together with the user.
        command.uid(user.uid).gid(user.gid);
    }
    // Else Ctrl-C would reach it together with us, and the server would end before the drain.
    command.process_group(0);
    let parent = rustix::process::getpid();
    // SAFETY: between fork and exec this makes system calls alone. It runs after the user was
    // changed, which would clear the signal.
    unsafe {
        command.pre_exec(move || {
            rustix::process::set_parent_process_death_signal(Some(on_our_death))?;
            // The parent may have died before the signal was set.
            if rustix::process::getppid() == Some(parent) {
                Ok(())
            } else {
                Err(rustix::io::Errno::SRCH.into())
            }
        });
    }
    command
}

/// Forks and executes on the thread that never ends.
pub(super) fn fork(mut command: Command) -> io::Result<Child> {
    static FORKER: OnceLock<Sender<Job>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        // Without a thread the channel is closed, and the send below says so.
        let _ = thread::Builder::new()
            .name("ingestd-forker".into())
            .spawn(move || jobs.into_iter().for_each(|job| job()));
        sender
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (answer, result) = channel();
    forker
        .send(Box::new(move || {
            // Whoever asked waits for the answer.
            let _ = answer.send(command.spawn());
        }))
        .map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> OwnChild {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let me = Account::current().expect("a name");
        OwnChild::spawn(command, &me, Signal::KILL).expect("a shell")
    }

    #[tokio::test]
    async fn every_waiter_learns_how_a_child_ended() {
        let child = shell("exit 7");
        let (one, two) = tokio::join!(child.wait(), child.wait());
        assert_eq!((one.code(), two.code()), (Some(7), Some(7)));
        assert_eq!(child.ended().and_then(|status| status.code()), Some(7));
        // No longer ours: this must not reach whoever has the number now.
        child.signal(Signal::KILL);
    }

    #[tokio::test]
    async fn a_child_leads_a_process_group_and_takes_signals() {
        let child = shell("exec sleep 60");
        let group = rustix::process::getpgid(Some(child.pid())).expect("alive");
        assert_eq!(group, child.pid());
        child.signal(Signal::TERM);
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().await.signal(), Some(libc::SIGTERM));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let me = Account::current().expect("a name");
        let command = Command::new("/no/such/program");
        assert!(OwnChild::spawn(command, &me, Signal::KILL).is_err());
    }
}
