//! Every row exactly once, whichever process dies, and however often.
//!
//! The program is killed, or its server is, after a random amount of progress in the ledger. What
//! must be there at the end comes from the seed of the generated files, by a way that reads no CSV.

mod forms;
mod process;
mod server;
