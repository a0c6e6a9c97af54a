//! Rows that write and delete, and a model of what they do one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingestd_actors::error::Error;
use ingestd_actors::model::{Counts, Epoch, FileId, Place, Rows, Share};

use super::fixture::{Fixture, at, batch, counts_of, plan};
use crate::plan::{Column, DeleteWhen, LoadPlan, Routing, ValueType, WriteMode, WriteRules};
use crate::postgres::sink::writer::Writer;
use crate::row::append_key_part;

/// What a row does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    pub deletes: bool,
    pub id: Option<i64>,
    pub name: String,
    pub amount: i32,
    pub seen: Option<String>,
}

/// A row that writes; an id of 0 is NULL, and so is an empty version.
pub fn put(id: i64, name: &str, amount: i32, seen: &str) -> Op {
    Op {
        deletes: false,
        id: (id != 0).then_some(id),
        name: name.into(),
        amount,
        seen: (!seen.is_empty()).then(|| seen.into()),
    }
}

/// A row that deletes.
pub fn delete(id: i64, seen: &str) -> Op {
    Op {
        deletes: true,
        ..put(id, "", 0, seen)
    }
}

/// The columns of `items`: a key, two values and a version, which is text.
pub const COLUMNS: &str = "id bigint, name text, amount integer check (amount >= 0), seen text";

/// A plan for them.
pub fn plan_for(mode: WriteMode, rules: WriteRules) -> LoadPlan {
    let mut plan = plan(&["id"], Routing::Key);
    plan.columns.push(Column {
        name: "seen".into(),
        field: "seen".into(),
        value_type: ValueType::Text,
        type_name: "text".into(),
        ..plan.columns[0].clone()
    });
    LoadPlan {
        mode,
        rules,
        ..plan
    }
}

/// The rules of `newest`.
pub fn by_version() -> WriteRules {
    WriteRules {
        version: Some("seen".into()),
        ..WriteRules::default()
    }
}

/// The same rules with deletions.
pub fn with_deletions(rules: WriteRules) -> WriteRules {
    WriteRules {
        delete_when: Some(DeleteWhen {
            field: "op".into(),
            values: vec!["D".into()],
        }),
        ..rules
    }
}

/// The same plan where the version is an integer.
pub fn by_integer(mut plan: LoadPlan) -> LoadPlan {
    let seen = &mut plan.columns[3];
    (seen.value_type, seen.type_name) = (ValueType::Int4, "integer".into());
    plan
}

/// A share of these rows, from the record after `from` on.
pub fn share_of(file: FileId, from: u64, plan: &LoadPlan, ops: &[Op]) -> Share {
    let mut rows = Rows::default();
    for (number, op) in ops.iter().enumerate() {
        let record = from + 1 + number as u64;
        let place = Place {
            record,
            line: record + 1,
            offset: record * 10,
        };
        let mut image = Vec::new();
        if let (Some(id), true) = (op.id, plan.routing == Routing::Key) {
            append_key_part(ValueType::Int8, &id.to_be_bytes(), &mut image);
        }
        rows.push(
            place,
            &encoded(op, plan),
            &image,
            format!("{op:?}").as_bytes(),
        );
        if op.deletes {
            rows.deletes.push(record);
        }
    }
    Share {
        file,
        epoch: Epoch(1),
        from: at(from),
        to: at(from + ops.len() as u64),
        room: None,
        rows: vec![Arc::new(rows)],
    }
}

fn encoded(op: &Op, plan: &LoadPlan) -> Vec<u8> {
    let mut data = 4i16.to_be_bytes().to_vec();
    let mut push = |value: Option<&[u8]>| match value {
        Some(value) => {
            data.extend((value.len() as i32).to_be_bytes());
            data.extend(value);
        }
        None => data.extend((-1i32).to_be_bytes()),
    };
    let amount = op.amount.to_be_bytes();
    push(op.id.map(i64::to_be_bytes).as_ref().map(|id| &id[..]));
    push((!op.deletes).then_some(op.name.as_bytes()));
    push((!op.deletes).then_some(&amount[..]));
    let number = |text: &String| text.parse::<i32>().expect("a number").to_be_bytes();
    let micros = |text: &String| text.parse::<i64>().expect("a number").to_be_bytes();
    match plan.columns[3].value_type {
        ValueType::Timestamp => push(op.seen.as_ref().map(micros).as_ref().map(|it| &it[..])),
        ValueType::Int4 => push(op.seen.as_ref().map(number).as_ref().map(|it| &it[..])),
        _ => push(op.seen.as_ref().map(|text| text.as_bytes())),
    }
    data
}

