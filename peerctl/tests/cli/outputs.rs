//! What each command writes, for people and for programs.

use proto::control::Request;

use crate::daemon::{House, Ran, done};
use crate::samples::{healthy, logged_out};

fn keys(args: &[&str]) -> Vec<String> {
    let written = House::new(healthy).run(&[&["--json"], args].concat()).good();
    assert_eq!(written.lines().count(), 1, "{written}");
    Ran::keys(&written)
}

#[test]
fn json_has_the_promised_keys_in_their_order() {
    let file = ["file_id", "name", "size", "holders", "holders_up", "simulated", "url"];
    let peer = ["peer_id", "name", "user", "address", "state", "files", "last_seen"];
    let status = ["peer_id", "name", "user", "directory", "address", "shares", "transfers"];
    for (args, expected) in [
        (&["status"][..], [&["v"][..], &status, &["version", "started_at", "download_dir", "actors"]].concat()),
        (&["list-peers"], vec!["v", "items", "next"]),
        (&["list-files"], vec!["v", "items", "next"]),
        (&["transfers"], vec!["v", "items", "next"]),
        (&["upload", "x"], vec!["v", "file_id", "name", "size", "simulated"]),
        (&["unshare", "x"], vec!["v", "file_id", "name"]),
        (
            &["simulate"],
            [
                &["v", "peers", "size", "seed", "first_s", "median_s", "p99_s", "last_s", "bound_s", "ratio"][..],
                &["seed_copies", "duplicates", "limited_by", "elapsed_s", "complete", "finished", "left", "scenario"],
            ]
            .concat(),
        ),
        (&["whoami"], vec!["v", "user", "role", "expires_at", "peer_id", "peer"]),
        (&["logout"], vec!["v"]),
        (&["version"], vec!["v", "peerctl", "peerd", "directoryd"]),
        (&["doctor"], vec!["v", "verdict", "checks"]),
        (&["verify", "x"], vec!["v", "file_id", "name", "path", "size", "verified"]),
        (&["show-peer", "1"], [&["v"][..], &peer, &["key", "version"]].concat()),
        (&["show-file", "x"], [&["v"][..], &file, &["names", "holders_list"]].concat()),
        (
            &["download", "a"],
            vec!["v", "transfer_id", "file_id", "name", "path", "bytes", "seconds", "verified", "simulated", "sources"],
        ),
        (
            &["download", "a", "--detach"],
            vec!["v", "transfer_id", "file_id", "name", "size", "path", "joined", "simulated"],
        ),
    ] {
        assert_eq!(keys(args), expected, "{args:?}");
    }
}

