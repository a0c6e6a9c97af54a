//! PURE, but for `files`: e-commerce events as CSV, and what a pipeline must make of them.
//!
//! Every row is a pure function of the [`Spec`] and the row's number, and so is every file: any one
//! can be made without those before it, and a generator that was killed goes on where it was. A
//! spec with more rows begins with the rows of the shorter one.
//!
//! The expected answer ([`Generator::expected`], [`expected`]) comes from the same numbers by a way
//! that reads no CSV: a fault in a decoder can't hide in it.

mod event;
pub mod expected;
mod fault;
pub mod files;
mod product;
mod random;
mod record;
mod rows;
mod spec;
mod strata;
#[cfg(test)]
mod tests;
mod text;
mod weights;

pub use event::Event;
pub use expected::{Expected, ExpectedDeadLetter};
pub use fault::Fault;
pub use product::Product;
pub use rows::{Generator, HEADER, RowKind};
pub use spec::{Share, Spec};
pub use weights::{EventType, Weights};