/// One file that is loaded batch by batch.
pub struct Scene {
    pub fixture: Fixture,
    pub plan: LoadPlan,
    pub writer: Writer,
    pub file: FileId,
    record: u64,
}

impl Scene {
    /// The items with a unique key.
    pub async fn new(plan: LoadPlan) -> Scene {
        Scene::with(
            plan,
            &format!("create table items ({COLUMNS}, unique (id))"),
        )
        .await
    }

    /// Another table of these columns.
    pub async fn with(plan: LoadPlan, ddl: &str) -> Scene {
        let fixture = Fixture::new(ddl).await;
        Scene {
            writer: fixture.writer(),
            file: fixture.file().await,
            record: 0,
            fixture,
            plan,
        }
    }

    /// Writes a batch; what became of its rows.
    pub async fn write(&mut self, ops: &[Op]) -> [u64; 6] {
        self.try_write(ops).await.expect("written")
    }

    /// The same, where it may fail: then the same rows are tried again the next time.
    pub async fn try_write(&mut self, ops: &[Op]) -> Result<[u64; 6], Error> {
        let share = share_of(self.file, self.record, &self.plan, ops);
        let written = self.writer.write(&batch(&self.plan, vec![share])).await?;
        self.record += ops.len() as u64;
        Ok(all_figures(counts_of(&written)))
    }

    /// The table's rows.
    pub async fn shown(&self) -> Vec<String> {
        shown(&self.fixture).await
    }
}

/// What is in the table, and what the rows that made it so count as.
#[derive(Clone, Debug, Default)]
pub struct Model {
    rows: BTreeMap<i64, Op>,
    /// Rows with a NULL for a key.
    without: Vec<Op>,
    pub inserted: u64,
    pub deleted: u64,
}

impl Model {
    /// Does what one row does.
    pub fn apply(&mut self, plan: &LoadPlan, op: &Op) {
        let refused = op.amount < 0;
        let Some(id) = op.id else {
            if !op.deletes && !refused {
                self.without.push(op.clone());
                self.inserted += 1;
            }
            return;
        };
        let there = self.rows.get_mut(&id);
        let newest = plan.mode == WriteMode::Newest;
        let older = there
            .as_ref()
            .is_some_and(|there| newest && op.seen < there.seen);
        match there {
            _ if refused || older => {}
            Some(_) if op.deletes => {
                self.rows.remove(&id);
                self.deleted += 1;
            }
            None if op.deletes => {}
            None => {
                self.rows.insert(id, op.clone());
                self.inserted += 1;
            }
            Some(_) if plan.mode == WriteMode::Ignore => {}
            Some(there) => match &plan.rules.update {
                None => *there = op.clone(),
                Some(names) => {
                    assert_eq!(names, &["name"]);
                    there.name.clone_from(&op.name);
                }
            },
        }
    }

    /// The table's rows as the server shows them.
    pub fn shown(&self) -> Vec<String> {
        let rows = self.rows.values().chain(&self.without);
        let mut shown: Vec<String> = rows
            .map(|op| {
                let id = op.id.map_or("-".into(), |id| id.to_string());
                let seen = op.seen.as_deref().unwrap_or("-");
                format!("{id}|{}|{}|{seen}", op.name, op.amount)
            })
            .collect();
        shown.sort();
        shown
    }
}

/// The table's rows.
pub async fn shown(fixture: &Fixture) -> Vec<String> {
    let mut shown = fixture
        .ask("select id, name, amount, seen from items")
        .await;
    shown.sort();
    shown
}

/// Inserted, updated, unchanged, duplicate, deleted, rejected.
pub fn all_figures(counts: Counts) -> [u64; 6] {
    [
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.duplicate,
        counts.deleted,
        counts.rejected,
    ]
}
