//! Plans in the ledger: each different one is stored once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::Plan;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Transaction};

use super::error::ledger_error;
use crate::plan::LoadPlan;

/// More plans than this are not remembered: a new one starts the memory over.
const MOST: usize = 256;

/// The plans that were met last, by their number.
#[derive(Default)]
pub struct Plans {
    by_id: Mutex<HashMap<i64, Arc<Plan>>>,
}

/// What the tree has to know of a definition.
#[derive(Default, serde::Deserialize)]
struct Whole {
    #[serde(default)]
    all_or_nothing: bool,
}

/// A plan on its way into the ledger.
pub struct NewPlan {
    /// What makes it different from others.
    pub digest: Vec<u8>,
    definition: String,
    partitions: i32,
}

impl NewPlan {
    /// A plan as it is stored.
    ///
    /// # Errors
    /// `Bug` where it can't be written as JSON.
    pub fn new(plan: &LoadPlan) -> Result<NewPlan> {
        let definition = serde_json::to_string(plan).map_err(|error| {
            Error::new(ErrorKind::Bug, "a plan can't be written as JSON").with_source(error)
        })?;
        Ok(NewPlan {
            digest: blake3::hash(definition.as_bytes()).as_bytes().to_vec(),
            definition,
            partitions: i32::from(plan.partitions),
        })
    }
}

impl Plans {
    /// Stores plans that are not there yet, and returns all of them by digest.
    ///
    /// # Errors
    /// What the server says.
    pub async fn store(
        &self,
        transaction: &Transaction<'_>,
        pipeline: &str,
        plans: &HashMap<Vec<u8>, NewPlan>,
    ) -> Result<HashMap<Vec<u8>, Arc<Plan>>> {
        if plans.is_empty() {
            return Ok(HashMap::new());
        }
        let failed = |error| ledger_error(error, "storing a plan");
        let mut sorted: Vec<&NewPlan> = plans.values().collect();
        sorted.sort_by(|a, b| a.digest.cmp(&b.digest));
        let digests: Vec<&[u8]> = sorted.iter().map(|plan| &plan.digest[..]).collect();
        let partitions: Vec<i32> = sorted.iter().map(|plan| plan.partitions).collect();
        let definitions: Vec<&str> = sorted.iter().map(|plan| &plan.definition[..]).collect();
        // In one statement, whose parts see the table as it was before: a plan that is new comes from
        // the first of them; one that another transaction adds meanwhile, from asking again.
        let statement = "with new as (
                 insert into ingestd.plans (pipeline, digest, partitions, definition)
                 select $1, n.digest, n.partitions, n.definition::jsonb
                 from unnest($2::bytea[], $3::integer[], $4::text[])
                      as n (digest, partitions, definition)
                 on conflict do nothing
                 returning plan_id, partitions, definition, digest)
             select plan_id, partitions, definition::text as definition, digest from new
             union all
             select plan_id, partitions, definition::text as definition, digest
             from ingestd.plans where pipeline = $1 and digest = any($2)";
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&pipeline, Type::TEXT),
            (&digests, Type::BYTEA_ARRAY),
            (&partitions, Type::INT4_ARRAY),
            (&definitions, Type::TEXT_ARRAY),
        ];
        let store = || transaction.query_typed(statement, &parameters);
        let mut rows = store().await.map_err(failed)?;
        if rows.len() < sorted.len() {
            rows = store().await.map_err(failed)?;
        }
        rows.iter()
            .map(|row| Ok((row.get("digest"), self.remember(row)?)))
            .collect()
    }

    /// The plans of these numbers.
    ///
    /// # Errors
    /// What the server says.
    pub async fn load(
        &self,
        transaction: &Transaction<'_>,
        wanted: &[i64],
    ) -> Result<HashMap<i64, Arc<Plan>>> {
        let mut found: HashMap<i64, Arc<Plan>> = {
            let known = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
            wanted
                .iter()
                .filter_map(|id| Some((*id, known.get(id)?.clone())))
                .collect()
        };
        let missing: Vec<i64> = wanted
            .iter()
            .copied()
            .filter(|id| !found.contains_key(id))
            .collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let rows = transaction
            .query_typed(
                "select plan_id, partitions, definition::text as definition
                 from ingestd.plans where plan_id = any($1)",
                &[(&missing, Type::INT8_ARRAY)],
            )
            .await
            .map_err(|error| ledger_error(error, "reading a plan"))?;
        for row in &rows {
            let plan = self.remember(row)?;
            found.insert(plan.id, plan);
        }
        Ok(found)
    }

    fn remember(&self, row: &Row) -> Result<Arc<Plan>> {
        let id: i64 = row.get("plan_id");
        let mut known = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = known.get(&id) {
            return Ok(plan.clone());
        }
        let partitions: i32 = row.get("partitions");
        let partitions = u16::try_from(partitions).map_err(|error| {
            let message = format!("plan {id} of the ledger has an impossible number of partitions");
            Error::new(ErrorKind::Bug, message).with_source(error)
        })?;
        if known.len() >= MOST {
            known.clear();
        }
        let definition: String = row.get("definition");
        // A plan that can't be read is told of where it is carried out.
        let whole = serde_json::from_str(&definition).unwrap_or(Whole::default());
        let plan = Arc::new(Plan {
            id,
            partitions,
            definition,
            all_or_nothing: whole.all_or_nothing,
        });
        known.insert(id, plan.clone());
        Ok(plan)
    }
}
