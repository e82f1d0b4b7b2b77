//! The real program, as it is built for this bench, and what it costs.

use std::process::{Child, Command, Stdio};

use directoryd::Database;

use crate::http::Connection;
use crate::support::eventually;

const ADDRESS: &str = "127.0.0.1:24011";
/// Clock ticks per second in `/proc/PID/stat`: the same on every Linux that Rust runs on (`man 5 proc`, `USER_HZ`).
const TICKS: f64 = 100.0;

/// Ends with its owner.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) async fn start(database: &Database) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directoryd"));
        command.args(["--listen", ADDRESS, "--admin-listen", "off", "--max-requests", "off", "--log-level", "warn"]);
        command.args(["--lease", "1h", "--heartbeat", "1m"]);
        command.arg("--database-url").arg(database.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        let server = Self(command.spawn().unwrap());
        eventually("it serves", async || Connection::open(ADDRESS).await.ok()).await;
        server
    }

    #[expect(clippy::unused_self, reason = "it listens as long as it lives")]
    pub(crate) fn address(&self) -> &'static str {
        ADDRESS
    }

    /// CPU-seconds so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    /// Resident memory that is not a part of a file, in bytes.
    pub(crate) fn private_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
