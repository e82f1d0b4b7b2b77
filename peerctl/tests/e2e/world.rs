//! The world of one test: programs on loopback addresses that no other test has, so that ports can stay what they are.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use proto::ids::ByteCount;
use proto::manifest::Geometry;
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Channel;
use transport::{DialOptions, Identity};

/// Longest wait for any state.
const DEADLINE: Duration = Duration::from_secs(30);
/// Moves wall clocks of the programs that it is loaded into.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
/// Worlds of this process so far.
static WORLDS: AtomicU8 = AtomicU8::new(0);

pub(crate) struct World {
    folder: TempDir,
    net: [u8; 2],
    first_host: u8,
    pub(crate) lease: Duration,
    flags: Vec<String>,
    directory: Option<Process>,
}

impl World {
    /// A directory with the users 1, 2 and 3, whose passwords are their names.
    pub(crate) fn new() -> Self {
        Self::with_lease(Duration::from_secs(30))
    }

    pub(crate) fn with_lease(lease: Duration) -> Self {
        Self::with_flags(lease, &[])
    }

    pub(crate) fn with_flags(lease: Duration, flags: &[&str]) -> Self {
        let process = std::process::id();
        let net = [u8::try_from(process >> 8 & 0x7f).unwrap() | 0x80, u8::try_from(process & 0xff).unwrap()];
        let first_host = WORLDS.fetch_add(1, Ordering::Relaxed) * 16 + 1;
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            net,
            first_host,
            lease,
            flags: flags.iter().map(ToString::to_string).collect(),
            directory: None,
        };
        for user in ["1", "2", "3"] {
            world.add_user(user);
        }
        world.start_directory();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn address(&self, host: u8, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, self.net[0], self.net[1], self.first_host + host)), port)
    }

    pub(crate) fn directory_url(&self) -> String {
        format!("http://{}", self.address(0, 4001))
    }

    fn add_user(&self, user: &str) {
        let password = self.path(&format!("password{user}"));
        std::fs::write(&password, format!("{user}\n")).unwrap();
        self.directoryd([
            "user".as_ref(),
            "add".as_ref(),
            user.as_ref(),
            "--password-file".as_ref(),
            password.as_os_str(),
        ]);
    }

    /// A command of the directory that has to succeed, beside the one that serves.
    pub(crate) fn directoryd<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) {
        let mut command = Command::new(program("directoryd"));
        command.args(args).arg("--state-dir").arg(self.path("directory"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn start_directory(&mut self) {
        let mut serve = Command::new(program("directoryd"));
        serve
            .args(["serve", "--listen", &self.address(0, 4001).to_string(), "--state-dir"])
            .arg(self.path("directory"));
        let millis = |duration: Duration| format!("{}ms", duration.as_millis());
        serve.args(["--lease", &millis(self.lease), "--heartbeat", &millis(self.lease / 3)]);
        serve.args(&self.flags);
        let process = Process::start(serve, self.path("directory.log"));
        eventually("the directory answers", || std::net::TcpStream::connect(self.address(0, 4001)).is_ok());
        self.directory = Some(process);
    }

    /// The directory serves its figures, from its next start on.
    pub(crate) fn serve_figures(&mut self) {
        self.flags.extend(["--admin-listen".to_owned(), self.address(0, 4002).to_string()]);
    }

    pub(crate) fn kill_directory(&mut self) {
        self.directory = None;
    }

    /// A peer of the user of that name, connected.
    pub(crate) fn peer(&self, name: &str) -> Peer {
        self.peer_with(name, &[])
    }

    pub(crate) fn peer_with(&self, name: &str, flags: &[&str]) -> Peer {
        let mut peer = self.idle_peer(name, flags);
        peer.start();
        peer
    }

    /// Another peer of a user who has one already, connected.
    pub(crate) fn namesake(&self, name: &str, user: &str, flags: &[&str]) -> Peer {
        let mut peer = self.idle_peer_of(name, user, flags);
        peer.start();
        peer
    }

    /// A peer that is not started yet.
    pub(crate) fn idle_peer(&self, name: &str, flags: &[&str]) -> Peer {
        self.idle_peer_of(name, name, flags)
    }

    fn idle_peer_of(&self, name: &str, user: &str, flags: &[&str]) -> Peer {
        let home = self.path(&format!("peer{name}"));
        let address = self.address(name.parse().unwrap(), 5001);
        let mut args: Vec<String> = ["run", "--name", name, "--directory", &self.directory_url(), "--user", user]
            .iter()
            .map(ToString::to_string)
            .collect();
        args.extend(["--listen".to_owned(), address.to_string()]);
        for (flag, path) in [
            ("--state-dir", home.clone()),
            ("--socket", home.join("peerd.sock")),
            ("--download-dir", home.join("downloads")),
            ("--password-file", self.path(&format!("password{user}"))),
        ] {
            args.extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
        }
        args.extend(flags.iter().map(ToString::to_string));
        Peer { home, args, address, wall_clock: None, process: None }
    }
}

pub(crate) struct Peer {
    pub(crate) home: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) address: SocketAddr,
    /// How far the wall clock is off, as libfaketime takes it.
    pub(crate) wall_clock: Option<String>,
    process: Option<Process>,
}

impl Peer {
    pub(crate) fn start(&mut self) {
        self.start_unconnected();
        eventually("the peer is connected", || self.state() == Some("connected".into()));
    }

    pub(crate) fn start_unconnected(&mut self) {
        let mut run = Command::new(program("peerd"));
        run.args(&self.args);
        if let Some(offset) = &self.wall_clock {
            assert!(Path::new(FAKETIME).exists(), "{FAKETIME} is missing (Debian: apt install faketime)");
            run.env("LD_PRELOAD", FAKETIME).env("FAKETIME", offset).env("DONT_FAKE_MONOTONIC", "1");
        }
        self.process = Some(Process::start(run, self.home.with_extension("log")));
        eventually("the control socket answers", || self.ctl(["status"]).status.success());
    }

    /// The id that follows from its key.
    pub(crate) fn id(&self) -> proto::ids::PeerId {
        self.ask(["status"])["peer_id"].as_str().unwrap().parse().unwrap()
    }

    /// A channel to it, for whoever has that key.
    pub(crate) async fn dial(&self, as_whom: &Identity) -> Channel {
        let address = self.address.to_string().parse().unwrap();
        transport::dial(&address, as_whom, self.id(), DialOptions::default()).await.unwrap()
    }

    /// How it is with the directory.
    pub(crate) fn state(&self) -> Option<String> {
        let status = self.ctl(["--json", "status"]);
        let status: Value = serde_json::from_slice(&status.stdout).ok()?;
        Some(status["directory"]["state"].as_str()?.to_owned())
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// As SIGTERM.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.take().unwrap().terminate()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.as_mut().unwrap().wait()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().child.id()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.home.with_extension("log")).unwrap_or_default()
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program("peerctl"));
        command.arg("--socket").arg(self.home.join("peerd.sock")).args(args).env("XDG_STATE_HOME", &self.home);
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn ctl<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> std::process::Output {
        self.command(args).output().unwrap()
    }

    /// The answer of a command that has to succeed.
    pub(crate) fn ask<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        let mut command = self.command(["--json"]);
        command.args(args);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{command:?}: {error}: {output:?}"))
    }

    /// What a command says that has to fail with that status.
    pub(crate) fn fails<S: AsRef<OsStr>>(&self, status: i32, args: impl IntoIterator<Item = S>) -> String {
        let mut command = self.command(args);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{command:?}: {said}");
        said
    }

    /// Makes an actor panic; there is no command for it.
    pub(crate) fn crash(&self, actor: &str) -> Option<Value> {
        self.call("crash", &serde_json::json!({ "actor": actor }))
    }

    /// Asks the daemon itself; the answer, if there is one, is JSON-RPC's.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Option<Value> {
        let socket = std::os::unix::net::UnixStream::connect(self.home.join("peerd.sock")).ok()?;
        let request = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(&socket, "{request}").ok()?;
        let mut answer = String::new();
        BufReader::new(&socket).read_line(&mut answer).ok()?;
        serde_json::from_str(&answer).ok()
    }

    /// Shares a file and answers its id.
    pub(crate) fn upload(&self, path: &Path) -> String {
        let uploaded = self.ask([OsStr::new("upload"), OsStr::new("--"), path.as_os_str()]);
        uploaded["file_id"].as_str().unwrap().to_owned()
    }

    /// The only transfer of this peer.
    pub(crate) fn transfer(&self) -> Value {
        self.ask(["transfers"])["items"][0].clone()
    }

    pub(crate) fn downloads(&self) -> PathBuf {
        self.home.join("downloads")
    }

    /// Files in the download folder, part files apart.
    pub(crate) fn finished(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.downloads()) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with(".enjambre-")).collect()
    }
}

/// A program that dies with its test.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    fn start(mut command: Command, log: PathBuf) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self { child: command.spawn().unwrap() }
    }

    fn terminate(&mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.wait()
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that was built beside this one.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_peerctl")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// Waits for a state; there is no other wait in these tests.
pub(crate) fn eventually(what: &str, reached: impl FnMut() -> bool) {
    within(DEADLINE, what, reached);
}

pub(crate) fn within(deadline: Duration, what: &str, mut reached: impl FnMut() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < deadline, "not within {deadline:?}: {what}");
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where a test waits: between two looks at a state"
        )]
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Content that compresses badly and repeats nowhere.
pub(crate) fn content(len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new().update(&len.to_le_bytes()).finalize_xof().fill(&mut content);
    content
}

/// One piece of a file.
pub(crate) fn piece_of(content: &[u8], piece: u32) -> &[u8] {
    let geometry = Geometry::of(ByteCount::new(content.len() as u64)).unwrap();
    let start = usize::try_from(geometry.offset(piece)).unwrap();
    &content[start..start + geometry.len(piece) as usize]
}

pub(crate) fn write(path: &Path, content: &[u8]) {
    std::fs::File::create(path).unwrap().write_all(content).unwrap();
}

pub(crate) fn b3sum(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}
