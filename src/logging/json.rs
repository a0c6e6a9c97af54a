//! One JSON object a line: `ts` (RFC 3339, UTC), `level`, `msg`, and the fields.

use std::io::{self, Write};
use std::time::SystemTime;

use slog::{Drain, FnValue, Level, Never, PushFnValue, Record, o};
use slog_json::Json;

use super::is_unsafe;

/// A drain that writes to `out`, each line at once.
pub(super) fn lines<W: Write + Send + 'static>(
    out: W,
) -> impl Drain<Ok = (), Err = Never> + Send + 'static {
    let now = |_: &Record| humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    Json::new(Lines::new(out))
        .add_key_value(o!("ts" => FnValue(now)))
        .add_key_value(o!("level" => FnValue(|record: &Record| name_of(record.level()))))
        .add_key_value(o!("msg" => PushFnValue(|record: &Record, to| to.emit(record.msg()))))
        .build()
        .ignore_res()
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::Critical => "critical",
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// Gathers a line and writes it in one go, so that lines of several processes don't mix.
///
/// JSON escapes the ASCII control characters by itself; the others, which some readers take for line
/// ends, are escaped here. They can stand in strings only.
struct Lines<W> {
    out: W,
    line: Vec<u8>,
}

impl<W> Lines<W> {
    fn new(out: W) -> Self {
        let line = Vec::new();
        Self { out, line }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if bytes.ends_with(b"\n") {
            let line = std::mem::take(&mut self.line);
            self.out
                .write_all(escape(&String::from_utf8_lossy(&line)).as_bytes())?;
            self.out.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn escape(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if c != '\n' && is_unsafe(c) {
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
    }
    escaped
}
