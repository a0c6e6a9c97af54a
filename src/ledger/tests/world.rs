//! One pipeline with its directories, its database, and lives of the service.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{Candidate, Claim, FileEnd, Position};
use ingestd_actors::port::{
    Archivable, Archive, Committed, Completion, Leaving, Ledger, Left, PortFuture, Sweep, Swept,
    Verdict,
};
use slog::Logger;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::fs::{candidate_at, candidate_of, hash_file};
use crate::ledger::{
    LedgerOptions, Planned, Planner, PostgresArchive, PostgresLedger, PostgresSweep,
};
use crate::plan::{Dialect, Fields, LoadPlan, Routing, TableName, WriteMode, WriteRules};
use crate::postgres::Database;
use crate::postgres::migrations::migrate;
use crate::settings::{
    ArchiveRules, Companions, FileOrder, Mapping, Pipeline, Redropped, Tolerance,
};
use crate::test_databases::{TestDatabase, database};

pub struct World {
    _directory: tempfile::TempDir,
    pub inbox: PathBuf,
    pub archive: PathBuf,
    pub pipeline: Arc<Pipeline>,
    pub database: Database,
    /// That of the ledger that was made last.
    pub instance: Mutex<Uuid>,
    _place: TestDatabase,
}

/// Plans every file whose header doesn't say "bad".
struct TestPlanner;

impl Planner for TestPlanner {
    fn plan_for(&self, file: &Candidate) -> PortFuture<Planned> {
        let text = std::fs::read(&file.path).unwrap_or_default();
        let plan = match text.starts_with(b"bad") {
            true => Err(Error::new(ErrorKind::File, "the header is bad")),
            false => Ok(LoadPlan {
                version: 1,
                partitions: 2,
                routing: Routing::Blocks,
                dialect: Dialect::default(),
                table: TableName {
                    schema: None,
                    name: "t".into(),
                },
                columns: Vec::new(),
                fields: Fields::default(),
                filters: Vec::new(),
                key: Vec::new(),
                mode: WriteMode::Append,
                rules: WriteRules::default(),
                all_or_nothing: false,
            }),
        };
        let planned = plan.map(|plan| Planned {
            plan,
            header: vec!["id".to_owned()],
        });
        std::future::ready(planned).boxed()
    }
}

impl World {
    /// Of a pipeline that instances share.
    pub async fn new(archives: bool) -> World {
        World::with_key(archives, Vec::new()).await
    }

    /// Of a pipeline that one instance holds at a time.
    pub async fn ordered() -> World {
        World::with_key(false, vec!["x".to_owned()]).await
    }

    async fn with_key(archives: bool, key: Vec<String>) -> World {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let inbox = root.join("in");
        std::fs::create_dir(&inbox).unwrap();
        let archive = root.join("out");
        let pipeline = Pipeline {
            name: "events".into(),
            directory: inbox.clone(),
            pattern: "*.csv".into(),
            recursive: false,
            order: FileOrder::Name,
            settle: Duration::ZERO,
            scan_interval: Duration::from_secs(60),
            table: TableName {
                schema: None,
                name: "t".into(),
            },
            key,
            mode: WriteMode::Append,
            rules: WriteRules::default(),
            create: false,
            columns: Vec::new(),
            generated: Vec::new(),
            indexes: Vec::new(),
            dialect: Dialect::default(),
            mapping: Mapping::default(),
            partitions: 2,
            batch_rows: 1,
            batch_bytes: 1,
            memory: 1,
            archive: archives.then(|| archive.clone()),
            quarantine: archives.then(|| root.join("bad")),
            archive_rules: ArchiveRules::default(),
            redropped: Redropped::default(),
            companions: Companions::default(),
            tolerance: Tolerance::default(),
            letters: crate::settings::LetterRules::default(),
        };
        let place = tokio::task::spawn_blocking(database).await.unwrap();
        let database = Database::new(&place.url.parse().expect("a URL"), Handle::current())
            .await
            .unwrap();
        migrate(&mut database.client().await.unwrap())
            .await
            .unwrap();
        World {
            _directory: directory,
            inbox,
            archive,
            pipeline: Arc::new(pipeline),
            database,
            instance: Mutex::default(),
            _place: place,
        }
    }

    pub fn ledger(&self, options: LedgerOptions) -> PostgresLedger {
        let instance = Uuid::new_v4();
        *self.instance.lock().unwrap() = instance;
        PostgresLedger::new(
            self.database.clone(),
            self.pipeline.clone(),
            instance,
            Arc::new(TestPlanner),
            options,
            log(),
        )
    }

    /// A life that has begun.
    pub async fn life(&self) -> PostgresLedger {
        let ledger = self.ledger(LedgerOptions::default());
        ledger.resume().await.unwrap();
        ledger
    }

    pub fn archiver(&self) -> Arc<dyn Archive> {
        Arc::new(PostgresArchive::new(
            self.database.clone(),
            self.pipeline.clone(),
            false,
            *self.instance.lock().unwrap(),
            log(),
        ))
    }

