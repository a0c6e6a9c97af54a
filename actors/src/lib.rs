//! The supervision tree of `ingestd`: the model, the ports and the actors.

#![warn(missing_docs)]

pub mod error;
pub mod model;
pub mod port;
