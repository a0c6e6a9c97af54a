//! What there is of a file that is to be retried.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::FileState;
use postgres::Client;
use postgres::types::Type;

use crate::fs::{inbox_root, path_from_text};
use crate::ledger::known::{COLUMNS, Known};
use crate::postgres::classify;
use crate::settings::Pipeline;

/// What the ledger and the configuration say of it.
pub struct Seen {
    /// Its row.
    pub known: Known,
    /// Where it stands, as far as the ledger knows.
    pub stands: PathBuf,
    /// The ledger's own part of private names.
    pub tag: Arc<str>,
    /// What stands beside it on its account.
    pub companions: Vec<PathBuf>,
    /// The inbox, links followed.
    pub inbox: PathBuf,
    /// Where it belongs in the inbox.
    pub place: PathBuf,
    /// The file that stands there by now, where it is another one that has taken its place.
    pub replaced_by: Option<i64>,
    /// Whether a checkpoint is there for each of its lanes.
    pub has_checkpoints: bool,
    /// Whether its move back into the inbox has begun: the ledger has it elsewhere than where its
    /// reading began. (What was loaded by its name from elsewhere stays there.)
    pub moves_back: bool,
}

impl Seen {
    /// Where it stands once it is moved back, if that is still to be done.
    pub fn will_stand(&self) -> &Path {
        let ended = self.known.state == FileState::Skipped;
        match ended && self.known.archive_path.is_none() {
            true => &self.known.candidate.path,
            false => &self.place,
        }
    }
}

/// Reads it.
pub fn look(client: &mut Client, file: i64, pipeline: &Pipeline) -> Result<Seen> {
    let row = client
        .query_typed_opt(
            &format!(
                "select {COLUMNS}, f.load_path,
                        (select p.tag from ingestd.pipelines p where p.name = f.pipeline) as tag,
                        (select count(*) from ingestd.checkpoints c where c.file_id = f.file_id)
                        = (select p.partitions + 1 from ingestd.plans p where p.plan_id = f.plan_id)
                        as has_checkpoints,
                        (select max(n.file_id) from ingestd.files n
                         where n.pipeline = f.pipeline and n.path = f.path
                           and n.file_id > f.file_id and n.archived_at is null
                           and f.archived_at is null) as replaced_by
                 from ingestd.files f where f.file_id = $1"
            ),
            &[(&file, Type::INT8)],
        )
        .map_err(|error| classify(error, "reading the ledger"))?;
    let Some(row) = row else {
        let message = format!("there is no file {file} in the ledger");
        return Err(Error::new(ErrorKind::Configuration, message));
    };
    let known = Known::read(&row)?;
    let inbox = inbox_root(&pipeline.directory);
    let first = row.get::<_, Option<&str>>("load_path").map(path_from_text);
    let stands = match (&known.archive_path, known.archived) {
        (Some(path), true) => path.clone(),
        _ => known.candidate.path.clone(),
    };
    let path = &known.candidate.path;
    let moves_back = !path.starts_with(&inbox) && first.as_ref().is_some_and(|first| first != path);
    let place = match known.archived || moves_back {
        true => place(&inbox, path, first.as_deref()),
        // It was never moved away.
        false => path.clone(),
    };
    let tag = row.get::<_, Option<&str>>("tag").unwrap_or_default();
    Ok(Seen {
        tag: Arc::from(tag),
        companions: pipeline.companions.beside(&stands),
        stands,
        replaced_by: row.get("replaced_by"),
        place,
        has_checkpoints: row
            .get::<_, Option<bool>>("has_checkpoints")
            .unwrap_or(false),
        known,
        moves_back,
        inbox,
    })
}

/// PURE: where a file belongs: where it stood, as far as that is in the inbox of today.
fn place(inbox: &Path, path: &Path, first: Option<&Path>) -> PathBuf {
    let stood = [Some(path), first].into_iter().flatten();
    let mut inside = stood.filter(|path| path.starts_with(inbox));
    let name = first.unwrap_or(path).file_name();
    let otherwise = || inbox.join(name.unwrap_or_default());
    inside.next().map_or_else(otherwise, Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_where_it_stood() {
        let place = |path: &str, first: Option<&str>| {
            let place = place(Path::new("/in"), Path::new(path), first.map(Path::new));
            place.display().to_string()
        };
        assert_eq!(place("/in/x/a.csv", None), "/in/x/a.csv");
        assert_eq!(place("/bad/a-7.csv", Some("/in/x/a.csv")), "/in/x/a.csv");
        assert_eq!(place("/bad/a-7.csv", Some("/old/a.csv")), "/in/a.csv");
        assert_eq!(place("/old/a.csv", None), "/in/a.csv");
    }
}
