//! The server's configuration: written anew at every start, into files that are ours, not the
//! server's user's: root must not write where an unprivileged user could have put a link.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ingestd_actors::error::Result;

use super::account::Account;
use super::layout::Layout;
use super::{NAME, io_error, socket};

const MIB: u64 = 1 << 20;

/// Writes all files; gives the path of the main one.
pub(super) fn write(
    layout: &Layout,
    server: &Account,
    current: &Account,
    major: u32,
) -> Result<PathBuf> {
    let directory = layout.configuration();
    let written = (|| {
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
        let main = directory.join("postgresql.conf");
        let text = main_file(&directory, &cluster_name(layout), major, memory());
        write_readable(&main, &text)?;
        write_readable(
            &directory.join("pg_hba.conf"),
            &format!(
                "# Nobody but ingestd's own user gets in.\nlocal all {NAME} peer map={NAME}\n"
            ),
        )?;
        write_readable(
            &directory.join("pg_ident.conf"),
            &ident_file(&[current, server]),
        )?;
        Ok(main)
    })();
    written.map_err(|error| {
        io_error(
            format!(
                "writing the server's configuration to {}",
                directory.display()
            ),
            error,
        )
    })
}

/// What the server's processes show in their titles: it tells them from those of other clusters.
pub(super) fn cluster_name(layout: &Layout) -> String {
    format!("{NAME}-{:012x}", socket::mark(layout.root()))
}

fn write_readable(path: &Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(0o644))
}

fn ident_file(users: &[&Account]) -> String {
    let mut text = "# map, user of the operating system, role\n".to_owned();
    let mut names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    names.dedup();
    for name in names {
        text.push_str(&format!(
            "{NAME} \"{}\" {NAME}\n",
            name.replace('"', "\"\"")
        ));
    }
    text
}

fn main_file(directory: &Path, cluster_name: &str, major: u32, memory: u64) -> String {
    let file = |name: &str| quoted(&directory.join(name).to_string_lossy());
    let mut text = format!(
        "\
# ingestd writes this file at every start. Put settings of your own into extra.conf beside it.
hba_file = {hba}
ident_file = {ident}
cluster_name = {name}
unix_socket_permissions = 0700
max_connections = 300

# Durable: what was committed is on the disk.
fsync = on
synchronous_commit = on
full_page_writes = on

# Loading writes much and reads little.
shared_buffers = {buffers}MB
maintenance_work_mem = 64MB
max_wal_size = 2GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
wal_compression = off
random_page_cost = 1.1
jit = off

# Not by role: ours is named as the ledger's schema, which is not where tables belong.
search_path = 'public'
timezone = 'UTC'
log_timezone = 'UTC'

# Refused rows are no news here, ingestd keeps them; and their messages hold the rows' values,
# which belong in no log. LOG, FATAL and PANIC are what remains.
log_min_messages = log
log_min_error_statement = panic
log_error_verbosity = terse
log_checkpoints = off
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] '
",
        hba = file("pg_hba.conf"),
        ident = file("pg_ident.conf"),
        name = quoted(cluster_name),
        buffers = shared_buffers(memory) / MIB,
    );
    if major >= 14 {
        text.push_str(
            "\n# A statement whose client is gone ends.\nclient_connection_check_interval = 10s\n",
        );
    }
    text.push_str(&format!("\ninclude_if_exists = {}\n", file("extra.conf")));
    text
}

/// A string as PostgreSQL's configuration files have it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// An eighth of the memory, within 32 and 256 MiB: more doesn't make loading faster.
fn shared_buffers(memory: u64) -> u64 {
    (memory / 8).clamp(32 * MIB, 256 * MIB)
}

/// The memory that this process may use, as far as the system tells.
fn memory() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| mem_total(&text));
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(group).min().unwrap_or(1024 * MIB)
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffers_keep_within_the_machine() {
        assert_eq!(shared_buffers(24 << 30), 256 * MIB);
        assert_eq!(shared_buffers(1 << 30), 128 * MIB);
        assert_eq!(shared_buffers(0), 32 * MIB);
        let meminfo = "MemTotal:       24681416 kB\nMemFree: 1 kB\n";
        assert_eq!(mem_total(meminfo), Some(24_681_416 * 1024));
        assert!(memory() > 0);
    }

    #[test]
    fn a_setting_that_a_version_does_not_know_is_not_written() {
        let text = |major| main_file(Path::new("/it's/conf"), "x", major, 1 << 30);
        assert!(!text(13).contains("client_connection_check_interval"));
        assert!(text(14).contains("client_connection_check_interval"));
        assert!(text(15).contains("'/it''s/conf/pg_hba.conf'"));
    }

    #[test]
    fn users_are_mapped_once_and_quoted() {
        let user = |name: &str| Account {
            name: name.into(),
            uid: 1,
            gid: 1,
        };
        let (me, other) = (user("me"), user("a b"));
        assert_eq!(ident_file(&[&me, &me]).lines().count(), 2);
        assert!(ident_file(&[&me, &other]).contains("\ningestd \"a b\" ingestd\n"));
    }
}
