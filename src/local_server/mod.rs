//! The private PostgreSQL server, for where no database is configured.
//!
//! It lives below a data directory that one service at a time has locked, as a child of that
//! service, and nobody but ingestd's own user can connect to it: a Unix socket, no TCP.
//!
//! - [`find_binaries`] looks for PostgreSQL on this machine. Nothing here ever installs anything.
//! - [`LocalServer::open`] locks a data directory and makes the cluster in it, once.
//! - [`LocalServer::start`] gives a [`RunningServer`]: wait for its end, or stop it.
//! - [`use_or_start`] is for commands that only ask: they share the server of whoever runs it.
//!
//! Below the data directory stand:
//!
//! | name | what |
//! |---|---|
//! | `ingestd.lock` | locked by the service, or by a command that started the server for the moment |
//! | `users.lock` | locked in common by the commands that use the server at the moment |
//! | `cluster/` | PostgreSQL's own data directory, the property of the server's user |
//! | `conf/` | the server's configuration, written anew at every start; `extra.conf` is the operator's |
//! | `socket/` | the Unix socket, where its path is short enough |
//! | `server.log` | what the server says; `server.log.1` is an older part of it |

mod account;
mod binaries;
mod borrow;
mod child;
mod cluster;
mod configuration;
mod dependent;
mod layout;
mod lock;
mod postmaster;
mod server;
mod socket;

pub use account::user_name;
pub use binaries::{Binaries, find_binaries, find_psql};
pub use borrow::{Borrowed, use_if_there, use_or_start};
pub use dependent::Dependent;
pub use layout::default_data_dir;
pub use server::{LocalServer, RunningServer};

use ingestd_actors::error::{Error, ErrorKind};

/// The superuser's role, and the database.
const NAME: &str = "ingestd";

/// An error that somebody has to do something about: the program ends with exit code 2.
fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

/// An I/O error, with what was being done.
fn io_error(doing: impl Into<String>, error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied
        | std::io::ErrorKind::NotFound
        | std::io::ErrorKind::NotADirectory
        | std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Configuration,
        _ => ErrorKind::Transient,
    };
    Error::new(kind, format!("{}: {error}", doing.into())).with_source(error)
}
