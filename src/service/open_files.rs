//! How many files the process may hold open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit for open files to the hard one: a pipeline holds each file open from its
/// first record to the archive, a few hundred small ones at a time, and the usual soft limit of 1,024
/// is for programs that call `select` (see setrlimit(2) and `LimitNOFILE` in systemd.exec(5)).
///
/// Where it can't be raised, files wait for each other by an error that passes.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
}
