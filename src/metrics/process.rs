//! The process itself, as the system has it: the names are those that Prometheus's own libraries use.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntGauge};

/// What the system says of this process, read as it is asked for.
pub(super) struct Process {
    cpu: Counter,
    open_fds: IntGauge,
    max_fds: IntGauge,
    resident: IntGauge,
    virtual_size: IntGauge,
    threads: IntGauge,
    start: Gauge,
}

/// What stands in `/proc/self/stat`, of the little that is wanted.
#[derive(Debug, PartialEq)]
struct Stat {
    /// User and system time.
    cpu_ticks: u64,
    threads: i64,
    /// After the start of the system.
    start_ticks: u64,
    virtual_bytes: i64,
    resident_pages: i64,
}

impl Process {
    pub fn new() -> prometheus::Result<Process> {
        let gauge = |name, help| IntGauge::new(name, help);
        Ok(Process {
            cpu: Counter::new(
                "process_cpu_seconds_total",
                "Processor time of the process, user and system.",
            )?,
            open_fds: gauge("process_open_fds", "Open file descriptors.")?,
            max_fds: gauge("process_max_fds", "The most file descriptors it may open.")?,
            resident: gauge("process_resident_memory_bytes", "Memory in RAM.")?,
            virtual_size: gauge("process_virtual_memory_bytes", "Virtual memory.")?,
            threads: gauge("process_threads", "Threads.")?,
            start: Gauge::new("process_start_time_seconds", "When the process started.")?,
        })
    }

    fn look(&self) -> Option<()> {
        let stat = parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)?;
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page = i64::try_from(rustix::param::page_size()).ok()?;
        self.cpu.reset();
        self.cpu.inc_by(stat.cpu_ticks as f64 / ticks);
        self.threads.set(stat.threads);
        self.virtual_size.set(stat.virtual_bytes);
        self.resident.set(stat.resident_pages * page);
        // The directory that is read for it is one of them.
        let open = fs::read_dir("/proc/self/fd").ok()?.count() as i64 - 1;
        self.open_fds.set(open);
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        self.max_fds
            .set(limit.current.map_or(i64::MAX, |it| it as i64));
        let boot = parse_boot_time(&fs::read_to_string("/proc/stat").ok()?)?;
        self.start
            .set(boot as f64 + stat.start_ticks as f64 / ticks);
        Some(())
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let mut all = self.cpu.desc();
        for gauge in [
            &self.open_fds,
            &self.max_fds,
            &self.resident,
            &self.virtual_size,
            &self.threads,
        ] {
            all.extend(gauge.desc());
        }
        all.extend(self.start.desc());
        all
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Where the system does not tell, there is nothing to be said.
        if self.look().is_none() {
            return Vec::new();
        }
        let mut all = self.cpu.collect();
        for gauge in [
            &self.open_fds,
            &self.max_fds,
            &self.resident,
            &self.virtual_size,
            &self.threads,
        ] {
            all.extend(gauge.collect());
        }
        all.extend(self.start.collect());
        all
    }
}

/// The name of the program, which may hold anything, stands in parentheses: the fields that are
/// wanted come after it. Their numbers are those of proc(5).
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<i64>().ok();
    let ticks = |number: usize| field(number).map(i64::cast_unsigned);
    Some(Stat {
        cpu_ticks: ticks(14)? + ticks(15)?,
        threads: field(20)?,
        start_ticks: ticks(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

fn parse_boot_time(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_be_called_anything() {
        let text = "42 (in) gest d)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 123456 \
                    1000000 300 18446744073709551615 1 1";
        let expected = Stat {
            cpu_ticks: 300,
            threads: 7,
            start_ticks: 123_456,
            virtual_bytes: 1_000_000,
            resident_pages: 300,
        };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("42 (cut"), None);
        assert_eq!(parse_stat("42 (short) S 1 2"), None);
        assert_eq!(
            parse_boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(1_700_000_000)
        );
    }

    #[test]
    fn this_process_is_described() {
        let process = Process::new().expect("good names");
        let all = process.collect();
        assert_eq!(all.len(), 7);
        let resident = process.resident.get();
        assert!(resident > 1 << 20, "{resident}");
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).expect("after it");
        let age = now.as_secs_f64() - process.start.get();
        assert!((-2.0..86_400.0).contains(&age), "{age}");
        let before = process.cpu.get();
        let start = std::time::Instant::now();
        while process.cpu.get() <= before {
            assert!(start.elapsed().as_secs() < 10, "it counts what is used");
            process.collect();
        }
        assert!(process.open_fds.get() > 2 && process.open_fds.get() <= process.max_fds.get());
    }
}
