//! Through another peer: what it shares itself, the network as it sees it, and downloads from whom it names.

use std::process::Stdio;

use crate::world::{World, content, write};

fn names(listed: &serde_json::Value) -> Vec<String> {
    let items = listed["items"].as_array().unwrap();
    let mut names: Vec<String> = items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn files_as_a_peer_sees_them() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    for (peer, name, len) in [(&one, "from-one", 100_000), (&two, "from-two", 200_000), (&two, "also-two", 300_000)] {
        write(&world.path(name), &content(len));
        peer.upload(&world.path(name));
    }
    assert_eq!(names(&one.ask(["list-files", "--via", "2"])), ["also-two", "from-one", "from-two"]);
    assert_eq!(names(&one.ask(["list-files", "--via", "2", "--own"])), ["also-two", "from-two"]);
    assert_eq!(names(&one.ask(["list-files", "--via", "2", "--own", "FROM"])), ["from-two"]);
    let first = one.call("list-files", &serde_json::json!({ "via": "2", "own": true, "limit": 1 })).unwrap();
    let next = first["result"]["next"].as_str().unwrap();
    let second = one.call("list-files", &serde_json::json!({ "via": "2", "own": true, "limit": 1, "cursor": next }));
    let second = &second.unwrap()["result"];
    assert_ne!(first["result"]["items"], second["items"]);
    assert_eq!(second["next"], serde_json::Value::Null);
    one.fails(3, ["list-files", "--via", "nobody"]);
}

#[test]
fn downloads_speak_through_it() {
    let world = World::new();
    let (one, mut two, three) = (world.peer("1"), world.peer("2"), world.peer("3"));
    write(&world.path("f"), &content(2_000_000));
    one.upload(&world.path("f"));
    let script = world.path("script");
    let run = |lines: &str| {
        write(&script, lines.as_bytes());
        let mut command = three.command(["--json"]);
        command.stdin(Stdio::from(std::fs::File::open(&script).unwrap())).output().unwrap()
    };
    let output = run("connect peer 2\ndownload f\n");
    assert!(output.status.success(), "{output:?}");
    let last = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
    let done: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&done["verified"], &done["sources"][0]["peer"]), (&true.into(), &"1".into()));
    let output = run("connect peer 2\ndownload nothing\n");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("peer 2 knows no file"), "{output:?}");
    two.kill();
    let output = run("connect peer 2\n");
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be reached"), "{output:?}");
}
