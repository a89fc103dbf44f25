//! Metrics of the process itself, read from `/proc` at each scrape; elsewhere than on Linux there are none.

use std::{fmt::Write as _, fs};

/// The kernel reports processor time in hundredths of a second to user space, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// The metrics in Prometheus' text format.
pub(super) fn render() -> String {
    let mut text = String::new();
    let stat = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| Stat::parse(&stat));
    let mut add = |name: &str, kind: &str, meaning: &str, value: Option<f64>| {
        if let Some(value) = value {
            let _ = writeln!(text, "# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    let memory = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident_bytes(&status));
    add(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of the process that is in use, in bytes.",
        memory,
    );
    let cpu = stat.as_ref().map(|stat| stat.cpu_seconds);
    add(
        "process_cpu_seconds_total",
        "counter",
        "Processor time used by the process, in seconds.",
        cpu,
    );
    let files = fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64);
    add("process_open_fds", "gauge", "Open file descriptors.", files);
    let boot = fs::read_to_string("/proc/stat").ok().and_then(|stat| boot_time(&stat));
    let started_at = stat.zip(boot).map(|(stat, boot)| boot + stat.start_seconds);
    add(
        "process_start_time_seconds",
        "gauge",
        "Start of the process, in seconds since 1970.",
        started_at,
    );
    text
}

struct Stat {
    cpu_seconds: f64,
    /// Seconds between the boot of the machine and the start of the process.
    start_seconds: f64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5) counts from 1 and `rest` begins with field 3: utime is field 14, stime 15, starttime 22.
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            start_seconds: ticks(22)? / TICKS_PER_SECOND,
        })
    }
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn boot_time(stat: &str) -> Option<f64> {
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = Stat::parse(
            "4711 (a (odd) name) S 1 4711 4711 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200 184 1 1 0",
        )
        .unwrap();
        assert!((stat.cpu_seconds - 3.0).abs() < 1e-9);
        assert!((stat.start_seconds - 123.45).abs() < 1e-9);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
        assert_eq!(boot_time("cpu 1 2\nbtime 1700000000\n"), Some(1_700_000_000.0));
        assert!(Stat::parse("nonsense").is_none() && Stat::parse("1 (x) S").is_none());
        assert_eq!((resident_bytes(""), boot_time("")), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_of_them() {
        let text = render();
        for name in [
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            assert!(text.contains(&format!("\n{name} ")), "{name} in {text}");
        }
    }
}
