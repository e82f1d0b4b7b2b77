//! No password, token, ticket or key turns up where it does not belong, whatever is asked and however loud the log; nor in a
//! core file.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{Peer, World, content, eventually, program, write};

const RIGHT: &str = "right-pa55word-of-ana";
const WRONG: &str = "wrong-pa55word-of-ana";
/// What every ticket begins with.
const TICKET: &str = "v4.public.";

/// Texts that must not turn up.
struct Secrets(Vec<String>);

impl Secrets {
    /// Those of a peer: passwords, its session, its key as the file has it, and any ticket.
    fn of(peer: &Peer) -> Self {
        let session = std::fs::read_to_string(peer.home.join("session.json")).unwrap();
        let session: serde_json::Value = serde_json::from_str(&session).unwrap();
        let key = std::fs::read_to_string(peer.home.join("key.pem")).unwrap();
        let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
        let mut secrets = vec![RIGHT.to_owned(), WRONG.to_owned(), TICKET.to_owned()];
        // Out of the seed, behind the 16 bytes that say which kind of key it is (RFC 8410, section 7).
        secrets.extend([session["token"].as_str().unwrap().to_owned(), body[24..56].to_owned()]);
        assert!(secrets.iter().all(|secret| secret.len() >= TICKET.len()), "each is worth looking for");
        Self(secrets)
    }

    fn assert_none_in(&self, what: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for secret in &self.0 {
            assert!(!text.contains(secret), "{what} has {secret}");
        }
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn nothing_secret_is_said() {
    let world = World::with_flags(Duration::from_secs(3), &["--log-level", "trace"]);
    let (right, wrong) = (world.path("right"), world.path("wrong"));
    write(&right, RIGHT.as_bytes());
    write(&wrong, WRONG.as_bytes());
    world.directoryd(["user", "add", "ana", "--password-file", right.to_str().unwrap()]);
    let loud = ["--log-level", "trace"];
    let (one, two) = (world.peer_with("1", &loud), world.peer_with("2", &loud));
    write(&world.path("f"), &content(100_000));
    two.upload(&world.path("f"));

    let login = |file: &Path| one.ctl(["login", "ana", "--password-file", file.to_str().unwrap()]);
    let mut said = vec![login(&right), login(&wrong)];
    assert!(said[0].status.success() && !said[1].status.success(), "{said:?}");
    for words in [
        &["download", "f"][..],
        &["--json", "status"],
        &["whoami"],
        &["transfers"],
        &["doctor"],
        &["list-files", "--via", "2"],
        &["show-peer", "2"],
        &["--json", "version"],
        &["login", "ana", "--password-file", "/nonexistent"],
    ] {
        said.push(one.ctl(words));
    }
    let secrets = Secrets::of(&one);
    for output in &said {
        secrets.assert_none_in("an answer", &output.stdout);
        secrets.assert_none_in("a complaint", &output.stderr);
    }
    for pid in [one.pid(), two.pid()] {
        for file in ["cmdline", "environ"] {
            secrets.assert_none_in(file, &std::fs::read(format!("/proc/{pid}/{file}")).unwrap());
        }
    }
    let directory = std::fs::read(world.path("directory.log")).unwrap();
    for log in [one.log().into_bytes(), two.log().into_bytes(), directory] {
        assert!(String::from_utf8_lossy(&log).contains("DEBUG"), "it was loud");
        secrets.assert_none_in("a log", &log);
    }
    for file in ["session.json", "key.pem"] {
        assert_eq!(mode(&one.home.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&one.home), 0o700);
}

/// A shell that would leave a core file behind, and becomes that program.
fn dumping(script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -c unlimited; {script}")]).stdout(Stdio::null()).stderr(Stdio::null());
    shell
}

#[test]
fn no_daemon_leaves_its_memory_in_a_core_file() {
    let world = World::new();
    let usual = dumping("kill -ABRT $$").current_dir(world.path("")).status().unwrap();
    if !usual.core_dumped() {
        eprintln!("skipped: this system writes no core files at all");
        return;
    }
    let peer = world.idle_peer("1", &[]);
    let mut peerd = dumping("exec \"$0\" \"$@\"");
    peerd.arg(program("peerd")).args(&peer.args).current_dir(world.path(""));
    let mut directoryd = dumping("exec \"$0\" \"$@\"");
    let address = world.address(9, 4001);
    directoryd.arg(program("directoryd")).args(["--listen", &address.to_string(), "--state-dir"]);
    directoryd.arg(world.path("other")).current_dir(world.path(""));
    for mut command in [peerd, directoryd] {
        let mut daemon = command.spawn().unwrap();
        let is_peer = command.get_args().any(|arg| arg == "--socket");
        eventually("it is up", || {
            if is_peer { peer.ctl(["status"]).status.success() } else { TcpStream::connect(address).is_ok() }
        });
        kill_process(Pid::from_child(&daemon), Signal::ABORT).unwrap();
        let ended = daemon.wait().unwrap();
        assert!(ended.signal().is_some() && !ended.core_dumped(), "{ended:?}");
    }
}
