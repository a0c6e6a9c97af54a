//! PURE: the next step of a file on its way out of the inbox, from what stands where.

use crate::settings::Collision;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum There {
    /// Nothing.
    Nothing,
    /// The file; at the target: one that may be it.
    Ours,
    /// The file, but with another length or time than it had.
    Changed,
    /// Something else.
    Other,
}

/// What stands at the three places of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// At the path where it was loaded.
    pub source: There,
    /// At the private name beside it.
    pub private: There,
    /// At the target; nothing where there is none.
    pub target: There,
}

/// What is to become of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It goes to the target.
    Target(Collision),
    /// It is deleted.
    Nowhere,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Rename it to the private name.
    Take,
    /// Take away its first name, where a rename was made of two steps.
    DropSource,
    /// Give it its name at the target: by a rename, or by a copy where that can't be.
    Place,
    /// The same, in place of what has the name.
    Replace,
    /// One that may be it stands at the target too. If that holds the same, take the private name
    /// away.
    DropPrivate,
    /// The same before it was touched: take it only if the target holds the same.
    TakeIfSame,
    /// Delete it.
    Unlink,
    /// Nothing of it is left, but the target may be it: look.
    Recognise,
    /// Give it its name back, and let it stay for now.
    HoldBack,
    /// It stays for now.
    Hold,
    /// It changed: give it its name back.
    PutBack,
    /// It changed, and stands where it stood.
    Refuse,
    /// The target has another file: another target is needed.
    Collides,
    /// It is gone.
    Missing,
}

/// The next step, whoever did those before.
pub fn next(seen: Seen, aim: Aim) -> Step {
    use There::{Changed, Nothing, Other, Ours};
    match (seen.private, seen.source, seen.target) {
        (Ours, Ours, _) => Step::DropSource,
        (Changed | Other, _, _) => Step::PutBack,
        (Ours, _, target) => match aim {
            Aim::Nowhere => Step::Unlink,
            Aim::Target(collision) => match target {
                Nothing => Step::Place,
                Ours => Step::DropPrivate,
                Changed | Other => taken(collision),
            },
        },
        (Nothing, Ours, target) => match (aim, target) {
            (Aim::Target(Collision::Keep), Ours) => Step::TakeIfSame,
            (Aim::Target(Collision::Keep | Collision::Fail), Ours | Changed | Other) => Step::Hold,
            _ => Step::Take,
        },
        (Nothing, _, Ours) => Step::Recognise,
        (Nothing, Changed, _) => Step::Refuse,
        (Nothing, Nothing | Other, _) => Step::Missing,
    }
}

/// The next step of a file under its private name whose target has another one.
pub fn taken(collision: Collision) -> Step {
    match collision {
        Collision::Rename => Step::Collides,
        Collision::Replace => Step::Replace,
        Collision::Keep | Collision::Fail => Step::HoldBack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: [There; 4] = [There::Nothing, There::Ours, There::Changed, There::Other];

    fn all() -> impl Iterator<Item = (Seen, Aim)> {
        let aims = [
            Aim::Nowhere,
            Aim::Target(Collision::Rename),
            Aim::Target(Collision::Replace),
            Aim::Target(Collision::Keep),
            Aim::Target(Collision::Fail),
        ];
        let seen = THERE.into_iter().flat_map(|source| {
            THERE.into_iter().flat_map(move |private| {
                THERE.into_iter().map(move |target| Seen {
                    source,
                    private,
                    target,
                })
            })
        });
        seen.flat_map(move |seen| aims.into_iter().map(move |aim| (seen, aim)))
    }

    #[test]
    fn nothing_is_taken_away_that_is_not_the_file_as_it_was_loaded() {
        for (seen, aim) in all() {
            let step = next(seen, aim);
            match step {
                Step::Unlink | Step::Place | Step::Replace | Step::DropPrivate => {
                    assert_eq!(seen.private, There::Ours, "{seen:?} {aim:?}: {step:?}");
                }
                Step::Take | Step::TakeIfSame | Step::DropSource => {
                    assert_eq!(seen.source, There::Ours, "{seen:?} {aim:?}: {step:?}");
                }
                _ => {}
            }
        }
    }

    #[test]
    fn only_replace_replaces_and_only_delete_deletes() {
        for (seen, aim) in all() {
            let step = next(seen, aim);
            assert!(step != Step::Replace || aim == Aim::Target(Collision::Replace));
            assert!(step != Step::Unlink || aim == Aim::Nowhere);
        }
    }

    #[test]
    fn what_is_half_way_is_never_left_there() {
        for (seen, aim) in all().filter(|(seen, _)| seen.private != There::Nothing) {
            let step = next(seen, aim);
            assert!(
                !matches!(step, Step::Hold | Step::Refuse | Step::Missing),
                "{seen:?}"
            );
        }
    }
}
