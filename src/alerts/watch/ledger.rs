//! The watcher's connection of its own: what it asks the ledger, and what it writes down there.
//!
//! What can't be written down waits here until the database is back.

use std::time::{Duration, Instant};

use ingestd_actors::error::{Error, ErrorKind, Result};
use slog::Logger;

use super::super::book::{self, Kept};
use super::super::look::{self, Look, Me, SHORT};
use super::super::notice::Alert;
use super::super::plan::Plan;
use crate::postgres::{Database, classify};

/// How long the database may take for all that is asked in one round.
const ANSWER: Duration = Duration::from_secs(10);
/// How often the same trouble is logged, at the most.
const LOG_EVERY: Duration = Duration::from_secs(300);
/// How often old alerts are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// The ledger, as the watcher sees it.
pub struct Ledger {
    pub me: Me,
    pub database: Database,
    pub log: Logger,
    started: Instant,
    line: Option<tokio_postgres::Client>,
    /// When the database has answered last, and what was wrong since.
    reached: Instant,
    trouble: String,
    complained: Option<Instant>,
    forgot: Option<Instant>,
    /// The server's time of the last look.
    last: Option<String>,
    /// Whether the ledger was read in this life.
    pub has_seen: bool,
    /// What could not be written down yet.
    pub unwritten: Vec<Alert>,
    /// Those whose notifications have arrived, which is not written down yet.
    pub told: Vec<String>,
    /// What was ended since nobody looked after it, and is to be told.
    pub given_up: Vec<Alert>,
}

/// What the ledger has said in one round.
pub struct Seen {
    pub look: Look,
    pub kept: Vec<Kept>,
}

impl Ledger {
    pub fn new(me: Me, database: Database, log: Logger) -> Ledger {
        Ledger {
            me,
            database,
            log,
            started: Instant::now(),
            line: None,
            reached: Instant::now(),
            trouble: String::new(),
            complained: None,
            forgot: None,
            last: None,
            has_seen: false,
            unwritten: Vec::new(),
            told: Vec::new(),
            given_up: Vec::new(),
        }
    }

