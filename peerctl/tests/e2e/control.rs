//! Downloads in the hands of their user: paused, held to a rate, side by side, and explained.

use std::time::Duration;

use serde_json::Value;

use crate::proxy::Proxy;
use crate::world::{Peer, World, content, eventually, write};

const MIB: u64 = 1 << 20;

/// A file of so many MiB, shared by these.
fn shared(world: &World, name: &str, mib: usize, holders: &[&Peer]) -> Vec<u8> {
    let mut bytes = content(mib << 20);
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    write(&world.path(name), &bytes);
    for holder in holders {
        holder.upload(&world.path(name));
    }
    bytes
}

fn start(peer: &Peer, args: &[&str]) -> String {
    peer.ask([&["download", "--detach"], args].concat())["transfer_id"].to_string()
}

fn came(peer: &Peer, name: &str, bytes: &[u8]) -> bool {
    std::fs::read(peer.downloads().join(name)).is_ok_and(|found| found == bytes)
}

#[test]
fn a_pause_outlives_the_daemon() {
    let world = World::new();
    let gate = world.address(9, 5001);
    let (one, mut two) = (world.peer_with("1", &["--advertise", &gate.to_string()]), world.peer("2"));
    let proxy = Proxy::new(gate, one.address, 8 * MIB);
    let bytes = shared(&world, "f", 32, &[&one]);
    let id = start(&two, &["f"]);
    eventually("pieces come", || two.transfer()["bytes"].as_u64() > Some(4 * MIB));
    let paused = two.ask(["pause", &id]);
    assert_eq!(paused["state"], "paused");
    assert!(paused["reason"].as_str().unwrap().contains(&format!("peerctl resume {id}")), "{paused}");
    let explained = two.ask(["explain", &id]);
    assert_eq!(explained["state"], "paused");
    two.kill();
    let before = proxy.passed();
    two.start();
    eventually("what is there is found again", || two.transfer()["bytes"].as_u64() > Some(4 * MIB));
    assert_eq!(two.transfer()["state"], "paused");
    assert_eq!(proxy.passed(), before, "nobody was asked for anything");
    eventually("it explains itself", || two.ask(["explain", &id])["limit"] == "paused");
    two.ask(["resume", &id]);
    proxy.set_rate(1 << 30);
    eventually("it goes on to the end", || two.transfer()["state"] == "done");
    assert!(came(&two, "f", &bytes));
    assert!(two.fails(7, ["pause", &id]).contains("has ended: it is done"));
    assert!(two.fails(3, ["resume", "99"]).contains("no transfer 99"));
}

#[test]
fn a_rate_of_its_own_holds_and_is_told() {
    let world = World::new();
    let gate = world.address(9, 5001);
    let (one, two) = (world.peer_with("1", &["--advertise", &gate.to_string()]), world.peer("2"));
    let proxy = Proxy::new(gate, one.address, 1 << 30);
    let bytes = shared(&world, "f", 8, &[&one]);
    let id = start(&two, &["f", "--rate", "2MiB"]);
    let mut told = Value::Null;
    eventually("the limit is told", || {
        told = two.ask(["explain", &id]);
        told["limit"] == "transfer-rate"
    });
    assert_eq!(told["because"], "its own limit, `--rate`, of 2.0 MiB/s");
    assert_eq!((&told["max_rate"], &told["sources"][0]["peer"]), (&Value::from(2 * MIB), &Value::from("1")));
    let done = two.ask(["download", "f", "--wait"]);
    assert!(came(&two, "f", &bytes));
    let seconds = done["seconds"].as_f64().unwrap();
    assert!((3.6..8.0).contains(&seconds), "8 MiB at 2 MiB/s took {seconds} s");
    assert!(proxy.passed() < 8 * MIB * 21 / 20 + MIB / 4, "{}", proxy.passed());
    let told = two.ask(["explain", &id]);
    assert_eq!((&told["limit"], &told["pieces"]["stored"]), (&Value::from("over"), &told["pieces"]["total"]));
    assert_eq!(told["sources"][0]["bytes"], 8 * MIB);
}

#[test]
fn downloads_share_the_downlink_fairly() {
    let world = World::new();
    let (one, three) = (world.peer("1"), world.peer("3"));
    let two = world.peer_with("2", &["--max-download", "4MiB"]);
    // One with two holders, one with one.
    let a = shared(&world, "a", 8, &[&one, &three]);
    let b = shared(&world, "b", 8, &[&one]);
    let output = two.ctl(["--json", "download", "a", "b"]);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let seconds: Vec<f64> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seconds"].as_f64().unwrap()).collect();
    assert!(came(&two, "a", &a) && came(&two, "b", &b));
    let [first, second] = seconds[..] else { panic!("{lines}") };
    assert!(first > second * 0.75 && second < 8.0, "{seconds:?}");
    assert!(second > 3.6, "16 MiB at 4 MiB/s: {seconds:?}");
}

#[test]
fn one_peer_is_sent_no_more_than_its_rate_and_the_holder_is_named() {
    let world = World::new();
    let (one, two) = (world.peer_with("1", &["--max-upload-per-peer", "2MiB"]), world.peer("2"));
    let bytes = shared(&world, "f", 8, &[&one]);
    let id = start(&two, &["f"]);
    eventually("the narrow place is told", || {
        let told = two.ask(["explain", &id]);
        told["limit"] == "holders-uplink" && told["because"].as_str().unwrap().contains("holder at the moment, 1")
    });
    let human = two.ctl(["explain", &id]);
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(human.contains("limited by") && human.contains("PEER"), "{human}");
    let seconds = two.ask(["download", "f", "--wait"])["seconds"].as_f64().unwrap();
    assert!(came(&two, "f", &bytes));
    assert!((3.6..8.0).contains(&seconds), "8 MiB at 2 MiB/s took {seconds} s");
}

#[test]
fn the_last_holder_goes_in_the_middle_and_comes_back() {
    let world = World::with_lease(Duration::from_secs(2));
    let (mut one, two) = (world.peer_with("1", &["--max-upload", "4MiB"]), world.peer("2"));
    let bytes = shared(&world, "f", 16, &[&one]);
    let id = start(&two, &["f"]);
    eventually("pieces come", || two.transfer()["bytes"].as_u64() > Some(MIB));
    one.kill();
    eventually("it says what it waits for", || {
        let told = two.ask(["explain", &id]);
        told["limit"] == "no-holders" && told["because"].as_str().unwrap().contains("no holders")
    });
    assert_eq!(two.transfer()["state"], "stalled");
    one.start();
    eventually("it goes on", || two.transfer()["state"] == "done");
    assert!(came(&two, "f", &bytes));
}

#[test]
fn one_that_only_pretends_is_paused_too() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    one.ask(["upload", "--simulated", "film", "--url", "https://example.org/film", "--size", "10GiB"]);
    let id = start(&two, &["film"]);
    eventually("it runs", || two.transfer()["state"] == "running");
    assert_eq!(two.ask(["explain", &id])["limit"], "pretence");
    assert_eq!(two.ask(["pause", &id])["state"], "paused");
    assert_eq!(two.ask(["explain", &id])["limit"], "paused");
    two.ask(["resume", &id]);
    eventually("it runs again", || two.transfer()["state"] == "running");
    two.ask(["cancel", &id]);
}
