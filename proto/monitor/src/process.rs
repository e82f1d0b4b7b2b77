//! This process as the system sees it, under the names that every Prometheus client uses. Read when it is asked for.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntGauge};
use proto::Timestamp;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::figure::{gauge, level};

/// Figures of this process.
pub(crate) struct Process {
    resident: IntGauge,
    open: IntGauge,
    most_open: IntGauge,
    processor: Counter,
    start: Gauge,
}

impl Process {
    /// Takes the present moment for the start of the process.
    pub(crate) fn begin() -> Self {
        let sound = "names of figures are written in the code, and sound";
        let start = Gauge::new("process_start_time_seconds", "When the process started, in seconds since 1970.");
        let start = start.expect(sound);
        start.set(Timestamp::now().as_duration().as_secs_f64());
        let processor = Counter::new("process_cpu_seconds_total", "Processor time used, in seconds.").expect(sound);
        Self {
            resident: gauge("process_resident_memory_bytes", "Memory that is in use and not swapped out, in bytes."),
            open: gauge("process_open_fds", "Open descriptors: files, connections, and the like."),
            most_open: gauge("process_max_fds", "Descriptors that may be open."),
            processor,
            start,
        }
    }

    /// What cannot be read stays as it was.
    fn look(&self) {
        if let Some(resident) = resident() {
            self.resident.set(level(resident));
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // One of them is the folder itself.
            self.open.set(level(open.count().saturating_sub(1)));
        }
        self.most_open.set(getrlimit(Resource::Nofile).current.map_or(i64::MAX, level));
        let used = clock_gettime(ClockId::ProcessCPUTime);
        let used = std::time::Duration::try_from(used).unwrap_or_default().as_secs_f64();
        self.processor.inc_by((used - self.processor.get()).max(0.0));
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        let whole = [&self.resident, &self.open, &self.most_open].into_iter().flat_map(Collector::desc);
        whole.chain(self.processor.desc()).chain(self.start.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.look();
        let whole = [&self.resident, &self.open, &self.most_open].into_iter().flat_map(Collector::collect);
        whole.chain(self.processor.collect()).chain(self.start.collect()).collect()
    }
}

fn resident() -> Option<u64> {
    in_bytes(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Out of the line `VmRSS:    1234 kB` (proc(5)).
fn in_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_its_line() {
        assert_eq!(in_bytes("Name:\tx\nVmRSS:\t    12 kB\nVmData:\t 7 kB\n"), Some(12 << 10));
        assert_eq!(in_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn a_process_has_memory_descriptors_and_a_past() {
        let figures = Process::begin();
        figures.look();
        let spent = figures.processor.get();
        assert!(figures.resident.get() > 100_000, "{}", figures.resident.get());
        assert!((3..figures.most_open.get()).contains(&figures.open.get()), "{}", figures.open.get());
        assert!(spent > 0.0 && figures.start.get() > 1.7e9, "{spent} {}", figures.start.get());
        let held: Vec<_> = (0..100).map(|_| std::fs::File::open("/proc/self/status").unwrap()).collect();
        let before = figures.open.get();
        figures.look();
        assert!(figures.open.get() >= before + 50, "{before} {} {}", figures.open.get(), held.len());
    }
}
