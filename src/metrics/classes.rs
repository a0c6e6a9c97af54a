//! PURE: the values that labels may have: short lists, so that no fault makes more series.

/// What becomes of a row.
pub(super) const OUTCOMES: [&str; 6] = [
    "inserted",
    "updated",
    "unchanged",
    "duplicate",
    "deleted",
    "filtered",
];

/// The classes of SQLSTATEs that are told apart; [`class_of`] gives one of them.
pub(super) const CLASSES: [&str; 16] = [
    "08", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX", "other",
    "none",
];

/// The children that may be restarted; [`child_of`] gives one of them.
pub(super) const CHILDREN: [&str; 10] = [
    "pipeline",
    "directory watcher",
    "file reader",
    "batch accumulator",
    "writers",
    "writer",
    "dead letters",
    "checkpointer",
    "index builder",
    "sweeper",
];

/// The children of the service itself, and what runs beside them.
pub(super) const OWN: [&str; 11] = [
    "control",
    "private server",
    "notes",
    "held-up notes",
    "alerts",
    "alert sinks",
    "replays",
    "metrics",
    "http listener",
    "snapshots",
    "rates",
];

/// The class of an error by its code: the first two characters of a SQLSTATE; `none` where it is no
/// SQLSTATE, since there was no answer of a server at all.
pub(super) fn class_of(code: Option<&str>) -> &'static str {
    let Some(class) = code
        .filter(|code| code.len() == 5)
        .and_then(|it| it.get(..2))
    else {
        return "none";
    };
    let known = CLASSES.iter().find(|known| **known == class);
    known.copied().unwrap_or("other")
}

/// Whether an error says that a lock was not to be had: in time, or at all since each waited for the
/// other.
pub(super) fn is_lock(code: Option<&str>) -> bool {
    matches!(code, Some("55P03" | "40P01"))
}

/// What a child is called in a label: a writer without its number.
pub(super) fn child_of(name: &str) -> &'static str {
    let known = CHILDREN.iter().find(|known| **known == name);
    match known {
        Some(known) => known,
        None if name.starts_with("writer ") => "writer",
        // The supervisor itself bears the pipeline's name.
        None => "pipeline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_from_short_lists() {
        assert_eq!(class_of(Some("57P01")), "57");
        assert_eq!(class_of(Some("0A000")), "other");
        assert_eq!(class_of(Some("ENOSPC")), "none");
        assert_eq!(class_of(None), "none");
        for code in ["äöü", "é1234", "", "12345"] {
            assert!(CLASSES.contains(&class_of(Some(code))), "{code}");
        }
        assert_eq!(child_of("writer 17"), "writer");
        assert_eq!(child_of("writers"), "writers");
        assert_eq!(child_of("events"), "pipeline");
        assert!(is_lock(Some("55P03")) && !is_lock(Some("57014")) && !is_lock(None));
    }
}
