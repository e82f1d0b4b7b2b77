//! Words completed among many names: the session, the daemon and the directory as people have them.

use std::process::Command;
use std::time::Duration;

use expectrl::{Expect, Session};
use serde_json::{Value, json};

use crate::world::{Peer, World, eventually, program, write};

/// More than the directory gives in one page, and far more than are shown.
const NAMES: usize = 2500;

fn complete(peer: &Peer, kind: &str, start: &str) -> (Vec<String>, bool) {
    let answer = peer.call("complete", &json!({ "kind": kind, "start": start })).unwrap();
    let words = answer["result"]["words"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let word = |word: &Value| word["word"].as_str().unwrap().to_owned();
    (words.iter().map(word).collect(), answer["result"]["more"].as_bool().unwrap())
}

#[test]
fn many_names_are_bounded_and_none_is_out_of_reach() {
    let world = World::new();
    let many = world.path("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..NAMES {
        write(&many.join(format!("part-{number:04}")), &number.to_le_bytes());
    }
    write(&many.join("with blank"), b"blank");
    write(&many.join("-rf"), b"dash");
    let one = world.peer_with("1", &["--share", many.to_str().unwrap()]);
    let two = world.peer("2");
    write(&world.path("part-of-2"), b"of 2");
    let id = two.upload(&world.path("part-of-2"));
    // In no particular order, so that the last name says nothing of the others.
    eventually("everything is announced", || two.ask(["show-peer", "1"])["files"] == NAMES + 2);

    for peer in [&one, &two] {
        let (words, more) = complete(peer, "file", "part-");
        assert_eq!((words.len(), more), (99, true));
        assert_eq!((words[0].as_str(), words[98].as_str()), ("part-0000", "part-of-2"));
    }
    assert_eq!(complete(&two, "file", "part-24").0.len(), 99);
    let (words, more) = complete(&two, "file", "part-249");
    assert_eq!((words.len(), more), (10, false));
    assert_eq!(complete(&two, "file", "1/part-2499").0, ["1/part-2499"]);
    assert_eq!(complete(&two, "file", "2/").0, ["2/part-of-2"]);
    assert!(complete(&two, "file", "9/").0.is_empty() && complete(&two, "file", "no/such/name").0.is_empty());
    assert_eq!(complete(&two, "file", &id[..6]).0, [id.as_str()]);
    assert!(complete(&two, "file", &id[..5]).0.is_empty());
    assert_eq!(complete(&two, "own-file", "").0, ["part-of-2"]);
    assert_eq!(complete(&two, "own-file", &id[..8]).0, [id.as_str()]);
    assert_eq!((complete(&one, "own-file", "part").0.len(), complete(&one, "own-file", "part").1), (99, true));
    assert_eq!(complete(&two, "peer", "").0, ["1", "2"]);
    assert_eq!(complete(&two, "peer", &one.id().to_string()[..6]).0, [one.id().to_string()]);

    let mut command = Command::new(program("peerctl"));
    command.arg("--socket").arg(two.home.join("peerd.sock")).env("XDG_STATE_HOME", &two.home).env("TERM", "xterm");
    let mut terminal = Session::spawn(command).unwrap();
    terminal.set_expect_timeout(Some(Duration::from_secs(20)));
    terminal.expect("2@directory> ").unwrap();
    terminal.send("show-file wi\t").unwrap();
    terminal.expect("th\\ blank ").unwrap();
    terminal.send("\r").unwrap();
    terminal.expect("2@directory> ").unwrap();
    terminal.send("show-file par\t").unwrap();
    // What is added to the line.
    terminal.expect("t-").unwrap();
    terminal.send("249\t").unwrap();
    terminal.send("7\t\r").unwrap();
    terminal.expect("part-2497").unwrap();
    terminal.expect("1, 1 up").unwrap();
}
