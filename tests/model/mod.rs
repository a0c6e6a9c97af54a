//! The protocol, checked: models of it are walked through, every interleaving of their steps.
//!
//! What is pure in the program is driven as it is: the fence's decision, the claims of a batch, queues,
//! credits, patience and the tracker, where a claim resumes, the judgement before COMMITTED, verdicts,
//! and the steps of the archive. What is SQL, or the file system, is modelled, each function naming the
//! one it stands for. See docs/reliability.md.

mod explore;
mod inbox;
mod loading;
