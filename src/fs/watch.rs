//! Events of the file system, as hints: which files were closed, and that a scan may be worth it.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::ready::Closed;

/// What the events of a directory have told so far; shared with the thread that hears them.
#[derive(Default)]
pub struct Hints {
    closed: Mutex<Closed>,
    changed: Notify,
}

impl Hints {
    /// The files whose writer is known to have ended.
    pub fn closed(&self) -> MutexGuard<'_, Closed> {
        // A set of hints can't be left half changed in a way that matters.
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves once something may have changed since it last resolved.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Wakes whoever waits in [`Hints::changed`], or the next one who does.
    pub fn wake(&self) {
        self.changed.notify_one();
    }

    /// Called on the watcher's thread: takes a lock that is never held over I/O.
    fn hear(&self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            // What was missed is not known; a scan is the truth.
            return self.wake();
        };
        if event.need_rescan() {
            return self.wake();
        }
        // What stands under such a name is never taken; files on their way to the archive do.
        if event.paths.iter().all(|path| is_hidden(path)) && !event.paths.is_empty() {
            return;
        }
        match (event.kind, event.paths.as_slice()) {
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), [path])
            | (EventKind::Modify(ModifyKind::Name(RenameMode::To)), [path])
            | (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [_, path]) => {
                self.closed().closed(path.clone());
                self.wake();
            }
            (EventKind::Modify(ModifyKind::Data(_)), [path]) => self.closed().written(path),
            (EventKind::Create(CreateKind::File | CreateKind::Folder | CreateKind::Any), _) => {
                self.wake();
            }
            _ => {}
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_encoded_bytes);
    name.is_some_and(|name| name.starts_with(b"."))
}

/// Watches a directory for as long as the watcher lives.
///
/// # Errors
/// Where the file system has no events, or a limit of the system is reached.
pub fn watch(
    directory: &Path,
    recursive: bool,
    hints: Arc<Hints>,
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = RecommendedWatcher::new(
        move |event| hints.hear(event),
        Config::default().with_follow_symlinks(false),
    )?;
    let mode = match recursive {
        true => RecursiveMode::Recursive,
        false => RecursiveMode::NonRecursive,
    };
    watcher.watch(directory, mode)?;
    Ok(watcher)
}
