//! What is known of a file: how its records are split, and what was derived from it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::FileId;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::split::{FieldText, split};
use crate::fs::{open_regular, path_from_text};
use crate::plan::{Dialect, LoadPlan};
use crate::postgres::classify;
use crate::source::{Origin, read_file_header};

/// How a file was loaded.
#[derive(Clone, Debug)]
pub struct Form {
    /// Its number.
    pub file: i64,
    /// Where it stood.
    pub path: String,
    /// Its pipeline.
    pub pipeline: String,
    /// The plan that it was loaded under.
    pub plan: LoadPlan,
    /// The plan's number.
    pub plan_id: i64,
    /// The names of its fields, none where it has no header; `None` where nobody knows them.
    pub header: Option<Vec<String>>,
    /// What columns that are derived from the file had.
    pub origin: Origin,
}

impl Form {
    /// The names of its fields as they stand in an export: those of its header, or `field_1` and so on.
    ///
    /// # Errors
    /// `Configuration` where its header is not known.
    pub fn names(&self) -> Result<Vec<String>> {
        let header = self.known_header()?;
        if self.plan.dialect.header {
            return Ok(header.to_vec());
        }
        let width = self.plan.layout(&[]).map_or(0, |layout| layout.width);
        Ok((1..=width)
            .map(|number| format!("field_{number}"))
            .collect())
    }

    /// The header.
    ///
    /// # Errors
    /// See [`Form::names`].
    pub fn known_header(&self) -> Result<&[String]> {
        self.header.as_deref().ok_or_else(|| {
            let message = format!("the header of file {} is not known", self.file);
            Error::new(ErrorKind::Configuration, message).with_advice(
                "it was loaded by an older ingestd, and does not stand where the ledger says; put it back there",
            )
        })
    }

    /// The fields of a record as they are exported; `None` where it can't be split into those of its
    /// header.
    pub fn exported(&self, raw: &[u8], is_cut: bool) -> Option<Vec<FieldText>> {
        let names = self.names().ok()?;
        let fields = split(raw, &self.plan.dialect).filter(|_| !is_cut)?;
        (fields.len() == names.len()).then_some(fields)
    }

    /// Whether records of both files have the same fields and are split alike.
    pub fn is_like(&self, other: &Form) -> bool {
        (self.plan_id, &self.header) == (other.plan_id, &other.header)
    }
}

/// What is known of these files; those that were never planned are left out.
///
/// # Errors
/// What the server says; `Configuration` where a plan can't be read.
pub async fn forms(client: &Client, files: &[i64]) -> Result<BTreeMap<i64, Form>> {
    let rows = client
        .query_typed(
            "select f.file_id, f.path, f.archive_path, f.pipeline, f.plan_id,
                    p.definition::text as definition, h.names::text as names,
                    coalesce(f.load_path, f.path) as first_path,
                    to_char(coalesce(f.load_time, f.started_at, f.discovered_at) at time zone 'UTC',
                            'YYYY-MM-DD HH24:MI:SS.US\"+00\"') as load_time
             from ingestd.files f join ingestd.plans p using (plan_id)
             left join ingestd.headers h using (header_id)
             where f.file_id = any($1)",
            &[(&files, Type::INT8_ARRAY)],
        )
        .await
        .map_err(|error| classify(error, "reading how files were loaded"))?;
    let mut forms = BTreeMap::new();
    for row in &rows {
        let form = form(row).await?;
        forms.insert(form.file, form);
    }
    Ok(forms)
}

async fn form(row: &Row) -> Result<Form> {
    let file: i64 = row.get("file_id");
    let plan: LoadPlan = serde_json::from_str(row.get("definition")).map_err(|error| {
        let message = format!("the plan of file {file} can't be read");
        Error::new(ErrorKind::Configuration, message)
            .with_advice("run the ingestd that wrote it")
            .with_source(error)
    })?;
    let stored: Option<&str> = row.get("names");
    let header = match stored.map(serde_json::from_str::<Vec<String>>) {
        Some(Ok(names)) => Some(names),
        _ if !plan.dialect.header => Some(Vec::new()),
        // Files that an older ingestd has loaded.
        _ => {
            let places = [row.get::<_, Option<&str>>("archive_path"), row.get("path")];
            let places = places.into_iter().flatten().map(path_from_text).collect();
            header_at(places, plan.dialect.clone()).await
        }
    };
    let first_path: &str = row.get("first_path");
    Ok(Form {
        file,
        path: row.get("path"),
        pipeline: row.get("pipeline"),
        plan_id: row.get("plan_id"),
        plan,
        header,
        origin: Origin::new(
            FileId(file),
            &path_from_text(first_path),
            row.get("load_time"),
        ),
    })
}

async fn header_at(places: Vec<PathBuf>, dialect: Dialect) -> Option<Vec<String>> {
    let look = move || {
        let mut files = places.iter().filter_map(|path| open_regular(path).ok());
        files.find_map(|file| Some(read_file_header(&file, &dialect).ok()?.names))
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}
