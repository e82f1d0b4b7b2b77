//! Every exit status that `peerctl help exit-codes` promises, reached by real programs. (78, a bad configuration, is the
//! daemons' alone: `peerctl` has none.)

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, content, eventually, program, write};

#[test]
fn each_is_reached() {
    let mut world = World::new();
    let (mut one, mut two) = (world.peer("1"), world.peer("2"));
    let path = world.path("f");
    write(&path, &content(300_000));
    one.upload(&path);
    two.ask(["download", "f"]);
    let path = path.to_str().unwrap();

    two.fails(1, ["download", "f", "-o", "/proc/nowhere"]);
    two.fails(2, ["downlaod", "f"]);
    write(&world.path("elsewhere"), &content(300_001));
    let other = one.ask(["upload", world.path("elsewhere").to_str().unwrap(), "--name", "f"])["file_id"].clone();
    let said = two.fails(2, ["show-file", "f"]);
    assert!(said.contains("more than one file") && said.lines().count() >= 4, "{said}");
    two.fails(3, ["download", "nothing"]);
    write(&world.path("a-data-set.tar"), b"data");
    one.upload(&world.path("a-data-set.tar"));
    assert!(two.fails(3, ["show-file", "data-set.tra"]).contains("did you mean `a-data-set.tar`?"));
    two.fails(3, ["cancel", "99"]);
    let home = world.namesake("10", "1", &[]);
    assert!(two.fails(3, ["show-peer", "12"]).contains("did you mean `1` or `10`?"));
    drop(home);
    two.fails(6, ["verify", path, "--id", &"0".repeat(64)]);
    let id = one.ask(["verify", path])["file_id"].as_str().unwrap().to_owned();
    two.fails(7, ["download", &id]);
    one.kill();
    let elsewhere = world.path("two");
    let waits = ["download", other.as_str().unwrap(), "--from", "1", "-o", elsewhere.to_str().unwrap()];
    two.fails(8, [&waits[..], &["--timeout", "300ms"]].concat());

    let mut child = two.command(waits).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // It listens for interrupts before it asks for anything.
    eventually("it waits", || {
        let wchan = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let caught = wchan.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        caught & (1 << (Signal::INT.as_raw() - 1)) != 0
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(two.transfer()["state"], "done", "the first transfer");

    world.kill_directory();
    two.fails(5, ["list-files"]);
    world.start_directory();
    eventually("it is connected again", || two.state() == Some("connected".into()));
    two.ask(["logout"]);
    two.fails(4, ["list-files"]);
    assert!(two.ctl(["status"]).status.success());
    two.kill();
    two.fails(5, ["status"]);
    let bad = Command::new(program("peerd")).args(["config", "check", "--directory", "gopher://x"]).output().unwrap();
    assert_eq!(bad.status.code(), Some(78), "{bad:?}");
}
