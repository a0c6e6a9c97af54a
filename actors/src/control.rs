//! Carries commands between the root and where they are kept: signals, SQL and the command line end
//! in one state.
//!
//! It remembers nothing: what is to be told stands with the root until it is known to have arrived.
//! So it may die and be started again, and an outage of what it talks to only delays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, WrapFuture,
};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::answer::ended;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::{Step, pass};
use crate::model::{Order, Report};
use crate::port;
use crate::supervision::Lifeline;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long until one that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the control needs.
pub struct Deps {
    /// Where commands are kept.
    pub port: Arc<dyn port::Control>,
    /// The root's mouth.
    pub reports: Recipient<TellStandings>,
    /// The root's ears.
    pub obey: Recipient<Obey>,
    /// The service's log.
    pub log: slog::Logger,
}

/// The actor: one exchange after the other.
pub struct Control {
    deps: Option<Deps>,
    news: Arc<Notify>,
    lifeline: Lifeline,
}

impl Control {
    /// A control that has asked for nothing yet.
    pub fn new(deps: Deps, lifeline: Lifeline) -> Self {
        Self {
            deps: Some(deps),
            news: Arc::default(),
            lifeline,
        }
    }
}

impl Actor for Control {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let Some(deps) = self.deps.take() else {
            return;
        };
        let exchanging = exchange_for_ever(deps, Arc::clone(&self.news)).into_actor(self);
        context.spawn(exchanging.map(|error, actor, context| actor.lifeline.fail(error, context)));
    }
}

/// What the root has to tell of its pipelines.
#[derive(Debug, Message)]
#[rtype(result = "Vec<Report>")]
pub struct TellStandings;

/// What is wanted of pipelines now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Obey {
    /// The orders.
    pub orders: Vec<Order>,
    /// How many of each pipeline's commands were told before they were read.
    pub noted: BTreeMap<String, usize>,
}

/// The root has something to tell.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct News;

impl Handler<News> for Control {
    type Result = ();

    fn handle(&mut self, _: News, _: &mut Self::Context) {
        self.news.notify_one();
    }
}

/// Goes on for as long as the root lives.
async fn exchange_for_ever(deps: Deps, news: Arc<Notify>) -> Error {
    let mut trouble = None;
    loop {
        // Asked for before the exchange, so that what comes after it is not missed.
        let changed = deps.port.changed();
        let Ok(reports) = deps.reports.send(TellStandings).await else {
            return ended("the root");
        };
        match exchange(&deps, reports).await {
            Ok(obey) => {
                if trouble.take().is_some() {
                    slog::info!(deps.log, "commands are obeyed again");
                }
                if deps.obey.send(obey).await.is_err() {
                    return ended("the root");
                }
                tokio::select! {
                    // Where no hints are to be had, the port says so by its time.
                    hint = changed => if hint.is_err() { sleep(AGAIN).await },
                    () = news.notified() => {}
                }
            }
            Err(error) => {
                let text = error.to_string();
                if trouble.as_ref() != Some(&text) {
                    slog::warn!(deps.log, "commands have to wait for the database"; "reason" => &text);
                    trouble = Some(text);
                }
                sleep(AGAIN).await;
            }
        }
    }
}

async fn exchange(deps: &Deps, reports: Vec<Report>) -> Result<Obey> {
    let noted = reports
        .iter()
        .map(|report| (report.pipeline.clone(), report.commanded.len()))
        .collect();
    let exchanged = async {
        pass(Step::ControlExchange).await?;
        deps.port.exchange(reports).await
    };
    let exchanged = timeout(PATIENCE, exchanged).await;
    let orders = exchanged.unwrap_or_else(|_| {
        let message = "the database did not answer in time";
        Err(Error::new(ErrorKind::Transient, message))
    })?;
    Ok(Obey { orders, noted })
}
