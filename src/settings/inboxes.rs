//! Two pipelines must not take the same file.

use std::path::{Component, Path, PathBuf};

use super::Pipeline;
use super::glob;
use super::problems::Problems;

/// How a path lies to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nesting {
    /// It is the same.
    Same,
    /// It is somewhere below.
    Below,
    /// It is elsewhere.
    Apart,
}

/// How `inner` lies to `outer`, by their text.
pub(super) fn nesting(outer: &Path, inner: &Path) -> Nesting {
    let (outer, inner) = (plain(outer), plain(inner));
    if outer == inner {
        Nesting::Same
    } else if inner.starts_with(&outer) {
        Nesting::Below
    } else {
        Nesting::Apart
    }
}

/// Reports pipelines that would take the same file.
pub(super) fn check(pipelines: &[Pipeline], problems: &mut Problems<'_>) {
    for (index, pipeline) in pipelines.iter().enumerate() {
        for earlier in &pipelines[..index] {
            if share_a_directory(pipeline, earlier)
                && glob::overlap(&pipeline.pattern, &earlier.pattern)
            {
                problems.at(format!("pipelines.{}", pipeline.name)).problem(
                    "directory",
                    format!(
                        "pipeline {:?} would take the same files ({:?} there, {:?} here); give them directories or patterns of their own",
                        earlier.name, earlier.pattern, pipeline.pattern
                    ),
                );
            }
        }
    }
}

fn share_a_directory(a: &Pipeline, b: &Pipeline) -> bool {
    match nesting(&a.directory, &b.directory) {
        Nesting::Same => true,
        Nesting::Below => a.recursive,
        Nesting::Apart => b.recursive && nesting(&b.directory, &a.directory) == Nesting::Below,
    }
}

/// The path without `.` and, as far as text can tell, without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
