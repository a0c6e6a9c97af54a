//! Files that are over their error budget: QUARANTINED, with what was counted, and the last dead letters.

use ingestd_actors::error::Result;
use ingestd_actors::failpoint::{Step, pass};
use ingestd_actors::flow::{Budget, Known};
use ingestd_actors::model::{DeadLetter, Epoch, FileId, Lane, OverBudget};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::Core;
use super::error::{fenced, ledger_error};
use super::known::{to_signed, unsigned};
use super::notes::{end_files, keep_checkpoints, lock_checkpoints, lock_files};
use crate::postgres::dead_letters;
use crate::postgres::stages::drop_tables;

/// A limit that was passed.
pub(super) struct Passed {
    limit: String,
    records: Known,
}

impl Passed {
    /// That of a file that was read to its end, if it has passed any.
    pub fn at_end(budget: &Budget, rejected: u64, records: u64) -> Option<Passed> {
        let records = Known::All(records);
        let limit = budget.passed(rejected, records)?;
        Some(Passed { limit, records })
    }

    /// PURE: the reason, for people.
    fn reason(&self, found: &Found) -> String {
        let of = match self.records {
            Known::SoFar(records) => format!("the first {records} records"),
            Known::All(records) => format!("its {records} records"),
        };
        let commonest = found.commonest.as_ref().map_or_else(String::new, |it| {
            let column = it.column.as_ref();
            let column = column.map_or_else(String::new, |name| format!(" in column {name:?}"));
            match it.count {
                all if all == found.rejected => format!(", for {}{column}", it.reason),
                count => format!(", {count} of them for {}{column}", it.reason),
            }
        });
        let loaded = match found.loaded {
            0 => "none of its rows is in the table".to_owned(),
            1 => "1 of its records is in the table already".to_owned(),
            loaded => format!("{loaded} of its records are in the table already"),
        };
        format!(
            "over its error budget ({}): {} of {of} can't be loaded{commonest}; {loaded}",
            self.limit, found.rejected
        )
    }
}

/// What the ledger has counted of a file.
struct Found {
    rejected: u64,
    loaded: u64,
    commonest: Option<Commonest>,
}

struct Commonest {
    reason: String,
    column: Option<String>,
    count: u64,
}

impl Core {
    pub(super) async fn give_up_over_budget(
        &self,
        file: FileId,
        epoch: Epoch,
        over: OverBudget,
    ) -> Result<String> {
        self.lease.check().await?;
        let failed = |error| ledger_error(error, "giving up a file");
        let mut client = self.database.client().await?;
        let transaction = self.database.begin(&mut client).await?;
        let ids = vec![file.0];
        lock_files(&transaction, &ids).await?;
        lock_checkpoints(&transaction, &ids).await?;
        let known = transaction
            .query_typed_opt(
                "select state in ('SCHEDULED', 'READING', 'COMPLETED') and epoch = $2,
                        state = 'QUARANTINED' and epoch - 1 = $2, coalesce(reason, '')
                 from ingestd.files where file_id = $1",
                &[(&file.0, Type::INT8), (&epoch.0, Type::INT8)],
            )
            .await
            .map_err(failed)?;
        let (open, before, reason) = match &known {
            Some(row) => (row.get(0), row.get(1), row.get(2)),
            None => (false, false, ""),
        };
        if before {
            return Ok(reason.to_owned());
        }
        if !open {
            return Err(fenced(format!("file {} has a newer claim", file.0)));
        }
        let OverBudget {
            limit,
            records,
            at_end,
            dead_letters,
        } = over;
        bury(&transaction, &self.pipeline, file, &dead_letters).await?;
        let passed = Passed {
            limit,
            records: match at_end {
                true => Known::All(records),
                false => Known::SoFar(records),
            },
        };
        let reason = quarantine(&transaction, file, epoch, &passed).await?;
        pass(Step::GiveUpCommit).await?;
        transaction.commit().await.map_err(failed)?;
        pass(Step::GiveUpCommitted).await?;
        Ok(reason)
    }
}