#[test]
fn json_items_have_the_promised_keys() {
    let house = House::new(healthy);
    for (command, expected) in [
        ("list-peers", "peer_id name user address state files last_seen"),
        ("list-files", "file_id name size holders holders_up simulated url"),
    ] {
        let listed: serde_json::Value = serde_json::from_str(&house.run(&[command, "--json"]).good()).unwrap();
        let item = serde_json::to_string(&listed["items"][0]).unwrap();
        let mut keys = Ran::keys(&item);
        keys.sort_unstable();
        let mut expected: Vec<&str> = expected.split(' ').collect();
        expected.sort_unstable();
        assert_eq!(keys, expected);
    }
    let status: serde_json::Value = serde_json::from_str(&house.run(&["status", "--json"]).good()).unwrap();
    assert_eq!(
        (&status["directory"]["url"], &status["directory"]["state"]),
        (&"http://127.0.0.1:4001".into(), &"connected".into())
    );
    let shown: serde_json::Value = serde_json::from_str(&house.run(&["show-file", "x", "--json"]).good()).unwrap();
    assert_eq!(
        (&shown["holders_list"][1]["peer"], &shown["holders_list"][1]["state"]),
        (&"peer-2".into(), &"down".into())
    );
    let done: serde_json::Value = serde_json::from_str(&house.run(&["download", "a", "--json"]).good()).unwrap();
    assert_eq!(done["sources"].to_string(), r#"[{"bytes":1000,"peer":"peer-1"}]"#);
}

#[test]
fn plain_and_ids() {
    let house = House::new(healthy);
    let id = "17762fddd969a453925d65717ac3eea21320b66b54342fde15128d6caf21215f";
    for (args, expected) in [
        (&["upload", "a", "--plain"][..], format!("{id}\ta\t1000\tfalse\n")),
        (&["upload", "a", "-q"], format!("{id}\n")),
        (&["download", "a", "--plain"], format!("7\t{id}\ta\t/downloads/a\t1000\t0.500\ttrue\tfalse\n")),
        (&["download", "a", "-q"], format!("{id}\n")),
        (&["download", "a", "-q", "--detach"], "7\n".to_owned()),
        (&["transfers", "-q"], "7\n8\n".to_owned()),
        (&["cancel", "7", "-q"], "7\n".to_owned()),
        (&["whoami", "-q"], "1\n".to_owned()),
    ] {
        assert_eq!(house.run(args).good(), expected, "{args:?}");
    }
    let status = house.run(&["status", "--plain"]).good();
    assert!(status.contains("state\tconnected\n") && status.contains("problem\t-\n"), "{status}");
}

#[test]
fn for_people() {
    let house = House::new(healthy);
    let status = house.run(&["status"]);
    assert_eq!(status.stderr, "");
    let status = status.good();
    for line in ["user       1\n", "address    127.0.0.1:5001\n", "restarted  heartbeat, 2 times after a failure\n"] {
        assert!(status.contains(line), "{status}");
    }
    let saved = house.run(&["download", "a"]).good();
    assert_eq!(saved, "saved /downloads/a  1000 B in 0.50 s (2.0 KiB/s) from peer-1, verified\n");
    let shown = house.run(&["show-file", "x"]).good();
    assert!(shown.contains("holder   peer-2 of 1 at 127.0.0.1:5001, down, has a part\n"), "{shown}");
    assert_eq!(house.run(&["login", "1", "--password-file", "pw"]).status, Some(3));
}

#[test]
fn status_says_what_to_do_next() {
    let house = House::new(|request| match request {
        Request::GetStatus(_) => done(&logged_out()),
        other => healthy(other),
    });
    let ran = house.run(&["status"]);
    assert!(ran.stderr.contains("`peerctl login`"), "{ran:?}");
    assert!(ran.good().contains("nobody is logged in"));
}

#[test]
fn passwords_come_from_files_or_standard_input() {
    let house = House::new(healthy);
    std::fs::write(house.folder.path().join("pw"), "secret 1\nrest\n").unwrap();
    assert_eq!(house.run(&["login", "1", "--password-file", "pw"]).good(), "logged in as 1; this peer is peer-1\n");
    Ran::of(house.peerctl(&["login", "1", "--password-file", "-"]).write_stdin("secret 2\n")).good();
    let passwords: Vec<String> = house
        .daemon
        .asked()
        .iter()
        .filter_map(|asked| match asked {
            Request::Login(login) => Some(login.password.expose().to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(passwords, ["secret 1", "secret 2"]);
    let ran = house.run(&["login", "1"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("--password-file FILE"), "{}", ran.stderr);
}

#[test]
fn a_version_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let written = Ran::of(crate::daemon::peerctl(folder.path()).arg("version")).good();
    assert!(written.contains("peerd       no daemon: "), "{written}");
}

#[test]
fn help_begins_with_examples() {
    let house = House::new(healthy);
    assert!(house.run(&["help"]).good().starts_with("Examples:\n"));
    let download = house.run(&["help", "get"]).good();
    assert!(download.find("Examples:").unwrap() < download.find("Usage:").unwrap(), "{download}");
    assert_eq!(house.run(&["download", "--help"]).good(), download);
    for topic in ["names", "output", "exit-codes"] {
        house.run(&["help", topic]).good();
    }
}

#[test]
fn completions_for_shells() {
    let house = House::new(healthy);
    for shell in ["bash", "zsh", "fish"] {
        assert!(house.run(&["completions", shell]).good().contains("list-files"), "{shell}");
    }
}

#[test]
fn no_colours_where_nobody_looks() {
    let house = House::new(healthy);
    for args in [&["status"][..], &["list-peers"], &["transfers"]] {
        assert!(!house.run(args).good().contains('\u{1b}'), "{args:?}");
    }
}
