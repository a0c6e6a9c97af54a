//! Lines for people: time, level, message, fields.

use std::io::{self, Write};

use slog::{Drain, Never, OwnedKVList, Record};
use slog_term::{Decorator, FullFormat, PlainDecorator, RecordDecorator, TermDecorator};

use super::is_unsafe;

/// A drain that writes to standard error, with colours where it is a terminal.
pub(super) fn stderr() -> impl Drain<Ok = (), Err = Never> + Send + 'static {
    format(TermDecorator::new().stderr().build())
}

/// A drain that writes to `out` without colours.
pub(super) fn plain<W: Write + Send + 'static>(
    out: W,
) -> impl Drain<Ok = (), Err = Never> + Send + 'static {
    format(PlainDecorator::new(out))
}

/// Every line is whole: no line above it has to be read to know which pipeline it speaks of.
fn format<D: Decorator + Send + 'static>(
    decorator: D,
) -> impl Drain<Ok = (), Err = Never> + Send + 'static {
    FullFormat::new(Escaping(decorator))
        .use_original_order()
        .build()
        .ignore_res()
}

/// A decorator that escapes what messages, keys and values hold, and leaves the rest to another.
struct Escaping<D>(D);

impl<D: Decorator> Decorator for Escaping<D> {
    fn with_record<F>(&self, record: &Record, values: &OwnedKVList, write: F) -> io::Result<()>
    where
        F: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        self.0.with_record(record, values, |inner| {
            write(&mut EscapingRecord {
                inner,
                foreign: false,
            })
        })
    }
}

struct EscapingRecord<'a> {
    inner: &'a mut dyn RecordDecorator,
    /// Whether what is written comes from the one who logs, and not from the format.
    foreign: bool,
}

impl Write for EscapingRecord<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.foreign {
            let text = escape(&String::from_utf8_lossy(bytes));
            self.inner.write_all(text.as_bytes())?;
        } else {
            self.inner.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl RecordDecorator for EscapingRecord<'_> {
    fn reset(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.reset()
    }

    fn start_whitespace(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.start_whitespace()
    }

    fn start_msg(&mut self) -> io::Result<()> {
        self.foreign = true;
        self.inner.start_msg()
    }

    fn start_timestamp(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.start_timestamp()
    }

    fn start_level(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.start_level()
    }

    fn start_comma(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.start_comma()
    }

    fn start_key(&mut self) -> io::Result<()> {
        self.foreign = true;
        self.inner.start_key()
    }

    fn start_value(&mut self) -> io::Result<()> {
        self.foreign = true;
        self.inner.start_value()
    }

    fn start_location(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.start_location()
    }

    fn start_separator(&mut self) -> io::Result<()> {
        self.foreign = false;
        self.inner.start_separator()
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}