    /// Another configuration from here on.
    pub fn set(&mut self, change: impl FnOnce(&mut Pipeline)) {
        change(Arc::make_mut(&mut self.pipeline));
    }

    /// One round of sweeping, for a life that has no lease.
    pub async fn sweep(&self) -> Swept {
        let archive = PostgresArchive::new(
            self.database.clone(),
            self.pipeline.clone(),
            false,
            Uuid::new_v4(),
            log(),
        );
        let sweep: Arc<dyn Sweep> = Arc::new(PostgresSweep::new(archive));
        sweep.sweep().await.unwrap()
    }

    /// Loads a file of the inbox to its end, and lets it leave as the checkpointer does.
    pub async fn load_and_leave(&self, name: &str, content: &str) -> (Archivable, Result<Left>) {
        let ledger = self.life().await;
        let path = self.write(name, content);
        let claim = self.claim(&ledger, &path).await;
        let end = end_of(&claim);
        self.load(&ledger, &claim).await;
        ledger.release().await.unwrap();
        let file = Archivable {
            file: claim.file,
            candidate: candidate_at(&path).unwrap().unwrap(),
            handle: Some(end.handle),
        };
        let left = self.archive_one(file.clone()).await;
        (file, left)
    }

    pub async fn take_out(&self, leaving: Leaving) -> Result<Left> {
        let mut answers = self.archiver().take_out(vec![leaving]).await?;
        answers.remove(0)
    }

    pub async fn archive_one(&self, file: Archivable) -> Result<Left> {
        self.take_out(Leaving::Archive(file)).await
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.inbox.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub async fn admit(&self, ledger: &PostgresLedger, path: &Path) -> Verdict {
        let candidate = candidate_at(path).unwrap().unwrap();
        ledger.admit(vec![candidate]).await.unwrap().remove(0)
    }

    pub async fn claim(&self, ledger: &PostgresLedger, path: &Path) -> Claim {
        claim(self.admit(ledger, path).await)
    }

    /// Does what a writer does: moves a lane's checkpoint and counts rows; false where it is fenced.
    pub async fn move_checkpoint(&self, claim: &Claim, lane: i32, to: Position, rows: i64) -> bool {
        self.execute(
            "update ingestd.checkpoints set record = $3, byte = $4, line = $5,
                    inserted = inserted + $6
             where file_id = $1 and lane = $2 and epoch = $7",
            &[
                &claim.file.0,
                &lane,
                &(to.record as i64),
                &(to.offset as i64),
                &(to.line as i64),
                &rows,
                &claim.epoch.0,
            ],
        )
        .await
            == 1
    }

    /// Reads a claimed file to its end and commits it.
    pub async fn load(&self, ledger: &PostgresLedger, claim: &Claim) -> Committed {
        let end = end_of(claim);
        let rows = end.end.record as i64;
        assert!(self.move_checkpoint(claim, 0, end.end, rows).await);
        self.commit(ledger, claim, end).await
    }

    pub async fn commit(&self, ledger: &PostgresLedger, claim: &Claim, end: FileEnd) -> Committed {
        let completion = Completion {
            file: claim.file,
            epoch: claim.epoch,
            seen: Vec::new(),
            end,
            plan: Arc::clone(&claim.plan),
        };
        ledger.commit(vec![completion]).await.unwrap().remove(0)
    }

    pub async fn execute(
        &self,
        statement: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> u64 {
        let client = self.database.client().await.unwrap();
        client.execute(statement, parameters).await.unwrap()
    }

    /// The first column of the first row, as text.
    pub async fn ask(&self, query: &str) -> String {
        let client = self.database.client().await.unwrap();
        let query = format!("select coalesce((q.*)::text, 'null') from ({query}) q");
        client.query_one(&query, &[]).await.unwrap().get(0)
    }

    pub async fn state(&self, file: i64) -> String {
        let query = format!("select state from ingestd.files where file_id = {file}");
        self.ask(&query).await.trim_matches(['(', ')']).to_owned()
    }
}

pub fn log() -> Logger {
    Logger::root(slog::Discard, slog::o!())
}

pub fn claim(verdict: Verdict) -> Claim {
    match verdict {
        Verdict::Load(claim) => claim,
        other => panic!("it is not loaded: {other:?}"),
    }
}

/// What a reader finds at the end of a claimed file: every line but the header is a record.
pub fn end_of(claim: &Claim) -> FileEnd {
    let handle = std::fs::File::open(&claim.candidate.path).unwrap();
    let text = std::fs::read(&claim.candidate.path).unwrap();
    let own = String::from_utf8_lossy(&text[claim.base.offset as usize..]);
    let lines = own.lines().count() as u64;
    let header = u64::from(claim.base.offset == 0 && lines > 0);
    let is = candidate_of(PathBuf::new(), &handle.metadata().unwrap());
    FileEnd {
        end: Position {
            record: lines - header,
            offset: text.len() as u64,
            line: claim.base.line + lines,
        },
        text: is.size,
        size: is.size,
        modified: is.modified,
        arrived: std::time::SystemTime::UNIX_EPOCH,
        content_hash: hash_file(&handle, is.size).unwrap(),
        handle: Arc::new(handle),
    }
}
