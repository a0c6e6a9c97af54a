//! Asking before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use ingestd_actors::error::{Error, ErrorKind, Result};

use super::output::print;

/// Asks on the terminal; `command` is who asks, for the message where there is none.
///
/// # Errors
/// `Configuration` where there is no terminal to ask on.
pub fn confirmed(question: &str, command: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        let message = format!("{command} asks first, and there is no terminal to ask on");
        return Err(Error::new(ErrorKind::Configuration, message).with_advice("say --yes"));
    }
    print(&format!("{question} [y/N] "))?;
    io::stdout().flush().ok();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Error::new(ErrorKind::Transient, format!("reading the answer: {error}"))
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
