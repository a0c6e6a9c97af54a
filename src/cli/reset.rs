//! `ingestd reset`: forgets what a pipeline has loaded.

use ingestd_actors::error::{Error, ErrorKind, Result};
use tokio_postgres::types::Type;

use super::confirm;
use super::context::{ConfigArgs, connect_to_ledger, may_not_write};
use super::filters::check_pipeline;
use super::output::{count_of, harmless, print};
use crate::ledger::FORGET;
use crate::plan::LoadPlan;
use crate::postgres::{classify, quote};

/// Forget what a pipeline has loaded
///
/// Its files, their checkpoints and dead letters leave the ledger: files that are found again are
/// loaded again. The table stays unless told otherwise, and so does the list of the indexes that it
/// still lacks after an interrupted first load.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  ingestd reset ecommerce --drop-table --yes")]
pub struct ResetArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The pipeline
    #[arg(value_name = "PIPELINE")]
    pipeline: String,

    /// Drop the tables that it has loaded, too
    #[arg(long)]
    drop_table: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Runs the subcommand.
pub fn run(args: &ResetArgs) -> Result<()> {
    let mut connection = connect_to_ledger(&args.config.settings_or_defaults()?)?;
    check_pipeline(&mut connection.client, Some(&args.pipeline))?;
    let what = Forgotten::find(&mut connection.client, &args.pipeline)?;
    if !args.yes && !confirmed(&what, args)? {
        return print("nothing was changed\n");
    }
    let missing = forget(&mut connection.client, args, &what).map_err(|error| {
        // A table is dropped by its owner.
        match args.drop_table {
            true => error,
            false => may_not_write(error),
        }
    })?;
    let dropped = match args.drop_table {
        true => format!("; dropped {}", what.tables.join(", ")),
        false => String::new(),
    };
    let missing = match missing.as_slice() {
        [] => String::new(),
        names => format!(
            "; its next run or load builds what its table lacks: {}",
            harmless(&names.join(", "))
        ),
    };
    print(&format!(
        "pipeline {} is forgotten: {}{dropped}{missing}\n",
        args.pipeline,
        what.describe(),
    ))
}

/// What a reset takes away.
struct Forgotten {
    files: u64,
    dead_letters: u64,
    tables: Vec<String>,
}

impl Forgotten {
    fn find(client: &mut postgres::Client, pipeline: &str) -> Result<Forgotten> {
        let read = |error| classify(error, "reading the ledger");
        let row = client
            .query_typed_one(
                "select (select count(*) from ingestd.files where pipeline = $1),
                        (select count(*) from ingestd.dead_letters where pipeline = $1),
                        (select string_agg(format('process %s on host %s', process, host), ', '
                                           order by host, process)
                         from ingestd.live_instances where pipeline = $1)",
                &[(&pipeline, Type::TEXT)],
            )
            .map_err(read)?;
        if let Some(by) = row.get::<_, Option<String>>(2) {
            let by = harmless(&by);
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("pipeline {pipeline:?} is running: {by} loads it"),
            )
            .with_advice(format!(
                "`ingestd drain {pipeline}` first, which lets go of it"
            )));
        }
        let plans = client
            .query_typed(
                "select definition::text from ingestd.plans where pipeline = $1",
                &[(&pipeline, Type::TEXT)],
            )
            .map_err(read)?;
        let mut tables: Vec<String> = plans
            .iter()
            .filter_map(|row| serde_json::from_str::<LoadPlan>(row.get(0)).ok())
            .map(|plan| quote::table(&plan.table))
            .collect();
        tables.sort();
        tables.dedup();
        Ok(Forgotten {
            files: row.get::<_, i64>(0).cast_unsigned(),
            dead_letters: row.get::<_, i64>(1).cast_unsigned(),
            tables,
        })
    }

    fn describe(&self) -> String {
        format!(
            "{}, {}",
            count_of(self.files, "file"),
            count_of(self.dead_letters, "dead letter")
        )
    }
}

fn confirmed(what: &Forgotten, args: &ResetArgs) -> Result<bool> {
    let drops = if args.drop_table {
        format!(" and drop {}", what.tables.join(", "))
    } else {
        String::new()
    };
    let question = format!(
        "forget {} of pipeline {}{drops}?",
        what.describe(),
        args.pipeline
    );
    confirm::confirmed(&question, "reset")
}

/// Forgets it; the indexes that a table lacks which stays.
fn forget(
    client: &mut postgres::Client,
    args: &ResetArgs,
    what: &Forgotten,
) -> Result<Vec<String>> {
    let write = |error| classify(error, "resetting the pipeline");
    let mut transaction = client.transaction().map_err(write)?;
    if args.drop_table {
        for table in &what.tables {
            transaction
                .batch_execute(&format!("drop table if exists {table}"))
                .map_err(write)?;
        }
    }
    let staged = transaction
        .query_typed(
            "select to_regclass(format('ingestd.staged_%s', file_id))::text from ingestd.files
             where pipeline = $1 and to_regclass(format('ingestd.staged_%s', file_id)) is not null",
            &[(&args.pipeline, Type::TEXT)],
        )
        .map_err(write)?;
    for row in staged {
        let table: &str = row.get(0);
        transaction
            .batch_execute(&format!("drop table if exists {table}"))
            .map_err(write)?;
    }
    for statement in FORGET {
        transaction
            .execute_typed(statement, &[(&args.pipeline, Type::TEXT)])
            .map_err(write)?;
    }
    let missing = transaction
        .query_typed(
            "select name from ingestd.deferred_indexes where pipeline = $1 order by index_id",
            &[(&args.pipeline, Type::TEXT)],
        )
        .map_err(write)?;
    transaction.commit().map_err(write)?;
    Ok(missing.iter().map(|row| row.get(0)).collect())
}
