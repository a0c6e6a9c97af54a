//! Looking at the manifests of files that are about to be loaded.

use std::io;

use ingestd_actors::error::{ErrorKind, Result};
use ingestd_actors::model::FileId;
use slog::warn;

use tokio_postgres::types::Type;

use super::Core;
use super::admit::blocking;
use super::error::ledger_error;
use super::examined::Examined;
use super::known::to_unsigned;
use super::manifest::{Expected, LONGEST, Length, Manifest, parse};
use super::verdict::Decision;
use crate::fs::{companion_path, file_error, path_text, read_small};
use crate::postgres::Client;

/// What a manifest makes of a file.
enum Told {
    /// It is to be loaded, and this is to be found at its end.
    Expect(Option<Expected>),
    /// It is not complete yet.
    Wait(String),
    /// It can't be loaded.
    Refuse(String),
}

impl Core {
    /// Compares files with their manifests, where they come with one. What is not complete yet waits,
    /// whatever else was decided about what is there of it.
    pub(super) async fn compare(&self, client: &Client, examined: &mut [Examined]) -> Result<()> {
        for one in examined {
            let (is_loaded, parent) = match &one.decision {
                Decision::Load { .. } => (true, None),
                Decision::LoadTail(fact) => (true, Some(fact.known.file)),
                Decision::Continue(_) | Decision::Later(_) => continue,
                _ => (false, None),
            };
            let (path, size) = (&one.candidate.path, one.candidate.size);
            match self.expect(client, path, size, parent).await? {
                Told::Wait(reason) => one.decision = Decision::Later(reason),
                Told::Expect(expected) if is_loaded => one.expected = expected,
                Told::Refuse(reason) if is_loaded => {
                    one.decision = Decision::Quarantine(parent, reason);
                    one.again = None;
                }
                Told::Expect(_) | Told::Refuse(_) => {}
            }
        }
        Ok(())
    }

    /// Reads the manifest of a file of `size` bytes that is to be loaded, as the tail of `parent`
    /// where there is one.
    async fn expect(
        &self,
        client: &Client,
        path: &std::path::Path,
        size: u64,
        parent: Option<FileId>,
    ) -> Result<Told> {
        let Some(ending) = &self.companions.manifest else {
            return Ok(Told::Expect(None));
        };
        let manifest_path = companion_path(path, ending);
        let name = path_text(manifest_path.file_name().unwrap_or_default().as_ref());
        let reading = manifest_path.clone();
        let manifest = match blocking(move || read_small(&reading, LONGEST)).await? {
            Ok(content) => parse(&content),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.rules.named => {
                return Ok(Told::Wait(format!("its manifest {name} is gone")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "its manifest {name} is missing; put it beside the file"
            )),
            Err(error) => {
                let doing = format!("reading {}", path_text(&manifest_path));
                let kind = file_error(io::Error::from(error.kind()), "").kind();
                if kind == ErrorKind::Transient {
                    return Err(file_error(error, &doing));
                }
                Err(format!("its manifest {name} can't be read: {error}"))
            }
        };
        Ok(match manifest {
            Err(reason) => Told::Refuse(reason),
            Ok(manifest) => match manifest.length(size) {
                Length::Agrees => {
                    Told::Expect(Some(self.expected(client, manifest, parent).await?))
                }
                // Whoever named it has to hear of it; nobody will look again.
                Length::Short(reason) if !self.rules.named => self.wait(path, reason),
                Length::Short(reason) | Length::Long(reason) => Told::Refuse(reason),
            },
        }
        .noted(self, path))
    }

    fn wait(&self, path: &std::path::Path, reason: String) -> Told {
        if self.waits.is_news(path, &reason) {
            warn!(self.log, "file is not complete yet"; "path" => path_text(path), "reason" => &reason);
        }
        Told::Wait(reason)
    }

    /// A manifest counts the records of the whole file, a tail's those before it included.
    async fn expected(
        &self,
        client: &Client,
        manifest: Manifest,
        parent: Option<FileId>,
    ) -> Result<Expected> {
        let mut before = 0;
        if let Some(parent) = parent {
            let row = client
                .query_typed_one(
                    "with recursive chain as (
                         select f.file_id, f.records, coalesce(f.duplicate_of, f.parent_id) as before
                         from ingestd.files f where f.file_id = $1
                         union all
                         select f.file_id, f.records, coalesce(f.duplicate_of, f.parent_id)
                         from ingestd.files f join chain c on f.file_id = c.before)
                     select coalesce(sum(records), 0)::bigint from chain",
                    &[(&parent.0, Type::INT8)],
                )
                .await
                .map_err(|error| ledger_error(error, "counting the records before a tail"))?;
            before = to_unsigned(row.get(0));
        }
        Ok(Expected {
            records: manifest.records,
            before,
        })
    }
}

impl Told {
    /// What does not wait any more is forgotten.
    fn noted(self, core: &Core, path: &std::path::Path) -> Told {
        if !matches!(self, Told::Wait(_)) {
            core.waits.forget(path);
        }
        self
    }
}
