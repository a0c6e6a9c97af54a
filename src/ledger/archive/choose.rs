//! Names for files that leave.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Departing, Destiny};
use crate::fs::archive::{ATTEMPTS, Destination, Goal, private_path, target};
use crate::fs::open_regular;
use crate::ledger::departures::Note;
use crate::plan::Dialect;
use crate::settings::Collision;

/// What was chosen for a group.
#[derive(Default)]
pub struct Chosen {
    /// The files with what is to become of each.
    pub named: Vec<(Departing, Goal)>,
    /// Those for which no name is free.
    pub nameless: Vec<Departing>,
    /// What of it is to be noted; what was noted before too, since that takes it in hand.
    pub notes: Vec<Note>,
}

/// Finds each file a name; where others are not to be touched, one that is free as far as one can
/// see: the rename makes sure.
pub fn choose(departing: Vec<Departing>, inbox: &Path) -> Chosen {
    let mut taken: HashSet<PathBuf> = departing
        .iter()
        .filter_map(|one| one.target.clone())
        .collect();
    let mut chosen = Chosen::default();
    for mut one in departing {
        let private = private_path(&one.file.candidate.path, &one.tag, one.file.file);
        // Until its end, one that is to be deleted is noted under its private name.
        let noted = one.target.take();
        if noted.as_ref() == Some(&private) {
            chosen.notes.push(one.note(private));
            chosen.named.push((one, Goal::Delete));
            continue;
        }
        let collision = one.collision();
        if let Some(target) = noted {
            chosen.notes.push(one.note(target.clone()));
            chosen.named.push((one, Goal::To { target, collision }));
            continue;
        }
        let Destiny::Goes { into, compress, .. } = &one.way else {
            if matches!(one.way, Destiny::Stays) {
                // Its target was taken by another file, and the configuration names no other.
                chosen.nameless.push(one);
                continue;
            }
            chosen.notes.push(one.note(private));
            chosen.named.push((one, Goal::Delete));
            continue;
        };
        let dates = one.dates();
        let to = Destination {
            into,
            dates: dates.as_deref(),
            inbox,
            compressed: *compress && !is_compressed(&one, &private),
        };
        let source = &one.file.candidate.path;
        let name = |attempt| target(to, source, one.file.file, attempt);
        let free = (one.attempt..ATTEMPTS).find_map(|attempt| {
            let name = name(attempt);
            let free = !taken.contains(&name) && std::fs::symlink_metadata(&name).is_err();
            free.then_some((attempt, name))
        });
        let found = match collision {
            Collision::Rename => free,
            _ => Some((0, name(0))),
        };
        match found {
            Some((attempt, target)) => {
                one.attempt = attempt + 1;
                taken.insert(target.clone());
                chosen.notes.push(one.note(target.clone()));
                chosen.named.push((one, Goal::To { target, collision }));
            }
            None => chosen.nameless.push(one),
        }
    }
    chosen
}

/// Whether a file is compressed as it stands, by its first bytes; not where it is gone.
fn is_compressed(one: &Departing, private: &Path) -> bool {
    let mut head = [0; 4];
    let read = match &one.file.handle {
        Some(handle) => handle.read_exact_at(&mut head, 0),
        None => open_regular(&one.file.candidate.path)
            .or_else(|_| open_regular(private))
            .and_then(|mut file: File| file.read_exact(&mut head)),
    };
    read.is_ok() && Dialect::default().archive(&head).is_some()
}
