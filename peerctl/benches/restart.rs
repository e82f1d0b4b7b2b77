//! `cargo bench -p peerctl --bench restart`: a peer of 100,000 files is stopped or killed and started again, while others use
//! the directory at a steady rate: how long until it is connected, and what the others wait meanwhile.
//!
//! `BENCH_FILES` is the number of files, `BENCH_RUNS` that of restarts of each kind (3). The other two programs have to be there:
//! `cargo build --release --bins`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench reports to whoever runs it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto::directory::registration_message;
use proto::ids::{FileId, InstanceId};
use serde_json::{Value, json};
use transport::Identity;

const DIRECTORY: &str = "127.0.0.1:24011";
const PEER: &str = "127.0.0.1:25011";
/// Hashing and announcing everything for the first time.
const PATIENCE: Duration = Duration::from_mins(10);

/// What others ask for, each over a connection of its own: what one kind waits for is not put down to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Lookup,
    Page,
    Heartbeat,
    Announcement,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Lookup, Self::Page, Self::Heartbeat, Self::Announcement];

    /// Between two of them.
    fn every(self) -> Duration {
        Duration::from_millis(match self {
            Self::Lookup => 5,
            Self::Page | Self::Heartbeat => 12,
            Self::Announcement => 25,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookups",
            Self::Page => "pages of 100 files",
            Self::Heartbeat => "heartbeats",
            Self::Announcement => "announcements",
        }
    }
}

/// A program that ends with its owner.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn terminate(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks at another process, and between two requests")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        pause(Duration::from_millis(10));
    }
}

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// A connection to the directory that is kept.
struct Api {
    stream: BufReader<TcpStream>,
    token: String,
}

impl Api {
    fn log_in() -> Self {
        let stream = TcpStream::connect(DIRECTORY).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut api = Self { stream: BufReader::new(stream), token: String::new() };
        let login = json!({"username": "bench", "password": "bench of restarts"});
        let session = api.ask("POST", "/sessions", Some(&login));
        Self { token: session["token"].as_str().unwrap().to_owned(), ..api }
    }

    fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: \
             application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 2"), "{method} {path}: {line}");
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).unwrap();
        if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer).unwrap() }
    }

    /// A peer of this user, as which to announce.
    fn register(&mut self, identity: &Identity, instance: InstanceId) -> String {
        let id = identity.peer_id();
        let nonce = self.ask("POST", "/peers/challenge", None)["nonce"].as_str().unwrap().parse().unwrap();
        let (name, address) = ("other".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        let signature = identity.sign(&registration_message(&nonce, &id, &instance, &name, &address));
        let peer = json!({
            "name": name, "address": address, "key": identity.public_key(), "nonce": nonce, "signature": signature,
            "instance": instance, "version": "0",
        });
        self.ask("PUT", &format!("/peers/{id}"), Some(&peer));
        format!("/peers/{id}")
    }
}

/// One of the others: asks at its rate until `done`, and says what it waited from when it wanted to ask.
fn other(kind: Kind, files: usize, folder: &Path, done: &AtomicBool) -> Vec<Duration> {
    let (identity, instance) = (
        Identity::load_or_create(&folder.join(format!("key of {}", kind.name()))).unwrap(),
        InstanceId::from_bytes(rand::random()),
    );
    let mut api = Api::log_in();
    let me = api.register(&identity, instance);
    let mut waits = Vec::new();
    let began = Instant::now();
    for turn in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let wanted = began + kind.every() * turn;
        pause(wanted.saturating_duration_since(Instant::now()));
        let file = FileId::of(content(rand::random_range(0..files)).as_bytes());
        match kind {
            Kind::Lookup => drop(api.ask("GET", &format!("/files/{file}/holders"), None)),
            Kind::Page => drop(api.ask("GET", "/files?limit=100", None)),
            Kind::Heartbeat => {
                drop(api.ask("POST", &format!("{me}/heartbeat"), Some(&json!({"instance": instance}))));
            }
            Kind::Announcement => {
                let file_id = FileId::of(&turn.to_le_bytes());
                let add = json!([{"file_id": file_id, "name": "other", "size": 4, "state": "complete"}]);
                api.ask("PATCH", &format!("{me}/files"), Some(&json!({ "add": add })));
            }
        }
        waits.push(wanted.elapsed());
    }
    waits
}

fn content(number: usize) -> String {
    format!("{number}")
}

/// What the others wait while `work` is done.
fn meanwhile(files: usize, folder: &Path, work: impl FnOnce()) -> BTreeMap<Kind, Vec<Duration>> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = |kind| {
            let done = &done;
            (kind, scope.spawn(move || other(kind, files, folder, done)))
        };
        let others = Kind::ALL.map(asking);
        work();
        done.store(true, Ordering::Relaxed);
        others.into_iter().map(|(kind, other)| (kind, other.join().unwrap())).collect()
    })
}

