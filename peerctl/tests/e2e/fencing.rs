//! One state folder serves one machine: of a folder and its copy, the later start speaks for the peer, and the other one is
//! told, says so, and announces nothing any more.

use std::path::Path;
use std::time::Duration;

use crate::world::{Peer, World, content, eventually, write};

/// The same peer once more, from a copy of its state folder as an image of the machine would hold it.
fn copy_of(peer: &Peer, world: &World) -> Peer {
    let home = world.path("copy");
    copy_files(&peer.home, &home);
    let mut copy = world.idle_peer("1", &[]);
    let address = world.address(4, 5001);
    for arg in &mut copy.args {
        *arg = arg.replace(peer.home.to_str().unwrap(), home.to_str().unwrap());
        *arg = arg.replace(&peer.address.to_string(), &address.to_string());
    }
    (copy.home, copy.address) = (home, address);
    copy
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_files(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn is_fenced(peer: &Peer) -> bool {
    let directory = &peer.ask(["status"])["directory"];
    let said = String::from_utf8(peer.ctl(["status"]).stdout).unwrap();
    let told = |text: &str| text.contains("another start of a daemon with the same key has registered since");
    directory["state"] == "logged-out" && directory["problem"].as_str().is_some_and(told) && told(&said)
}

fn names(peer: &Peer) -> Vec<String> {
    let listed = peer.ask(["list-files"]);
    let items = listed["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_older_of_two_is_told_by_its_heartbeat_and_stays_out() {
    let world = World::with_lease(Duration::from_secs(2));
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    write(&world.path("f"), &content(1000));
    one.upload(&world.path("f"));
    let mut copy = copy_of(&one, &world);
    copy.start();
    assert_eq!(copy.id(), one.id());
    eventually("the older is told", || is_fenced(&one));

    for (peer, name) in [(&one, "by-the-older"), (&copy, "by-the-newer")] {
        write(&world.path(name), name.as_bytes());
        peer.upload(&world.path(name));
    }
    eventually("the newer announces", || names(&two).contains(&"by-the-newer".to_owned()));
    assert_eq!(names(&two), ["by-the-newer", "f"]);
    // It does not fight, and what it says when it stops is not said for the newer one.
    assert!(is_fenced(&one) && one.stop().success());
    let listed = two.ask(["list-peers"]);
    let seen = listed["items"].as_array().unwrap().iter().find(|item| item["name"] == "1").unwrap();
    assert_eq!((&seen["state"], &seen["address"]), (&"up".into(), &copy.address.to_string().into()));
    assert_eq!(copy.state().unwrap(), "connected");
    // Started again it is the newer one, and the copy is told.
    one.start();
    eventually("the copy is told", || is_fenced(&copy));
}

#[test]
fn the_older_of_two_is_told_when_it_announces_before_its_next_heartbeat() {
    let world = World::with_lease(Duration::from_mins(10));
    let (one, two) = (world.peer("1"), world.peer("2"));
    let mut copy = copy_of(&one, &world);
    copy.start();
    write(&world.path("f"), &content(1000));
    one.upload(&world.path("f"));
    eventually("the older is told", || is_fenced(&one));
    assert!(names(&two).is_empty(), "nothing was announced in the name of the newer one");
    assert_eq!(copy.state().unwrap(), "connected");
}

#[test]
fn the_older_of_two_that_stops_unaware_does_not_take_the_newer_down() {
    let world = World::with_lease(Duration::from_mins(10));
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    let mut copy = copy_of(&one, &world);
    copy.start();
    assert!(one.stop().success());
    let listed = two.ask(["list-peers"]);
    assert!(listed["items"].as_array().unwrap().iter().any(|item| item["name"] == "1"), "{listed}");
}
