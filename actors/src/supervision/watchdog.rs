//! The last resort: a thread of actors that does not answer any more.

use std::sync::mpsc;
use std::time::Duration;

/// How many times within the limit it looks for an answer.
const PARTS: u32 = 4;

/// Watches the calling thread's actors from a thread of its own: where they don't run a small task
/// within `limit`, `give_up` is called there with how long that was. It should end the process.
///
/// Must be called from inside the runtime of the thread to be watched; ends with that runtime.
pub fn watch_thread(limit: Duration, give_up: impl FnOnce(Duration) + Send + 'static) {
    let (ping, mut pings) = tokio::sync::mpsc::unbounded_channel::<mpsc::Sender<()>>();
    tokio::task::spawn_local(async move {
        while let Some(answer) = pings.recv().await {
            // The watchdog may have stopped waiting: nobody to tell.
            let _ = answer.send(());
        }
    });
    let watch = move || {
        loop {
            std::thread::sleep(limit / PARTS);
            let (answer, answered) = mpsc::channel();
            if ping.send(answer).is_err() {
                return;
            }
            // In parts: where the whole process was stopped for a while, one part at most has run
            // out before the thread could answer.
            let mut parts = 0;
            loop {
                match answered.recv_timeout(limit / PARTS) {
                    Ok(()) => break,
                    Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    Err(mpsc::RecvTimeoutError::Timeout) => parts += 1,
                }
                if parts == PARTS {
                    return give_up(limit);
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(watch)
        .expect("a thread can be started");
}
