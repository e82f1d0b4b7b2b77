//! The directory's log of changes, where people and downloads meet it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;

use crate::world::{Peer, World, content, eventually, within, write};

/// From when on a download looks for holders only every ten seconds.
const LOOKS_ARE_RARE: Duration = Duration::from_secs(15);
/// Far under that, with room for a slow machine.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn new_holders_join_a_running_download_at_once() {
    let world = World::new();
    let slow = ["--max-upload", "512KiB"];
    let seed = world.peer_with("1", &slow);
    write(&world.path("f"), &content(64 << 20));
    seed.upload(&world.path("f"));
    let three = world.peer("3");
    three.ask(["download", "f", "--detach"]);
    let gives = |name: &str| {
        let sources = three.transfer()["sources"].as_array().cloned().unwrap_or_default();
        sources.iter().any(|source| source["peer"] == name && source["bytes"].as_u64() > Some(0))
    };
    eventually("the seed gives", || gives("1"));
    let seconds = || three.transfer()["seconds"].as_f64().unwrap();
    within(LOOKS_ARE_RARE * 3, "the looks become rare", || seconds() > LOOKS_ARE_RARE.as_secs_f64());
    // One of them could be found by a look that happens to come; three of them, hardly.
    let mut holders = Vec::new();
    for name in ["2", "4", "5"] {
        let holder = world.namesake(name, "2", &slow);
        holder.upload(&world.path("f"));
        within(SOON, "it gives pieces", || gives(name));
        // Its going away would make the download look again.
        holders.push(holder);
    }
}

/// `peerctl events --follow --json`, and what it writes.
struct Follower {
    child: Child,
    lines: Receiver<Value>,
}

impl Follower {
    fn start(peer: &Peer) -> Self {
        let mut child =
            peer.command(["--json", "events", "--follow", "--since", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let line = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Everything up to the announcement of a file.
    fn until(&self, file_id: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.lines.recv_timeout(Duration::from_secs(20)).expect("the next event comes");
            let found = event["kind"] == "file.announced" && event["file_id"] == file_id;
            events.push(event);
            if found {
                return events;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whoever_follows_sees_each_event_once_whatever_happens_to_the_directory() {
    let mut world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let share = |world: &World, name: &str| {
        write(&world.path(name), name.as_bytes());
        one.upload(&world.path(name))
    };
    let first = share(&world, "first");
    let follower = Follower::start(&two);
    let mut seen = follower.until(&first);
    world.kill_directory();
    eventually("the peer notices", || one.state() == Some("unreachable".into()));
    world.start_directory();
    eventually("it is back", || one.state() == Some("connected".into()));
    let second = share(&world, "second");
    seen.extend(follower.until(&second));
    let numbers: Vec<u64> = seen.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "each once, in order: {numbers:?}");
    assert!(seen.iter().all(|event| event["v"] == 1 && event["at"].is_string()), "{seen:?}");
    assert!(
        seen.iter().any(|event| event["kind"] == "peer.up" && event["peer_id"] == one.id().to_string()),
        "{seen:?}"
    );
    // Without `--follow`, the same, and an end.
    let output = two.ctl(["--json", "events", "--since", "0"]);
    let all: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all, seen);
    let gone = two.fails(3, ["events", "--since", "1000000"]);
    assert!(gone.contains("the log ends at"), "{gone}");
}
