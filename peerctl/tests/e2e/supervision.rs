//! Parts of the daemon fail; the daemon does not, until one fails too often.

use crate::proxy::Proxy;
use crate::world::{Peer, World, content, eventually, write};

const FAULTS: &[&str] = &["--fault-injection"];

pub(crate) fn restarts(peer: &Peer, actor: &str) -> u64 {
    let Some(status) = peer.call("status", &serde_json::json!({})) else { return 0 };
    let actors = status["result"]["actors"].as_array().cloned().unwrap_or_default();
    actors.iter().find(|item| item["name"] == actor).map_or(0, |item| item["restarts"].as_u64().unwrap())
}

/// Makes a part panic, once it is there to do so. The control part takes the answer with it.
pub(crate) fn crash(peer: &Peer, actor: &str) {
    eventually("it can be told to panic", || peer.crash(actor).is_none_or(|answer| answer["error"].is_null()));
}

#[test]
fn every_part_comes_back_and_the_daemon_serves_on() {
    let world = World::new();
    let (one, two) = (world.peer_with("1", FAULTS), world.peer_with("2", FAULTS));
    let bytes = content(200_000);
    for (round, actor) in
        ["shares", "simulation", "directory", "heartbeat", "server", "transfers", "control"].iter().enumerate()
    {
        for peer in [&one, &two] {
            crash(peer, actor);
            eventually(&format!("{actor} is back"), || restarts(peer, actor) == 1);
            eventually("connected again", || peer.state() == Some("connected".into()));
        }
        let name = format!("after-{actor}");
        let path = world.path(&name);
        write(&path, &bytes[round..]);
        one.upload(&path);
        two.ask(["download", &name]);
        assert_eq!(std::fs::read(two.downloads().join(&name)).unwrap(), bytes[round..]);
    }
    assert_eq!(two.ask(["list-files"])["items"].as_array().unwrap().len(), 7);
}

#[test]
fn a_download_outlives_the_actor_that_manages_it() {
    let world = World::new();
    let gate = world.address(9, 5001);
    let (one, two) = (world.peer_with("1", &["--advertise", &gate.to_string()]), world.peer_with("2", FAULTS));
    let proxy = Proxy::new(gate, one.address, 6 << 20);
    let bytes = content(16 << 20);
    write(&world.path("f"), &bytes);
    one.upload(&world.path("f"));
    two.ask(["download", "f", "--detach"]);
    eventually("pieces come", || two.transfer()["bytes"].as_u64() > Some(1 << 20));
    crash(&two, "transfers");
    eventually("the actor is back", || restarts(&two, "transfers") == 1);
    proxy.set_rate(1 << 30);
    eventually("the download goes on", || two.transfer()["state"] == "done");
    assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes);
}

#[test]
fn a_download_that_fails_by_a_fault_is_a_result() {
    let world = World::new();
    let gate = world.address(9, 5001);
    let (one, two) = (world.peer_with("1", &["--advertise", &gate.to_string()]), world.peer_with("2", FAULTS));
    let proxy = Proxy::new(gate, one.address, 1 << 20);
    write(&world.path("f"), &content(16 << 20));
    one.upload(&world.path("f"));
    let id = two.ask(["download", "f", "--detach"])["transfer_id"].to_string();
    crash(&two, &format!("download:{id}"));
    eventually("it has failed", || two.transfer()["state"] == "failed");
    proxy.set_rate(1 << 30);
    two.ask(["download", "f"]);
    assert_eq!(restarts(&two, "transfers"), 0);
}

#[test]
fn a_part_that_fails_too_often_ends_the_daemon_with_a_reason() {
    let world = World::new();
    let mut one = world.peer_with("1", FAULTS);
    for failure in 1..=5 {
        crash(&one, "heartbeat");
        eventually("it has failed", || restarts(&one, "heartbeat") == failure);
    }
    crash(&one, "heartbeat");
    assert_eq!(one.wait().code(), Some(1));
    assert!(one.log().contains("heartbeat part failed 6 times"), "{}", one.log());
}

#[test]
fn faults_are_injected_only_where_that_was_asked_for() {
    let world = World::new();
    let one = world.peer("1");
    let answer = one.crash("heartbeat").unwrap();
    assert_eq!(answer["error"]["data"]["code"], "forbidden");
}
