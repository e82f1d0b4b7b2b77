//! `peerd healthcheck`: what a container engine asks.

use std::process::{Command, Output};

use crate::world::{Peer, World, program};

fn healthcheck(peer: &Peer) -> Output {
    let socket = peer.home.join("peerd.sock");
    let mut check = Command::new(program("peerd"));
    check.args(["healthcheck", "--name", "1", "--state-dir"]).arg(&peer.home).arg("--socket").arg(socket);
    check.output().unwrap()
}

#[test]
fn a_daemon_is_healthy_while_it_answers() {
    let mut world = World::new();
    let mut one = world.peer("1");
    assert!(healthcheck(&one).status.success());
    world.kill_directory();
    assert!(healthcheck(&one).status.success(), "a restart would not bring the directory back");

    let pid = rustix::process::Pid::from_raw(one.pid().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let stuck = healthcheck(&one);
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let said = String::from_utf8_lossy(&stuck.stderr);
    assert_eq!(stuck.status.code(), Some(1), "a daemon that is there and does not answer is not well: {said}");
    assert!(said.contains("gives no answer"), "{said}");

    one.kill();
    let gone = healthcheck(&one);
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(gone.status.code() == Some(1) && said.contains("no daemon answers") && said.lines().count() == 1, "{said}");
}
