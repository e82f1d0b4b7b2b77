//! Who is up, as others see it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Peer, World, content, eventually, within, write};

fn peer_state(asked: &Peer, name: &str) -> Option<Value> {
    let listed = asked.ask(["list-peers", "--all"]);
    listed["items"].as_array().unwrap().iter().find(|item| item["name"] == name).cloned()
}

fn holders_up(asked: &Peer, name: &str) -> u64 {
    let listed = asked.ask(["list-files", name]);
    listed["items"][0]["holders_up"].as_u64().unwrap()
}

#[test]
fn a_killed_peer_is_down_a_second_after_its_lease_and_comes_back_as_itself() {
    let world = World::with_lease(Duration::from_secs(2));
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    write(&world.path("f"), &content(1000));
    one.upload(&world.path("f"));
    assert_eq!(holders_up(&two, "f"), 1);
    let before = peer_state(&two, "1").unwrap();
    assert_eq!(before["state"], "up");

    one.kill();
    let killed = Instant::now();
    let slack = Duration::from_millis(500);
    within(world.lease + Duration::from_secs(1) + slack, "the killed peer is down", || {
        peer_state(&two, "1").unwrap()["state"] == "down"
    });
    // The lease began with its last heartbeat, at most one interval before it was killed.
    assert!(killed.elapsed() > world.lease / 2, "down after {:?} already", killed.elapsed());
    assert_eq!(holders_up(&two, "f"), 0);
    let listed = two.ask(["list-files"]);
    assert_eq!(listed["items"][0]["holders"], 1, "it still holds the file");

    one.start();
    let after = peer_state(&two, "1").unwrap();
    assert_eq!((&after["peer_id"], &after["state"]), (&before["peer_id"], &Value::from("up")));
    eventually("its file is there again", || holders_up(&two, "f") == 1);
}

#[test]
fn who_logs_out_or_stops_is_down_at_once() {
    let world = World::new();
    let (one, two, mut three) = (world.peer("1"), world.peer("2"), world.peer("3"));
    assert!(one.ctl(["logout"]).status.success());
    assert_eq!(peer_state(&two, "1").unwrap()["state"], "down");
    assert_eq!(one.ask(["status"])["directory"]["state"], "logged-out");
    one.fails(4, ["whoami"]);
    one.fails(4, ["list-files"]);

    assert!(three.stop().success());
    assert_eq!(peer_state(&two, "3").unwrap()["state"], "down");

    let password = world.path("password1");
    let identity = one.ask(["login", "1", "--password-file", password.to_str().unwrap()]);
    assert_eq!(identity["user"], "1");
    assert_eq!(peer_state(&two, "1").unwrap()["state"], "up");
}
