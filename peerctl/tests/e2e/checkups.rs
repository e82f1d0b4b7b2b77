//! `doctor`, `verify` and `version` with the real daemons: what is wrong is found, with what to do about it.

use std::os::unix::fs::FileExt;

use serde_json::Value;

use crate::world::{Peer, World, b3sum, content, write};

/// Name and verdict of every check, its message and its fix.
fn doctor(peer: &Peer) -> (Option<i32>, Value) {
    let output = peer.ctl(["doctor", "--json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn check<'a>(told: &'a Value, name: &str) -> &'a Value {
    told["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

#[test]
fn a_healthy_peer() {
    let world = World::new();
    let (one, _two) = (world.peer("1"), world.peer("2"));
    let (status, told) = doctor(&one);
    assert_eq!(status, Some(0), "{told}");
    let names: Vec<&str> =
        told["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "daemon",
            "directory",
            "login",
            "clock",
            "address",
            "state-room",
            "download-room",
            "descriptors",
            "shares",
            "parts"
        ]
    );
    for name in ["daemon", "directory", "login", "clock", "address", "shares", "parts"] {
        assert_eq!(check(&told, name)["verdict"], "ok", "{told}");
    }
    // Another peer has tried it.
    assert!(check(&told, "address")["message"].as_str().unwrap().contains("reached by peer 2"), "{told}");
}

#[test]
fn what_is_wrong_is_found() {
    let mut world = World::new();
    let nowhere = world.address(9, 5001).to_string();
    let (one, _two) = (world.peer_with("1", &["--advertise", &nowhere]), world.peer("2"));
    let (gone, changed) = (world.path("gone"), world.path("changed"));
    for path in [&gone, &changed] {
        write(path, &content(path.as_os_str().len() * 1000));
        one.upload(path);
    }
    std::fs::remove_file(&gone).unwrap();
    let (status, told) = doctor(&one);
    assert_eq!((status, &told["verdict"]), (Some(1), &"fail".into()));
    for name in ["address", "shares"] {
        let check = check(&told, name);
        assert_eq!(check["verdict"], "fail", "{told}");
        assert!(check["fix"].is_string(), "{told}");
    }
    assert!(check(&told, "shares")["message"].as_str().unwrap().contains("1 of 2"), "{told}");
    world.kill_directory();
    let (_, told) = doctor(&one);
    assert_eq!(check(&told, "directory")["verdict"], "fail", "{told}");
    let said = one.fails(1, ["doctor"]);
    assert!(said.contains("directory") && said.contains("address"), "{said}");
}

#[test]
fn nobody_there() {
    let world = World::new();
    let peer = world.idle_peer("1", &[]);
    std::fs::create_dir_all(&peer.home).unwrap();
    let (status, told) = doctor(&peer);
    assert_eq!(status, Some(1));
    assert_eq!(check(&told, "daemon")["verdict"], "fail");
}

#[test]
fn versions_of_all_three() {
    let mut world = World::new();
    let one = world.peer("1");
    let told = one.ask(["version"]);
    for program in ["peerctl", "peerd", "directoryd"] {
        assert_eq!(told[program], env!("CARGO_PKG_VERSION"), "{told}");
    }
    world.kill_directory();
    assert_eq!(one.ask(["version"])["directoryd"], Value::Null);
}

#[test]
fn a_share_against_its_id_without_a_network() {
    let mut world = World::new();
    let one = world.peer("1");
    let (path, bytes) = (world.path("f"), content(3_000_000));
    write(&path, &bytes);
    let id = one.upload(&path);
    world.kill_directory();
    for word in ["f", &id, &id[..6]] {
        let verified = one.ask(["verify", word]);
        assert_eq!((verified["file_id"].as_str(), verified["verified"].as_bool()), (Some(id.as_str()), Some(true)));
    }
    // Same size, same time: only the hash can tell.
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"changed", 1_000_000).unwrap();
    file.set_modified(before).unwrap();
    drop(file);
    let said = one.fails(6, ["verify", "f"]);
    assert!(said.contains("is not what was shared") && said.contains("hint: "), "{said}");
    one.fails(3, ["verify", "nothing"]);
}

#[test]
fn any_file_against_an_id_without_a_daemon() {
    let world = World::new();
    let peer = world.idle_peer("1", &[]);
    std::fs::create_dir_all(&peer.home).unwrap();
    let (path, bytes) = (world.path("f"), content(3_000_001));
    write(&path, &bytes);
    let (path, id) = (path.to_str().unwrap(), b3sum(&bytes));
    let written = peer.ask(["verify", path]);
    assert_eq!((written["file_id"].as_str(), written["verified"].as_bool()), (Some(id.as_str()), Some(false)));
    assert_eq!(peer.ask(["verify", path, "--id", &id])["verified"], true);
    let other = b3sum(b"other");
    assert!(peer.fails(6, ["verify", path, "--id", &other]).contains("it hashes to"));
    peer.fails(3, ["verify", "/no/such/file"]);
    peer.fails(2, ["verify", "/dev/zero"]);
}
