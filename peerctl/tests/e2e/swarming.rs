//! Several holders at once: each adds what it can, and none of them can hold the others up.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{Peer, World, content, eventually, write};

const NAME: &str = "file";
const SIZE: usize = 24 << 20;

/// A file on every one of these peers.
fn shared_by(world: &World, holders: &[&Peer]) -> Vec<u8> {
    let bytes = content(SIZE);
    write(&world.path(NAME), &bytes);
    for holder in holders {
        holder.upload(&world.path(NAME));
    }
    bytes
}

fn came_whole(peer: &Peer, bytes: &[u8]) {
    assert!(std::fs::read(peer.downloads().join(NAME)).unwrap() == bytes, "other bytes");
}

/// What came from the peer of that name.
fn bytes_from(done: &Value, name: &str) -> u64 {
    let source = done["sources"].as_array().unwrap().iter().find(|source| source["peer"] == name);
    source.map_or(0, |source| source["bytes"].as_u64().unwrap())
}

/// Begins the download and waits until some of it is there.
fn under_way(peer: &Peer) {
    peer.ask(["download", NAME, "--detach"]);
    eventually("pieces come", || peer.transfer()["bytes"].as_u64().unwrap() > 2 << 20);
}

fn wait(peer: &Peer) -> Value {
    peer.ask(["download", NAME, "--wait"])
}

fn signal(peer: &Peer, signal: Signal) {
    kill_process(Pid::from_raw(peer.pid().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn all_holders_give_and_a_slow_one_keeps_nobody_waiting() {
    let world = World::new();
    let (fast, also_fast) =
        (world.peer_with("1", &["--max-upload", "8MiB"]), world.peer_with("2", &["--max-upload", "8MiB"]));
    // It would take hours for what it is asked for at first.
    let slow = world.namesake("4", "2", &["--max-upload", "1KiB"]);
    let bytes = shared_by(&world, &[&fast, &also_fast, &slow]);
    let three = world.peer("3");
    let done = three.ask(["download", NAME]);
    came_whole(&three, &bytes);
    for name in ["1", "2"] {
        assert!(bytes_from(&done, name) > SIZE as u64 / 4, "{done}");
    }
    assert!(bytes_from(&done, "4") < 1 << 20, "{done}");
}

#[test]
fn a_holder_that_stops_answering_is_left() {
    let world = World::new();
    let (one, two) = (world.peer_with("1", &["--max-upload", "4MiB"]), world.peer_with("2", &["--max-upload", "4MiB"]));
    let bytes = shared_by(&world, &[&one, &two]);
    let three = world.peer("3");
    under_way(&three);
    signal(&one, Signal::STOP);
    let done = wait(&three);
    signal(&one, Signal::CONT);
    came_whole(&three, &bytes);
    assert!(bytes_from(&done, "2") > bytes_from(&done, "1"), "{done}");
}

#[test]
fn a_third_of_the_holders_goes_and_nothing_is_lost() {
    let world = World::new();
    let limit = ["--max-upload", "4MiB"];
    let mut goes = world.peer_with("1", &limit);
    let (two, four) = (world.peer_with("2", &limit), world.namesake("4", "2", &limit));
    let bytes = shared_by(&world, &[&goes, &two, &four]);
    let three = world.peer("3");
    under_way(&three);
    goes.kill();
    let done = wait(&three);
    came_whole(&three, &bytes);
    let given: u64 = ["1", "2", "4"].iter().map(|name| bytes_from(&done, name)).sum();
    assert_eq!(given, SIZE as u64, "what the one gave before it went still counts: {done}");
}

#[test]
fn leechers_serve_each_other_before_they_have_everything() {
    let world = World::new();
    let seed = world.peer_with("1", &["--max-upload", "4MiB"]);
    let bytes = shared_by(&world, &[&seed]);
    let (two, three) = (world.peer("2"), world.peer("3"));
    for peer in [&two, &three] {
        peer.ask(["download", NAME, "--detach"]);
    }
    let mut from_seed = 0;
    for peer in [&two, &three] {
        let done = wait(peer);
        came_whole(peer, &bytes);
        from_seed += bytes_from(&done, "1");
    }
    // Two copies would be all from the seed; one is the least.
    assert!(from_seed < SIZE as u64 * 3 / 2, "{from_seed} bytes came from the seed");
}
