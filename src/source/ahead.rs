//! Chunks that were decoded ahead, while the server is asked about values of the first of them.

use std::collections::VecDeque;

use ingestd_actors::error::Result;
use ingestd_actors::port::PortFuture;

use super::Decoded;
use crate::postgres::Resolver;
use crate::row::Answers;

/// So many chunks are decoded and asked for at once: the server has work while the decoder has.
const MOST: usize = 4;

/// The chunks, in the order of the file.
pub struct Ahead {
    resolver: Resolver,
    chunks: VecDeque<Waiting>,
}

/// A chunk, with what is asked for it.
struct Waiting {
    decoded: Decoded,
    /// `None` where it needs no answers, or the server could not be asked.
    answers: Option<PortFuture<Vec<Answers>>>,
}

impl Ahead {
    /// No chunk yet.
    pub fn new(resolver: Resolver) -> Ahead {
        Ahead {
            resolver,
            chunks: VecDeque::new(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether another one should be decoded before the first is given: only while that waits.
    pub fn wants_more(&self) -> bool {
        match self.chunks.front() {
            None => true,
            Some(first) => !first.decoded.pending.is_empty() && self.chunks.len() < MOST,
        }
    }

    /// Whether the first one waits for answers.
    pub fn waits(&self) -> bool {
        let first = self.chunks.front();
        first.is_some_and(|first| !first.decoded.pending.is_empty())
    }

    /// Adds a chunk, and asks what it needs to know.
    pub fn push(&mut self, decoded: Decoded) {
        let answers = (!decoded.pending.is_empty()).then(|| ask(&self.resolver, &decoded));
        self.chunks.push_back(Waiting { decoded, answers });
    }

    /// Takes the first one, with its answers; where the server can't be asked, it goes on waiting.
    pub async fn next(&mut self) -> Result<Option<(Decoded, Vec<Answers>)>> {
        let Some(first) = self.chunks.front_mut() else {
            return Ok(None);
        };
        let mut answers = Vec::new();
        if !first.decoded.pending.is_empty() {
            let asked = first.answers.take();
            let asked = asked.unwrap_or_else(|| ask(&self.resolver, &first.decoded));
            answers = asked.await?;
        }
        let first = self.chunks.pop_front();
        Ok(first.map(|first| (first.decoded, answers)))
    }
}

/// Asks the server what it makes of the values that the decoder does not recognise. The asking goes
/// on by itself.
fn ask(resolver: &Resolver, decoded: &Decoded) -> PortFuture<Vec<Answers>> {
    resolver.resolve(decoded.pending.questions().to_vec())
}
