//! Which dead letters are meant: the same words for every subcommand.

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::super::filters::{check_pipeline, moment};
use super::super::find_file::find_file;
use crate::dead_letters::LetterFilter;

/// The words, but for the file, which is another one where a file is replayed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct MeantArgs {
    /// Only this pipeline's
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,

    /// Only those with this reason, such as field_count
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,

    /// Only those of this column
    #[arg(long, value_name = "COLUMN")]
    pub column: Option<String>,

    /// Only those that the server refused with this code, such as 23514
    #[arg(long, value_name = "CODE")]
    pub sqlstate: Option<String>,

    /// Only those that were found since then: so long ago, like 2h, or a time (UTC)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<String>,

    /// The same in one word: pipeline=, file=, record=, reason=, column= or sqlstate=
    #[arg(long = "where", value_name = "WHAT=VALUE", value_parser = condition)]
    pub conditions: Vec<(String, String)>,
}

/// The file and the record, where no other file is named.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FileArgs {
    /// Only those of this file, by its number or its path
    #[arg(value_name = "FILE")]
    of: Option<String>,

    /// Only this record of it
    #[arg(value_name = "RECORD")]
    pub record: Option<i64>,

    /// The same as FILE
    #[arg(long, value_name = "FILE", alias = "file-id", conflicts_with = "of")]
    file: Option<String>,
}

impl FileArgs {
    /// The file, whichever way it was named.
    pub fn named(&self) -> Option<&str> {
        self.of.as_deref().or(self.file.as_deref())
    }
}

const WORDS: [&str; 6] = ["pipeline", "file", "record", "reason", "column", "sqlstate"];

fn condition(text: &str) -> Result<(String, String), String> {
    let how = || format!("write one of {}=…", WORDS.join("=…, "));
    let (what, value) = text.split_once('=').ok_or_else(how)?;
    match WORDS.contains(&what) && !value.is_empty() {
        true => Ok((what.to_owned(), value.to_owned())),
        false => Err(how()),
    }
}

impl MeantArgs {
    /// The filter; `file` and `record` as they are named elsewhere.
    ///
    /// # Errors
    /// `Configuration` where the ledger does not know the pipeline or the file, or something is said
    /// twice.
    pub fn filter(
        &self,
        client: &mut postgres::Client,
        file: Option<&str>,
        record: Option<i64>,
    ) -> Result<LetterFilter> {
        let mut said = MeantArgs {
            conditions: Vec::new(),
            ..self.clone()
        };
        let (mut file, mut record) = (file.map(str::to_owned), record.map(|it| it.to_string()));
        for (what, value) in &self.conditions {
            let place = match what.as_str() {
                "pipeline" => &mut said.pipeline,
                "file" => &mut file,
                "record" => &mut record,
                "reason" => &mut said.reason,
                "column" => &mut said.column,
                _ => &mut said.sqlstate,
            };
            if place.replace(value.clone()).is_some() {
                return Err(wrong(format!("{what} is said twice")));
            }
        }
        check_pipeline(client, said.pipeline.as_deref())?;
        let record = record.map(|text| {
            let number = text.parse::<i64>();
            number.map_err(|_| wrong(format!("{text:?} is no number of a record")))
        });
        let filter = LetterFilter {
            file: file.map(|named| find_file(client, &named)).transpose()?,
            record: record.transpose()?,
            pipeline: said.pipeline,
            reason: said.reason,
            column: said.column,
            sqlstate: said.sqlstate,
            since: said.since,
            status: None,
        };
        match filter.record.is_some() && filter.file.is_none() {
            true => Err(wrong("a record is one of a file: name that too".to_owned())),
            false => Ok(filter),
        }
    }
}

pub fn wrong(message: String) -> Error {
    Error::new(ErrorKind::Configuration, message)
}
