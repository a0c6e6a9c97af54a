//! Looking at contents: fingerprints of candidates, and proofs that they are what is known.
//!
//! All of it blocks, and runs on threads that may.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ingestd_actors::model::{Candidate, HashMark};

use super::known::Known;
use super::verdict::{Fact, Relation, relation, same_metadata};
use crate::fs::{
    ContentHasher, Fingerprint, candidate_at, candidate_of, edge_hashes, fingerprint, hash_prefix,
    open_regular,
};
use crate::plan::{Dialect, HEAD};

/// What looking at a candidate has shown.
pub enum Look {
    /// It is as the scan saw it.
    Fingerprint(Fingerprint),
    /// It is no longer there.
    Vanished,
    /// It is not what the scan saw: somebody writes it.
    Changing,
    /// It can't be read.
    Unreadable(String),
    /// Nothing can be read just now, through no fault of the file.
    Failed(io::Error),
}

/// Takes a candidate's fingerprint.
pub fn look_at(candidate: &Candidate) -> Look {
    match fingerprint(candidate) {
        Ok(Some(found)) => Look::Fingerprint(found),
        Ok(None) => Look::Changing,
        Err(error) => judge(error),
    }
}

fn judge(error: io::Error) -> Look {
    use ingestd_actors::error::ErrorKind;
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Vanished,
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => {
            Look::Unreadable(format!("it can't be read: {error}"))
        }
        kind if crate::fs::file_error(kind.into(), "").kind() == ErrorKind::Transient => {
            Look::Failed(error)
        }
        _ => Look::Unreadable(format!("it can't be read: {error}")),
    }
}

/// What is true of a candidate and the known files it may be related to.
///
/// # Errors
/// Where the candidate can't be read any more.
pub fn gather(
    candidate: &Candidate,
    fingerprint: &Fingerprint,
    known: Vec<Known>,
    dialect: &Dialect,
) -> io::Result<Vec<Fact>> {
    let mut facts = Vec::new();
    let mut file = None;
    for known in known {
        let relation = relation(candidate, fingerprint, &known);
        if relation == Relation::None {
            continue;
        }
        if file.is_none() {
            file = Some(open_regular(&candidate.path)?);
        }
        if let Some(file) = &file {
            let mut fact = look_closer(candidate, fingerprint, file, known, relation)?;
            if relation == Relation::MayContinue {
                fact.plain = is_plain(file, dialect)?;
            }
            facts.push(fact);
        }
    }
    // What was hashed must be what the scan saw.
    if let Some(file) = &file
        && &candidate_of(candidate.path.clone(), &file.metadata()?) != candidate
    {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(facts)
}

fn look_closer(
    candidate: &Candidate,
    fingerprint: &Fingerprint,
    file: &File,
    known: Known,
    relation: Relation,
) -> io::Result<Fact> {
    let length = known.candidate.size;
    let same_path = candidate.path == known.candidate.path;
    let untouched = same_path && same_metadata(candidate, &known.candidate);
    let (proven, mark) = match relation {
        Relation::Replaces | Relation::None => (false, None),
        Relation::Remains => (true, None),
        Relation::MayEqual if known.is_unfinished() && untouched => (true, None),
        Relation::MayEqual if fingerprint.content.is_some() && known.content.is_some() => (
            fingerprint.content.as_ref().map(|hash| &hash[..]) == known.content.as_deref(),
            None,
        ),
        Relation::MayEqual | Relation::MayContinue => prove(file, &known)?,
    };
    let line_ends = relation == Relation::MayContinue && {
        let mut last = [0];
        file.read_exact_at(&mut last, length.saturating_sub(1))?;
        last == *b"\n"
    };
    let still_there = candidate_at(&known.candidate.path)?
        .is_some_and(|now| same_metadata(&now, &known.candidate));
    Ok(Fact {
        known,
        relation,
        proven,
        still_there,
        line_ends,
        mark,
        plain: true,
    })
}

/// Whether a file is text as it stands, by its first bytes.
fn is_plain(file: &File, dialect: &Dialect) -> io::Result<bool> {
    let length = file.metadata()?.len().min(HEAD as u64) as usize;
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head[..length], 0)?;
    Ok(dialect.is_plain(&head[..length]))
}

/// Whether a file begins with the content that is known: by the hash of all of it, or, where that
/// was never taken, by its ends and the hash of what was read of it.
pub fn prove(file: &File, known: &Known) -> io::Result<(bool, Option<HashMark>)> {
    let length = known.candidate.size;
    // Cheap, and enough to tell most files apart.
    let (head, tail) = edge_hashes(file, length)?;
    if known.head != head || known.tail != tail {
        return Ok((false, None));
    }
    if let Some(content) = &known.content {
        let found = hash_prefix(file, length)?;
        return Ok((found.finish()[..] == content[..], found.mark()));
    }
    let Some(mark) = known.mark.filter(|mark| mark.offset <= length) else {
        return Ok((true, None));
    };
    let found: ContentHasher = hash_prefix(file, mark.offset)?;
    Ok((found.mark() == Some(mark), found.mark()))
}