fn report(what: &str, waits: BTreeMap<Kind, Vec<Duration>>) {
    println!("{what}:");
    let all: Vec<Duration> = waits.values().flatten().copied().collect();
    let named = waits.into_iter().map(|(kind, waits)| (kind.name(), waits));
    for (name, mut waits) in named.chain([("all together", all)]) {
        waits.sort();
        let at = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index"
            )]
            let index = ((waits.len() - 1) as f64 * share) as usize;
            waits[index].as_secs_f64() * 1000.0
        };
        println!(
            "  {name:20} {:6}  p50 {:8.2} ms  p99 {:8.2} ms  most {:8.2} ms",
            waits.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

struct Bench {
    folder: tempfile::TempDir,
    bin: PathBuf,
    files: usize,
}

impl Bench {
    fn new(files: usize) -> Self {
        let bin = Path::new(env!("CARGO_BIN_EXE_peerctl")).parent().unwrap().to_owned();
        for program in ["directoryd", "peerd"] {
            assert!(bin.join(program).exists(), "{program} is missing: run `cargo build --release --bins` first");
        }
        let bench = Self { folder: tempfile::tempdir().unwrap(), bin, files };
        for number in 0..files {
            let folder = bench.path("shared").join((number / 1000).to_string());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("file-{number}")), content(number)).unwrap();
        }
        std::fs::write(bench.path("password"), "bench of restarts\n").unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn directory(&self) -> Program {
        let state = self.path("directory");
        let mut add = Command::new(self.bin.join("directoryd"));
        add.args(["user", "add", "bench", "--password-file"]).arg(self.path("password"));
        assert!(add.arg("--state-dir").arg(&state).stderr(Stdio::null()).status().unwrap().success());
        let mut serve = Command::new(self.bin.join("directoryd"));
        serve.args(["serve", "--listen", DIRECTORY, "--admin-listen", "off", "--state-dir"]).arg(state);
        let directory = Program::start(&mut serve);
        eventually("the directory answers", || TcpStream::connect(DIRECTORY).is_ok());
        directory
    }

    fn peer(&self) -> Program {
        let home = self.path("peer");
        let mut run = Command::new(self.bin.join("peerd"));
        run.args(["run", "--name", "many", "--listen", PEER, "--user", "bench", "--directory"]);
        run.arg(format!("http://{DIRECTORY}")).arg("--state-dir").arg(&home).arg("--socket").arg(home.join("socket"));
        run.arg("--download-dir").arg(home.join("downloads")).arg("--password-file").arg(self.path("password"));
        Program::start(run.arg("--share").arg(self.path("shared")))
    }

    /// Connected, and everything there.
    fn is_ready(&self) -> bool {
        let mut status = Command::new(env!("CARGO_BIN_EXE_peerctl"));
        status.arg("--socket").arg(self.path("peer/socket")).args(["--json", "status"]);
        let answer = status.stderr(Stdio::null()).output().unwrap();
        let Ok(status) = serde_json::from_slice::<Value>(&answer.stdout) else { return false };
        status["directory"]["state"] == "connected" && status["shares"].as_u64() == Some(self.files as u64)
    }
}

fn main() {
    let (files, runs) = (setting("BENCH_FILES", 100_000), setting("BENCH_RUNS", 3));
    let bench = Bench::new(files);
    let _directory = bench.directory();
    let began = Instant::now();
    let mut peer = Some(bench.peer());
    let mut api = Api::log_in();
    eventually("all is announced", || {
        let peers = api.ask("GET", "/peers?name=many", None);
        peers["items"][0]["files"].as_u64() == Some(files as u64)
    });
    println!("{files} files hashed and announced in {:.1} s", began.elapsed().as_secs_f64());

    let quiet = meanwhile(files, bench.folder.path(), || pause(Duration::from_secs(10)));
    report("nothing happens", quiet);
    for how in ["SIGTERM", "kill -9"] {
        let mut took = Vec::new();
        let waits = meanwhile(files, bench.folder.path(), || {
            for _ in 0..runs {
                let old = peer.take().unwrap();
                if how == "SIGTERM" {
                    old.terminate();
                } else {
                    drop(old);
                }
                let began = Instant::now();
                peer = Some(bench.peer());
                eventually("it is ready", || bench.is_ready());
                took.push(began.elapsed());
                // What it does once it is ready belongs to it too.
                pause(Duration::from_secs(3));
            }
        });
        took.sort();
        let seconds: Vec<String> = took.iter().map(|took| format!("{:.2}", took.as_secs_f64())).collect();
        println!("{how}: ready after {} s", seconds.join(", "));
        report("meanwhile", waits);
    }
}
