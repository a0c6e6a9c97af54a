//! Signals, as what they ask for, in their order.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT: end in order.
    Stop,
    /// SIGUSR1.
    Pause,
    /// SIGUSR2.
    Resume,
    /// SIGHUP.
    Reload,
}

/// Where the handler writes, while anybody reads.
static WRITE_TO: AtomicI32 = AtomicI32::new(-1);

/// Those whose order counts.
const ORDERED: [libc::c_int; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGUSR1, libc::SIGUSR2];

/// The signals of this process, caught from now on.
///
/// Where `block` has kept them from every other thread, one thread takes them one after the other and
/// writes the number of each into a pipe: two threads that are handed one each at the same time would
/// write them in any order. (Of different signals that are sent before the process gets to run at all,
/// no order is kept by any system.)
pub struct Signals {
    delivered: pipe::Receiver,
    /// Those that came while only the end was waited for.
    kept: VecDeque<Signal>,
    /// Without anybody who writes, the pipe would be at its end.
    _write: OwnedFd,
}

impl Signals {
    /// Catches those that end, pause and let go on; inside a runtime.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn catch() -> Result<Signals> {
        Self::catch_all(&ORDERED)
    }

    /// Catches SIGHUP too: of a service, which does not end with the terminal that it was typed on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn catch_with_reload() -> Result<Signals> {
        let signals = Self::catch()?;
        handle(libc::SIGHUP).map_err(refused)?;
        Ok(signals)
    }

    fn catch_all(numbers: &[libc::c_int]) -> Result<Signals> {
        let (write, delivered) = pipe::pipe().map_err(refused)?;
        let write = write.into_nonblocking_fd().map_err(refused)?;
        WRITE_TO.store(write.as_raw_fd(), Ordering::SeqCst);
        for &number in numbers {
            handle(number).map_err(refused)?;
        }
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(take_in_turn)
            .map_err(refused)?;
        Ok(Signals {
            delivered,
            kept: VecDeque::new(),
            _write: write,
        })
    }

    /// Resolves once one asks for the end; the others are kept for later.
    pub async fn stop(&mut self) {
        loop {
            match self.receive().await {
                Signal::Stop => return,
                other => self.kept.push_back(other),
            }
        }
    }

    /// The next one.
    pub async fn next(&mut self) -> Signal {
        match self.kept.pop_front() {
            Some(signal) => signal,
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Signal {
        loop {
            // A read of one byte is done or not: nothing is lost where nobody waits for it any more.
            match self.delivered.read_u8().await.map(libc::c_int::from) {
                Ok(libc::SIGTERM | libc::SIGINT) => return Signal::Stop,
                Ok(libc::SIGUSR1) => return Signal::Pause,
                Ok(libc::SIGUSR2) => return Signal::Resume,
                Ok(libc::SIGHUP) => return Signal::Reload,
                Ok(_) => {}
                // The pipe is ours and stays open: there is no such error.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        WRITE_TO.store(-1, Ordering::SeqCst);
    }
}

fn refused(error: io::Error) -> Error {
    let message = format!("signals can't be caught: {error}");
    Error::new(ErrorKind::Transient, message)
}

/// Keeps the signals whose order counts from this thread and from those that it starts; to be called
/// before it starts any.
pub fn block() {
    let ordered = ordered();
    // SAFETY: the set is initialised. There is no error that this call could meet.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const ordered, std::ptr::null_mut()) };
}

/// Has a program start as from a shell: the signals that this process keeps from its threads reach it.
pub fn as_shells_do(command: &mut std::process::Command) {
    let ordered = ordered();
    let unblock = move || {
        // SAFETY: the set is initialised, and the call may be made between fork and exec.
        match unsafe {
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const ordered, std::ptr::null_mut())
        } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    };
    // SAFETY: between fork and exec it makes one system call alone, and allocates nothing.
    unsafe { std::os::unix::process::CommandExt::pre_exec(command, unblock) };
}

fn ordered() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set, and the numbers are those of signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in ORDERED {
            libc::sigaddset(set.as_mut_ptr(), number);
        }
        set.assume_init()
    }
}

/// The thread that takes those that are kept from all others.
fn take_in_turn() {
    block();
    let ordered = ordered();
    let mut number = 0;
    // SAFETY: the set is initialised, and the number has a place.
    while unsafe { libc::sigwait(&raw const ordered, &raw mut number) } == 0 {
        deliver(number);
    }
}

/// Called on any thread, between any two of its instructions: it may do nothing but this.
extern "C" fn deliver(number: libc::c_int) {
    let byte = number as u8;
    // SAFETY: write(2) and errno may be used in a signal handler; a full or closed pipe refuses.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(WRITE_TO.load(Ordering::SeqCst), (&raw const byte).cast(), 1);
        *errno = before;
    }
}

fn handle(number: libc::c_int) -> io::Result<()> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeroes are a valid sigaction, and every field that counts is set; `deliver` is safe in
    // a handler.
    let set = unsafe {
        let action = action.assume_init_mut();
        action.sa_sigaction = deliver as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        // While one is handled, the others wait: nested, they would be written in reverse.
        libc::sigfillset(&mut action.sa_mask);
        libc::sigaction(number, action, std::ptr::null_mut())
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
