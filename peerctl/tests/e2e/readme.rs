//! README's "The first five minutes", typed word for word into a shell in an empty home. What it shows is what has to come:
//! `…` stands for what differs from run to run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use expectrl::session::OsSession;
use expectrl::{Expect, Regex, Session};

use crate::world::{b3sum, program};

/// The account's password: README leaves it to the reader.
const PASSWORD: &str = "correct horse";

/// What stands in README.
#[derive(Debug)]
enum Line {
    /// After `$ `: typed.
    Typed(String),
    /// Comes back.
    Shown(String),
}

fn section() -> Vec<Line> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let section = readme.split("\n## ").find(|part| part.starts_with("The first five minutes")).unwrap();
    let code = section.lines().filter_map(|line| line.strip_prefix("    "));
    // What builds the programs is done: they are being tested.
    let after_build = code.skip_while(|line| !line.starts_with("$ "));
    let line = |line: &str| match line.strip_prefix("$ ") {
        Some(typed) => Line::Typed(typed.to_owned()),
        None => Line::Shown(line.to_owned()),
    };
    after_build.map(line).collect()
}

/// A shell in an empty home, on a loopback of its own where that can be had: the ports in README are fixed.
fn shell(home: &Path) -> OsSession {
    let alone = ["--net", "--map-root-user"];
    let can = Command::new("unshare").args(alone).arg("true").output().is_ok_and(|output| output.status.success());
    let mut command = Command::new(if can { "unshare" } else { "bash" });
    if can {
        command.args(alone).args(["bash", "-c", "ip link set lo up; PS1='prompt> ' exec bash --norc --noprofile -i"]);
    } else {
        println!("README runs on the machine's own loopback: `unshare --net` is not allowed here");
        command.args(["--norc", "--noprofile", "-i"]);
    }
    let programs = program("peerctl").parent().unwrap().to_owned();
    let path = std::env::join_paths(
        std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    command.env_clear().env("PATH", path.unwrap()).env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run"));
    command.env("TERM", "dumb").env("PS1", "prompt> ").current_dir(home);
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

/// What a line of README stands for.
fn pattern(shown: &str) -> String {
    let literal = |part: &str| {
        let escape = |c: char| if c.is_alphanumeric() { c.to_string() } else { format!("\\x{{{:x}}}", u32::from(c)) };
        part.chars().map(escape).collect::<String>()
    };
    shown.split('…').map(|part| literal(part.trim())).collect::<Vec<_>>().join("[^\\r\\n]*")
}

#[track_caller]
fn expect(session: &mut OsSession, pattern: &str, of: &str) {
    if let Err(error) = session.expect(Regex(pattern)) {
        let mut rest = [0; 8192];
        let read = session.try_read(&mut rest).unwrap_or(0);
        panic!("README says `{of}`: {error}; there is {}", String::from_utf8_lossy(&rest[..read]));
    }
}

#[test]
fn the_first_five_minutes() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    let mut session = shell(home.path());
    session.expect("prompt> ").unwrap();
    let lines = section();
    assert!(lines.len() > 15, "{lines:?}");
    for line in &lines {
        match line {
            Line::Typed(typed) => {
                session.send_line(typed).unwrap();
                if typed.contains("user add ana") || typed.contains("login ana") {
                    answer(&mut session, typed);
                }
            }
            Line::Shown(shown) => expect(&mut session, &pattern(shown), shown),
        }
    }
    let fetched: PathBuf = home.path().join("laptop/files/dataset.tar");
    let (sent, received) = (std::fs::read(home.path().join("dataset.tar")).unwrap(), std::fs::read(fetched).unwrap());
    assert_eq!((sent.len(), b3sum(&sent)), (50_000_000, b3sum(&received)));
    // As README says: nothing goes on when the reader leaves.
    session.send_line("kill %1 %2 %3; wait; echo all is over").unwrap();
    expect(&mut session, "\nall is over", "kill");
}

/// A password, typed as often as it is asked for.
fn answer(session: &mut OsSession, typed: &str) {
    let times = if typed.contains("user add") { 2 } else { 1 };
    for _ in 0..times {
        expect(session, "(?i)(password|again)[^\\r\\n]*: ", typed);
        session.send_line(PASSWORD).unwrap();
    }
}
