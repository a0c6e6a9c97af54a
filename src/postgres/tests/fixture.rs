//! A pipeline's database, and batches for it.

use std::sync::Arc;
use std::time::Duration;

use ingestd_actors::model::{
    Batch, Counts, Epoch, FileId, Place, Plan, Position, Rows, Share, ShareOutcome, Written,
};
use tokio::runtime::Handle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use uuid::Uuid;

use crate::plan::{
    Column, Dialect, Fields, LoadPlan, Routing, TableName, ValueType, WriteMode, WriteRules,
};
use crate::postgres::Database;
use crate::postgres::migrations::migrate;
use crate::postgres::sink::PostgresSink;
use crate::postgres::sink::writer::Writer;
use crate::test_databases::{TestDatabase, database};

/// The table of most tests.
pub const ITEMS: &str = "create table items (
    id bigint primary key, name text, amount integer check (amount >= 0))";

/// The same without a key.
pub const LOG: &str = "create table items (
    id bigint, name text, amount integer check (amount >= 0))";

pub struct Fixture {
    pub database: Database,
    pub url: String,
    pub client: Client,
    pub instance: Uuid,
    _place: TestDatabase,
}

/// A new, empty database.
pub async fn new_database() -> TestDatabase {
    let made = tokio::task::spawn_blocking(database);
    made.await.expect("a database")
}

/// A connection for the test itself.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("connect");
    tokio::spawn(connection);
    client
}

/// A row: id, name, amount.
pub type Item<'a> = (i64, &'a str, i32);

impl Fixture {
    /// A database with a ledger and this table.
    pub async fn new(ddl: &str) -> Fixture {
        let place = new_database().await;
        let url = place.url.clone();
        let mut client = connect(&url).await;
        migrate(&mut client).await.expect("a ledger");
        client.batch_execute(ddl).await.expect("the table");
        let database = Database::new(&url.parse().expect("a URL"), Handle::current()).await;
        Fixture {
            database: database.expect("a database"),
            url,
            client,
            instance: Uuid::new_v4(),
            _place: place,
        }
    }

    pub fn sink(&self) -> PostgresSink {
        PostgresSink::new(self.database.clone(), "items", self.instance)
            .with_lock_timeout(Duration::from_secs(2))
    }

    pub fn writer(&self) -> Writer {
        Writer::new(self.sink().owner(0))
    }

    /// A new file with epoch 1 and checkpoints at its start.
    pub async fn file(&self) -> FileId {
        let row = self
            .client
            .query_one(
                "insert into ingestd.files (pipeline, path, size, modified, device, inode,
                     head_hash, tail_hash, state, epoch)
                 values ('items', 'f', 0, 0, 0, 0, '', '', 'READING', 1) returning file_id",
                &[],
            )
            .await
            .expect("a file");
        let file: i64 = row.get(0);
        self.client
            .execute(
                "insert into ingestd.checkpoints (file_id, lane, epoch, record, byte, line)
                 select $1, lane, 1, 0, 0, 1 from generate_series(-1, 1) lane",
                &[&file],
            )
            .await
            .expect("checkpoints");
        FileId(file)
    }

    /// Sets a checkpoint as another life might have left it.
    pub async fn set_checkpoint(&self, file: FileId, lane: i32, epoch: i64, record: u64) {
        let at = at(record);
        self.client
            .execute(
                "update ingestd.checkpoints set epoch = $3, record = $4, byte = $5, line = $6
                 where file_id = $1 and lane = $2",
                &[
                    &file.0,
                    &lane,
                    &epoch,
                    &(at.record as i64),
                    &(at.offset as i64),
                    &(at.line as i64),
                ],
            )
            .await
            .expect("set");
    }

    /// The answer of a query: a line a row, `|` between columns.
    pub async fn ask(&self, sql: &str) -> Vec<String> {
        let messages = self.client.simple_query(sql).await.expect(sql);
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| {
            let cells = (0..row.len()).map(|index| row.get(index).unwrap_or("-"));
            cells.collect::<Vec<_>>().join("|")
        })
        .collect()
    }

    /// The items, in order.
    pub async fn items(&self) -> Vec<String> {
        self.ask("select id, name, amount from items order by id, name, amount")
            .await
    }

    /// Where the checkpoint stands, and what it has counted: inserted, updated, unchanged,
    /// duplicate, rejected.
    pub async fn checkpoint(&self, file: FileId, lane: i32) -> String {
        let sql = format!(
            "select record, byte, line, inserted, updated, unchanged, duplicate, rejected
             from ingestd.checkpoints where file_id = {} and lane = {lane}",
            file.0
        );
        self.ask(&sql).await.concat()
    }

    /// Record and SQLSTATE of each dead letter.
    pub async fn dead_letters(&self) -> Vec<String> {
        self.ask(
            "select file_id, record, reason, sqlstate from ingestd.dead_letters
             order by file_id, record",
        )
        .await
    }
}