    /// What the ledger says, where it says anything.
    pub async fn see(&mut self, plan: &Plan) -> Option<Seen> {
        let asked = tokio::time::timeout(ANSWER, self.ask(plan)).await;
        let error = match asked {
            Ok(Ok(seen)) => {
                self.reached = Instant::now();
                self.trouble.clear();
                self.has_seen = true;
                self.last = Some(seen.look.at.clone());
                return Some(seen);
            }
            Ok(Err(error)) => error,
            Err(_) => {
                self.line = None;
                let seconds = ANSWER.as_secs();
                Error::new(
                    ErrorKind::Transient,
                    format!("no answer within {seconds} s"),
                )
            }
        };
        self.trouble = error.to_string();
        if self.line.is_some() {
            // It has answered, if not with what was asked for.
            self.reached = Instant::now();
            if self.complained.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
                self.complained = Some(Instant::now());
                slog::warn!(self.log, "the ledger can't be read: alerts about pipelines stand still";
                    "reason" => %error);
            }
        }
        None
    }

    /// For how long the database has not answered, in seconds, and why.
    pub fn unreached(&self) -> (f64, String) {
        (self.reached.elapsed().as_secs_f64(), self.trouble.clone())
    }

    /// Whether nothing waits to be written down.
    pub fn is_idle(&self) -> bool {
        self.unwritten.is_empty() && self.told.is_empty()
    }

    async fn ask(&mut self, plan: &Plan) -> Result<Seen> {
        self.connect().await?;
        self.catch_up().await?;
        self.give_up_the_abandoned(plan).await?;
        let (me, last) = (self.me.clone(), self.last.clone());
        let with_files = plan.longest_window().is_some();
        let is_first = !self.has_seen;
        let database = self.database.clone();
        self.with_line(async |line| {
            let failed = |error| classify(error, "looking for what is wrong");
            let transaction = database.begin(line).await?;
            transaction.batch_execute(SHORT).await.map_err(failed)?;
            let kept = book::kept(&transaction, &me, is_first).await?;
            let names = &plan.pipelines;
            let last = last.as_deref();
            let look = look::look(&transaction, names, &me, last, with_files).await?;
            transaction.commit().await.map_err(failed)?;
            Ok(Seen { look, kept })
        })
        .await
    }

    /// Connects, where there is no connection that lives.
    pub async fn connect(&mut self) -> Result<()> {
        let line = self.line.as_ref();
        if line.is_none_or(tokio_postgres::Client::is_closed) {
            self.line = None;
            self.line = Some(self.database.dedicated().await?);
        }
        Ok(())
    }

    /// Now and then: ends what nobody looks after any more, and forgets what has ended long ago.
    async fn give_up_the_abandoned(&mut self, plan: &Plan) -> Result<()> {
        let is_due = match self.forgot {
            Some(at) => at.elapsed() >= FORGET_EVERY,
            // By then this service is known to look after its pipelines.
            None => self.has_seen && self.started.elapsed() >= plan.alerts.quiet_start,
        };
        if !is_due {
            return Ok(());
        }
        let me = self.me.clone();
        let database = self.database.clone();
        let ended = self
            .with_line(async |line| {
                let failed = |error| classify(error, "forgetting old alerts");
                let transaction = database.begin(line).await?;
                transaction.batch_execute(SHORT).await.map_err(failed)?;
                let ended = book::end_abandoned(&transaction, &me).await?;
                book::forget(&transaction).await?;
                transaction.commit().await.map_err(failed)?;
                Ok(ended)
            })
            .await?;
        self.forgot = Some(Instant::now());
        self.given_up.extend(ended);
        Ok(())
    }

    /// Writes down what could not be, and what was told.
    pub async fn catch_up(&mut self) -> Result<()> {
        if self.is_idle() {
            return Ok(());
        }
        let (unwritten, told, me) = (self.unwritten.clone(), self.told.clone(), self.me.clone());
        let database = self.database.clone();
        self.with_line(async |line| {
            let failed = |error| classify(error, "writing alerts down");
            let transaction = database.begin(line).await?;
            transaction.batch_execute(SHORT).await.map_err(failed)?;
            for alert in &unwritten {
                if !book::write(&transaction, alert, &me).await? && alert.resolved_at.is_some() {
                    book::resolve(&transaction, alert, &me).await?;
                }
            }
            if !told.is_empty() {
                book::told(&transaction, &told).await?;
            }
            transaction.commit().await.map_err(failed)
        })
        .await?;
        self.unwritten.clear();
        self.told.clear();
        Ok(())
    }

    /// Writes down that an alert fires; whether it is this service that tells of it. Where it can't be
    /// written down now, it is, and that is done later.
    pub async fn fire(&mut self, alert: &Alert) -> bool {
        let me = self.me.clone();
        let written = self.with_line(async |line| book::write(line, alert, &me).await);
        match written.await {
            Ok(is_first) => is_first,
            Err(_) => {
                self.unwritten.push(alert.clone());
                true
            }
        }
    }

    /// Writes down that an alert has ended; whether it is this service that tells of it.
    pub async fn resolve(&mut self, alert: &Alert) -> bool {
        let waiting = self.unwritten.iter_mut().find(|it| it.id == alert.id);
        if let Some(waiting) = waiting {
            *waiting = alert.clone();
            return true;
        }
        let me = self.me.clone();
        let ended = self.with_line(async |line| book::resolve(line, alert, &me).await);
        match ended.await {
            Ok(is_first) => is_first,
            Err(_) => {
                self.unwritten.push(alert.clone());
                true
            }
        }
    }

    /// Notes how an alert stands that goes on; where that can't be, it is noted next time.
    pub async fn note(&mut self, alert: &Alert) {
        let me = self.me.clone();
        let noted = self.with_line(async |line| book::update(line, alert, &me).await);
        let _ = noted.await;
    }

    /// Uses the connection, where there is one; one that is broken is not used again.
    async fn with_line<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut tokio_postgres::Client) -> Result<T>,
    ) -> Result<T> {
        let Some(mut line) = self.line.take() else {
            return Err(Error::new(
                ErrorKind::Transient,
                "the database is out of reach",
            ));
        };
        // Where nobody waits for it any more, the connection is dropped with what it was doing.
        let result = match tokio::time::timeout(ANSWER, work(&mut line)).await {
            Ok(result) => result,
            Err(_) => {
                return Err(Error::new(
                    ErrorKind::Transient,
                    "the database does not answer",
                ));
            }
        };
        if !line.is_closed() {
            self.line = Some(line);
        }
        result
    }
}
