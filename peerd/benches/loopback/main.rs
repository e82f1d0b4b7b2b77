//! `cargo bench -p peerd`: one holder, one downloader, one file over loopback, mutual TLS and verification on: GiB/s, and
//! CPU-seconds per GiB of both sides. A bare TLS socket with the same checking does the same in turn, and nginx (TLS 1.3) and
//! curl, which check nothing, where they are installed.
//!
//! `BENCH_MIB` is the size of the file (1024), `BENCH_RUNS` the number of runs (3); medians are printed. The other two
//! programs have to be there: `cargo build --release --bins`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench reports to whoever runs it")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod bare;

const DIRECTORY: &str = "127.0.0.1:24001";
const SEED: &str = "127.0.0.1:25001";
const SINK: &str = "127.0.0.1:25002";
const NGINX: &str = "127.0.0.1:24443";
const BARE: &str = "127.0.0.1:24444";
/// Clock ticks per second in `/proc/PID/stat`: the same on every Linux that Rust runs on (`man 5 proc`, `USER_HZ`).
const TICKS: f64 = 100.0;
const PATIENCE: Duration = Duration::from_mins(1);

/// What one run took.
struct Run {
    seconds: f64,
    /// CPU-seconds of the side that gives and of the one that takes.
    cpu: [f64; 2],
}

/// A program that ends with its owner.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn cpu(&self) -> f64 {
        cpu(self.0.id()).0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU-seconds of a process so far, and whether it has ended.
fn cpu(pid: u32) -> (f64, bool) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    (ticks / TICKS, fields[0] == "Z")
}

/// Runs a command to its end; its seconds and CPU-seconds.
fn timed(command: &mut Command) -> (f64, f64) {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    // Looked at before it is waited for: afterwards its times are gone.
    let mut used = cpu(child.id());
    while !used.1 {
        pause(Duration::from_millis(2));
        used = cpu(child.id());
    }
    let took = began.elapsed().as_secs_f64();
    assert!(child.wait().unwrap().success(), "{command:?}");
    (took, used.0)
}

#[expect(clippy::disallowed_methods, reason = "between two looks at another process")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        pause(Duration::from_millis(20));
    }
}

/// The three programs around one file.
struct Bench {
    folder: tempfile::TempDir,
    bin: PathBuf,
}

