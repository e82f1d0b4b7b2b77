//! Names and paths that come from others, or that somebody plants: refused by name, or harmless.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::world::{Peer, World, b3sum, content, eventually, write};

/// Names that nothing may be shared under, each with the way in which it is shown.
fn hostile() -> Vec<(String, String)> {
    let long = "x".repeat(256);
    let shown = [
        ("../../etc/x", "../../etc/x"),
        ("/etc/x", "/etc/x"),
        ("..", ".."),
        ("nul\0byte", r"nul\0byte"),
        ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
        ("two\nlines", r"two\nlines"),
        (&long, &long),
    ];
    shown.map(|(name, shown)| (name.to_owned(), shown.to_owned())).into()
}

/// What the daemon itself says when it refuses a request.
fn refusal(peer: &Peer, method: &str, params: &Value) -> String {
    let answer = peer.call(method, params).unwrap();
    let message = answer["error"]["message"].as_str();
    message.unwrap_or_else(|| panic!("{method} {params} was not refused: {answer}")).to_owned()
}

#[test]
fn hostile_names_are_refused_by_name_at_the_control_socket() {
    let world = World::new();
    let one = world.peer("1");
    write(&world.path("f"), &content(1000));
    one.upload(&world.path("f"));
    for (name, shown) in hostile() {
        for (method, params) in [
            ("upload", json!({ "path": world.path("f"), "name": name })),
            ("download", json!({ "file": name })),
            ("download", json!({ "file": "f", "from": [name] })),
            ("download", json!({ "file": "f", "via": name })),
            ("show-file", json!({ "file": name })),
            ("show-peer", json!({ "peer": name })),
            ("unshare", json!({ "file": name })),
            ("login", json!({ "user": name, "password": "x" })),
        ] {
            let said = refusal(&one, method, &params);
            assert!(said.contains(&shown), "{method} {params}: {said}");
            assert!(!said.chars().any(char::is_control), "{method}: {said:?}");
        }
    }
    for output in ["relative", "../../etc", ""] {
        let said = refusal(&one, "download", &json!({ "file": "f", "output": output }));
        assert!(said.contains("absolute"), "{said}");
    }
    refusal(&one, "download", &json!({ "file": "f", "output": world.path("nul\0byte") }));
    assert_eq!(one.finished(), [""; 0]);
}

#[test]
fn hostile_names_on_disk_reach_neither_terminal_nor_log() {
    let world = World::new();
    let shared = world.path("shared");
    std::fs::create_dir(&shared).unwrap();
    let steering = "\u{1b}[2J\u{1b}]0;title\u{7}";
    let forged = "two\n2026-01-01T00:00:00Z  INFO a line that nobody logged";
    for name in [steering, forged] {
        write(&shared.join(name), b"x");
    }
    let one = world.peer_with("1", &["--share", shared.to_str().unwrap(), "--log-level", "debug"]);
    eventually("both are refused", || one.log().matches("is not shared").count() == 2);
    for (name, shown) in [(steering, r"\u{1b}[2J"), (forged, r"two\n2026")] {
        let said = one.fails(2, ["upload".as_ref(), shared.join(name).as_os_str()]);
        assert!(said.contains(shown) && !said.contains('\u{1b}'), "{said:?}");
        let missing = one.fails(3, ["upload".as_ref(), shared.join(format!("{name}?")).as_os_str()]);
        assert!(!missing.contains('\u{1b}') && missing.lines().count() <= 2, "{missing:?}");
        one.fails(3, ["download", name]);
    }
    let log = one.log();
    assert!(!log.contains('\u{1b}') && !log.contains('\u{7}'), "{log:?}");
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01")), "{log}");
    assert_eq!(one.ask(["list-files"])["items"], json!([]));
}

#[test]
fn a_link_in_the_download_folder_is_not_followed() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let bytes = content(100_000);
    write(&world.path("f"), &bytes);
    one.upload(&world.path("f"));
    let precious = world.path("precious");
    write(&precious, b"old");
    std::fs::create_dir(two.downloads()).unwrap();
    symlink(&precious, two.downloads().join("f")).unwrap();

    let said = two.fails(7, ["download", "f"]);
    assert!(said.contains(two.downloads().join("f").to_str().unwrap()), "{said}");
    two.ask(["download", "f", "--force"]);
    assert_eq!(std::fs::read(&precious).unwrap(), b"old");
    assert!(std::fs::symlink_metadata(two.downloads().join("f")).unwrap().is_file(), "the link itself was replaced");
    assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes);
}

/// A peer that fetches a file at a slow pace, until some of it is there.
fn under_way(world: &World, two: &Peer, bytes: &[u8]) {
    write(&world.path("f"), bytes);
    std::fs::create_dir(world.path("outside")).unwrap();
    two.ask(["download", "f", "--detach"]);
    eventually("it is under way", || two.transfer()["bytes"].as_u64().is_some_and(|done| done > 0));
}

fn swap_for_a_link(folder: &Path, away: &Path, outside: &Path) {
    std::fs::rename(folder, away).unwrap();
    symlink(outside, folder).unwrap();
}

#[test]
fn a_download_folder_swapped_for_a_link_is_not_followed() {
    let world = World::new();
    let bytes = content(4_000_000);
    let (one, mut two) = (world.peer_with("1", &["--max-upload", "1MiB"]), world.peer("2"));
    write(&world.path("f"), &bytes);
    one.upload(&world.path("f"));
    under_way(&world, &two, &bytes);
    let (away, outside) = (world.path("away"), world.path("outside"));
    swap_for_a_link(&two.downloads(), &away, &outside);
    // What is being written goes where the folder went, and is not called done, for at its path it is not.
    eventually("it has ended", || two.transfer()["state"] == "failed");
    let reason = two.transfer()["reason"].to_string();
    assert!(reason.contains("downloads/f: a symbolic link is in its way"), "{reason}");
    assert_eq!(b3sum(&std::fs::read(away.join("f")).unwrap()), b3sum(&bytes));

    // And what goes on after a start is not led elsewhere either.
    std::fs::remove_file(two.downloads()).unwrap();
    std::fs::rename(&away, two.downloads()).unwrap();
    write(&world.path("g"), &content(4_000_001));
    one.upload(&world.path("g"));
    two.ask(["download", "g", "--detach"]);
    eventually("it is under way", || {
        let transfers = two.ask(["transfers"]);
        let items = transfers["items"].as_array().unwrap();
        items.iter().any(|item| item["name"] == "g" && item["bytes"].as_u64().is_some_and(|done| done > 0))
    });
    two.kill();
    swap_for_a_link(&two.downloads(), &away, &outside);
    two.start();
    eventually("it is given up", || two.transfer()["state"] == "failed");
    let transfer = two.transfer();
    assert_eq!(transfer["name"], "g");
    assert!(transfer.to_string().contains("a symbolic link is in its way"), "{transfer}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "something was written behind the link");
}
