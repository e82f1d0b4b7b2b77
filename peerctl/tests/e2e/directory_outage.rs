//! The directory dies in the middle of things.

use std::time::Duration;

use crate::proxy::Proxy;
use crate::world::{World, content, eventually, write};

#[test]
fn nothing_is_lost_nobody_is_declared_down_and_downloads_go_on() {
    let mut world = World::with_lease(Duration::from_secs(3));
    let gate = world.address(9, 5001);
    let (one, two) = (world.peer_with("1", &["--advertise", &gate.to_string()]), world.peer("2"));
    let proxy = Proxy::new(gate, one.address, 2 << 20);
    let bytes = content(24 << 20);
    write(&world.path("f"), &bytes);
    one.upload(&world.path("f"));
    two.ask(["download", "f", "--detach"]);
    eventually("pieces come", || two.transfer()["bytes"].as_u64() > Some(1 << 20));

    world.kill_directory();
    eventually("the peer notices", || two.state() == Some("unreachable".into()));
    let said = two.fails(5, ["list-files"]);
    assert!(said.contains("directory"), "{said}");
    let status = String::from_utf8(two.ctl(["status"]).stdout).unwrap();
    assert!(status.contains("unreachable") && status.contains("problem"), "{status}");
    let seen = two.transfer()["bytes"].as_u64().unwrap();
    eventually("pieces go on coming without a directory", || two.transfer()["bytes"].as_u64() > Some(seen + (1 << 20)));

    world.start_directory();
    eventually("both are back", || one.state() == Some("connected".into()) && two.state() == Some("connected".into()));
    let peers = two.ask(["list-peers"]);
    assert_eq!(peers["items"].as_array().unwrap().len(), 2, "{peers}");
    let file = two.ask(["list-files"])["items"][0].clone();
    assert_eq!((file["holders"].as_u64(), file["holders_up"].as_u64()), (Some(1), Some(1)));
    proxy.set_rate(1 << 30);
    two.ask(["download", "f", "--wait"]);
    assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes);
}

#[test]
fn a_restart_declares_nobody_down_and_keeps_what_was_acknowledged() {
    let mut world = World::with_lease(Duration::from_secs(30));
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    write(&world.path("f"), &content(1000));
    let id = one.upload(&world.path("f"));
    world.kill_directory();
    // Gone while nobody looks: after the restart it has a lease of grace all the same.
    one.kill();
    world.start_directory();
    eventually("the other is back", || two.state() == Some("connected".into()));
    let peers = two.ask(["list-peers"]);
    assert_eq!(peers["items"].as_array().unwrap().len(), 2, "{peers}");
    assert_eq!(two.ask(["show-file", &id])["holders_up"], 1);
    assert_eq!(two.ask(["whoami"])["user"], "2", "the session is still good");
}