/// The position after a record.
pub fn at(record: u64) -> Position {
    match record {
        0 => Position::START,
        _ => Position {
            record,
            offset: record * 10,
            line: record + 1,
        },
    }
}

/// A plan for the items.
pub fn plan(key: &[&str], routing: Routing) -> LoadPlan {
    LoadPlan {
        version: 1,
        partitions: 1,
        routing,
        dialect: Dialect::default(),
        table: TableName {
            schema: Some("public".into()),
            name: "items".into(),
        },
        columns: vec![
            Column::new("id", ValueType::Int8, "bigint"),
            Column::new("name", ValueType::Text, "text"),
            Column::new("amount", ValueType::Int4, "integer"),
        ],
        fields: Fields::default(),
        filters: Vec::new(),
        key: key.iter().map(|name| name.to_string()).collect(),
        mode: if key.is_empty() {
            WriteMode::Append
        } else {
            WriteMode::Upsert
        },
        rules: WriteRules::default(),
        all_or_nothing: false,
    }
}

/// As the ledger has it.
pub fn stored(plan: &LoadPlan) -> Arc<Plan> {
    Arc::new(Plan {
        id: 7,
        partitions: 1,
        definition: serde_json::to_string(plan).expect("JSON"),
        all_or_nothing: false,
    })
}

/// Items keyed by their id.
pub fn keyed(shares: Vec<Share>) -> Batch {
    batch(&plan(&["id"], Routing::Key), shares)
}

/// Items that are only appended.
pub fn appended(shares: Vec<Share>) -> Batch {
    batch(&plan(&[], Routing::Blocks), shares)
}

pub fn batch(plan: &LoadPlan, shares: Vec<Share>) -> Batch {
    Batch {
        partition: 0,
        plan: stored(plan),
        shares,
    }
}

/// A share whose first row is the record after `from`, and whose last is its end.
pub fn share(file: FileId, from: u64, items: &[Item<'_>]) -> Share {
    Share {
        file,
        epoch: Epoch(1),
        from: at(from),
        to: at(from + items.len() as u64),
        room: None,
        rows: vec![Arc::new(rows(from + 1, items))],
    }
}

/// Encoded items with their ids as keys; an id of 0 has no image of its key.
pub fn rows(first: u64, items: &[Item<'_>]) -> Rows {
    let mut rows = Rows::default();
    for (number, (id, name, amount)) in items.iter().enumerate() {
        let mut data = 3i16.to_be_bytes().to_vec();
        for field in [
            &id.to_be_bytes()[..],
            name.as_bytes(),
            &amount.to_be_bytes()[..],
        ] {
            data.extend((field.len() as i32).to_be_bytes());
            data.extend(field);
        }
        let key = id.to_be_bytes();
        let key = if *id == 0 { &[][..] } else { &key[..] };
        let raw = format!("{id},{name},{amount}");
        let record = first + number as u64;
        let place = Place {
            record,
            line: record + 1,
            offset: 1000 + rows.raw.len() as u64,
        };
        rows.push(place, &data, key, raw.as_bytes());
    }
    rows
}

/// What became of the only share.
pub fn counts_of(written: &Written) -> Counts {
    counts(&written.outcomes[0])
}

/// What became of a share, which must have moved.
pub fn counts(outcome: &ShareOutcome) -> Counts {
    match outcome {
        ShareOutcome::Moved { counts, .. } => *counts,
        other => panic!("the share is not written: {other:?}"),
    }
}

/// Inserted, updated, unchanged, duplicate, rejected.
pub fn figures(counts: Counts) -> [u64; 5] {
    [
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.duplicate,
        counts.rejected,
    ]
}

/// Lane 0 in another life of the service.
pub fn owner_of_another_life(fixture: &Fixture) -> crate::postgres::link::Owner {
    crate::postgres::link::Owner {
        instance: Uuid::new_v4(),
        ..fixture.sink().owner(0)
    }
}
