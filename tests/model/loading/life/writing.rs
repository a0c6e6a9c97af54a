//! A batch on its way.

use ingestd::postgres::claims::{Claims, Pending};
use ingestd_actors::model::{Counts, FileId, Lane};

use crate::model::loading::rules::Rule;
use crate::model::loading::scene::Scene;
use crate::model::loading::server::{Record, Transaction};

/// A batch on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Writing {
    pub claims: Claims,
    /// The records of each share.
    pub records: Vec<Vec<Record>>,
    /// What is given back once it is durable: bytes, and pieces by file.
    pub bytes: usize,
    pub pieces: Vec<(FileId, usize)>,
    pub phase: Phase,
}

/// How far its transaction is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// On its way to the server.
    Sent,
    /// The checkpoints have to be read, after an answer that was lost, or a fence that was.
    Asking(Option<Pending>),
    /// Half of it is done: only where it is not one transaction.
    Half,
}

impl Writing {
    /// The transaction of what is not settled: `Writer::attempt`, `rejects::attempt`.
    pub fn transaction(&self, lane: Lane, scene: &Scene) -> Transaction {
        let mut moves = Vec::new();
        let mut records = Vec::new();
        for (share, wanted) in self.claims.live() {
            let written = self.claims.written_up_to(share).unwrap_or(0);
            let trims = scene.rules.hold(Rule::TrimAbove);
            let new = |record: &&Record| record.number > written || !trims;
            moves.push(wanted);
            records.push(self.records[share].iter().filter(new).copied().collect());
        }
        Transaction::Batch {
            lane,
            moves,
            records,
        }
    }

    /// The answer was success: `Claims::settle_committed`.
    pub fn succeeded(&mut self) {
        self.claims
            .settle_committed(&vec![Counts::default(); self.records.len()]);
    }

    /// No answer came.
    pub fn unknown(&mut self, scene: &Scene) {
        if !scene.rules.hold(Rule::UnknownIsRead) {
            return self.succeeded();
        }
        let counts = vec![Counts::default(); self.records.len()];
        self.phase = Phase::Asking(Some(self.claims.pending(&counts)));
    }
}