/// Stores dead letters, and counts them in the rejects' lane, whose checkpoint stays.
async fn bury(
    transaction: &Transaction<'_>,
    pipeline: &str,
    file: FileId,
    letters: &[DeadLetter],
) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let count = to_signed(letters.len() as u64);
    let records: Vec<i64> = letters.iter().map(|it| to_signed(it.record)).collect();
    let letters: Vec<_> = letters.iter().map(|letter| (file, letter)).collect();
    dead_letters::store(transaction.client(), pipeline, &letters).await?;
    transaction
        .execute_typed(
            "with beyond as (
                 update ingestd.dead_letters set beyond = true
                 where file_id = $1 and record = any($4))
             update ingestd.checkpoints set rejected = rejected + $3
             where file_id = $1 and lane = $2",
            &[
                (&file.0, Type::INT8),
                (&Lane::Rejects.number(), Type::INT4),
                (&count, Type::INT8),
                (&records, Type::INT8_ARRAY),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "counting dead letters"))?;
    Ok(())
}

/// Makes a file QUARANTINED whose locks are held and whose claim is known to hold; the reason.
pub(super) async fn quarantine(
    transaction: &Transaction<'_>,
    file: FileId,
    epoch: Epoch,
    passed: &Passed,
) -> Result<String> {
    let reason = passed.reason(&found(transaction, file).await?);
    let ids = vec![file.0];
    transaction
        .execute_typed(
            &end_files("'QUARANTINED'", "$2", "f.epoch = $3", "f.epoch + 1"),
            &[
                (&ids, Type::INT8_ARRAY),
                (&reason, Type::TEXT),
                (&epoch.0, Type::INT8),
            ],
        )
        .await
        .map_err(|error| ledger_error(error, "giving up a file"))?;
    keep_checkpoints(transaction, &ids).await?;
    drop_tables(transaction, &ids).await?;
    Ok(reason)
}

async fn found(transaction: &Transaction<'_>, file: FileId) -> Result<Found> {
    let failed = |error| ledger_error(error, "adding up a file that is over its budget");
    let sums = transaction
        .query_typed_one(
            "select coalesce(sum(rejected), 0)::bigint as rejected,
                    coalesce(sum(inserted + updated + unchanged + duplicate + deleted), 0)::bigint
                        as loaded
             from ingestd.checkpoints where file_id = $1",
            &[(&file.0, Type::INT8)],
        )
        .await
        .map_err(failed)?;
    let commonest = transaction
        .query_typed_opt(
            "select reason, column_name, count(*) as count from ingestd.dead_letters
             where file_id = $1 group by reason, column_name
             order by count desc, reason, column_name limit 1",
            &[(&file.0, Type::INT8)],
        )
        .await
        .map_err(failed)?;
    Ok(Found {
        rejected: unsigned(&sums, "rejected"),
        loaded: unsigned(&sums, "loaded"),
        commonest: commonest.map(|row| Commonest {
            reason: row.get("reason"),
            column: row.get("column_name"),
            count: unsigned(&row, "count"),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(loaded: u64, column: Option<&str>, count: u64) -> Found {
        Found {
            rejected: 11,
            loaded,
            commonest: Some(Commonest {
                reason: "invalid_value".to_owned(),
                column: column.map(str::to_owned),
                count,
            }),
        }
    }

    #[test]
    fn the_reason_says_how_many_of_how_many_and_why_most() {
        let passed = Passed {
            limit: "max_errors = 10".to_owned(),
            records: Known::SoFar(3_400),
        };
        assert_eq!(
            passed.reason(&found(3_000, Some("price"), 9)),
            "over its error budget (max_errors = 10): 11 of the first 3400 records can't be loaded, \
             9 of them for invalid_value in column \"price\"; 3000 of its records are in the table \
             already"
        );
        let budget = Budget {
            max_errors: Some(10),
            ..Budget::default()
        };
        assert!(Passed::at_end(&budget, 10, 40).is_none());
        let passed = Passed::at_end(&budget, 11, 40).expect("one too many");
        assert_eq!(
            passed.reason(&found(0, None, 11)),
            "over its error budget (max_errors = 10): 11 of its 40 records can't be loaded, \
             for invalid_value; none of its rows is in the table"
        );
    }
}