impl Bench {
    fn new(mib: usize) -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_peerd")).parent().unwrap().to_owned();
        for program in ["directoryd", "peerctl"] {
            assert!(bin.join(program).exists(), "{program} is missing: run `cargo build --release --bins` first");
        }
        let mut file = fs::File::create(folder.path().join("file")).unwrap();
        let mut block = vec![0; 1 << 20];
        for number in 0..mib {
            blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut block);
            file.write_all(&block).unwrap();
        }
        fs::write(folder.path().join("password"), "bench of the data plane\n").unwrap();
        Self { folder, bin }
    }

    /// Writes as much as a run is going to write, and lets go of it: a virtual machine gives free memory back to its host, and
    /// the first write to it costs several times the second.
    fn warm(&self, mib: usize) {
        let path = self.path("warm");
        let mut file = fs::File::create(&path).unwrap();
        let block = vec![0; 1 << 20];
        for _ in 0..mib + 256 {
            file.write_all(&block).unwrap();
        }
        fs::remove_file(path).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn directory(&self) -> Program {
        let state = self.path("directory");
        let mut add = Command::new(self.bin.join("directoryd"));
        add.args(["user", "add", "bench", "--password-file"]).arg(self.path("password"));
        assert!(add.arg("--state-dir").arg(&state).stdout(Stdio::null()).status().unwrap().success());
        let mut serve = Command::new(self.bin.join("directoryd"));
        Program::start(serve.args(["serve", "--listen", DIRECTORY, "--state-dir"]).arg(state))
    }

    fn peer(&self, name: &str, listen: &str) -> Program {
        let home = self.path(name);
        let _ = fs::remove_dir_all(&home);
        let mut run = Command::new(env!("CARGO_BIN_EXE_peerd"));
        run.args(["run", "--name", name, "--listen", listen, "--user", "bench", "--directory"]);
        run.arg(format!("http://{DIRECTORY}")).arg("--state-dir").arg(&home).arg("--socket").arg(home.join("socket"));
        run.arg("--download-dir").arg(home.join("downloads")).arg("--password-file").arg(self.path("password"));
        let peer = Program::start(&mut run);
        eventually("the peer is connected", || {
            let status = self.ask(name, ["--json", "status"]).output().unwrap();
            String::from_utf8_lossy(&status.stdout).contains("\"connected\"")
        });
        peer
    }

    fn ask<const N: usize>(&self, peer: &str, args: [&str; N]) -> Command {
        let mut command = Command::new(self.bin.join("peerctl"));
        command.arg("--socket").arg(self.path(peer).join("socket")).args(args).stdin(Stdio::null());
        command
    }

    fn enjambre(&self, seed: &Program, mib: usize) -> Run {
        let sink = self.peer("sink", SINK);
        self.warm(mib);
        let before = [seed.cpu(), sink.cpu()];
        let (seconds, _) = timed(&mut self.ask("sink", ["-q", "download", "file"]));
        let cpu = [seed.cpu() - before[0], sink.cpu() - before[1]];
        fs::remove_file(self.path("sink").join("downloads/file")).unwrap();
        Run { seconds, cpu }
    }

    /// The giving end of a bare TLS socket.
    fn bare(&self) -> Program {
        let mut give = Command::new(std::env::current_exe().unwrap());
        give.args(["bare-give", BARE]).arg(self.path("file")).arg(self.path("giver.key"));
        let giver = Program::start(&mut give);
        eventually("the bare socket listens", || std::net::TcpStream::connect(BARE).is_ok());
        giver
    }

    fn take_bare(&self, giver: &Program, mib: usize) -> Run {
        let target = self.path("bare");
        self.warm(mib);
        let before = giver.cpu();
        let mut take = Command::new(std::env::current_exe().unwrap());
        take.args(["bare-take", BARE]).arg(target).arg(self.path("taker.key")).arg(self.path("giver.key"));
        let (seconds, cpu) = timed(&mut take);
        fs::remove_file(self.path("bare")).unwrap();
        Run { seconds, cpu: [giver.cpu() - before, cpu] }
    }

    /// nginx with one worker, as a peer has one connection, and with writes of the size that suits it; `None` where it, curl or
    /// openssl is missing.
    fn nginx(&self) -> Option<Program> {
        let there = |program: &str| {
            Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        if !["nginx", "curl", "openssl"].into_iter().all(there) {
            return None;
        }
        let folder = self.folder.path().display().to_string();
        let mut key = Command::new("openssl");
        key.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]);
        key.args(["-subj", "/CN=127.0.0.1", "-keyout"])
            .arg(self.path("key.pem"))
            .arg("-out")
            .arg(self.path("cert.pem"));
        assert!(key.stderr(Stdio::null()).status().unwrap().success());
        let config = format!(
            "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; server {{ listen {NGINX} ssl; root {folder};\n\
             ssl_protocols TLSv1.3; ssl_buffer_size 64k;\n\
             ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; }} }}\n"
        );
        fs::write(self.path("nginx.conf"), config).unwrap();
        let nginx = Program::start(Command::new("nginx").arg("-c").arg(self.path("nginx.conf")));
        eventually("nginx listens", || std::net::TcpStream::connect(NGINX).is_ok());
        Some(nginx)
    }

    fn curl(&self, nginx: &Program, mib: usize) -> Run {
        let target = self.path("curled");
        self.warm(mib);
        let before = nginx.cpu();
        let mut curl = Command::new("curl");
        let (seconds, cpu) = timed(curl.args(["-sSk", "-o"]).arg(target).arg(format!("https://{NGINX}/file")));
        fs::remove_file(self.path("curled")).unwrap();
        Run { seconds, cpu: [nginx.cpu() - before, cpu] }
    }
}

fn number(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |value| value.parse().unwrap())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::cast_precision_loss, reason = "a file of some gibibytes")]
fn report(name: &str, mib: usize, runs: &[Run]) {
    let gib = mib as f64 / 1024.0;
    let of = |take: &dyn Fn(&Run) -> f64| median(runs.iter().map(take).collect());
    let (rate, give, take) = (of(&|run| gib / run.seconds), of(&|run| run.cpu[0] / gib), of(&|run| run.cpu[1] / gib));
    println!(
        "{name:<12} {rate:>6.2} GiB/s   CPU-s/GiB: {give:.2} giving, {take:.2} taking, {:.2} together",
        give + take
    );
}

fn main() {
    if bare::is_child(&std::env::args_os().skip(1).collect::<Vec<_>>()) {
        return;
    }
    let (mib, count) = (number("BENCH_MIB", 1024), number("BENCH_RUNS", 3));
    let bench = Bench::new(mib);
    let _directory = bench.directory();
    eventually("the directory listens", || std::net::TcpStream::connect(DIRECTORY).is_ok());
    let seed = bench.peer("seed", SEED);
    assert!(
        bench.ask("seed", ["-q", "upload"]).arg(bench.path("file")).stdout(Stdio::null()).status().unwrap().success()
    );
    let (giver, nginx) = (bench.bare(), bench.nginx());
    let (mut ours, mut bare, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        ours.push(bench.enjambre(&seed, mib));
        bare.push(bench.take_bare(&giver, mib));
        theirs.extend(nginx.as_ref().map(|nginx| bench.curl(nginx, mib)));
    }
    println!("{mib} MiB over loopback, median of {count}, in turn:");
    report("enjambre", mib, &ours);
    report("bare TLS", mib, &bare);
    if theirs.is_empty() {
        println!("nginx+curl   not measured: nginx, curl or openssl is not installed");
    } else {
        report("nginx+curl", mib, &theirs);
    }
}
