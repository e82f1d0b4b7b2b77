//! Right bytes or none: whatever a holder does, nothing wrong gets a final name, and the culprit is named.

use crate::liar::{Liar, Lie};
use crate::world::{Peer, World, content, write};

const LIES: [Lie; 7] = [Lie::Manifest, Lie::Size, Lie::Bytes, Lie::Short, Lie::Long, Lie::Unasked, Lie::Huge];

fn liar(world: &World, lie: Lie, bytes: &[u8]) -> Liar {
    Liar::start(&world.directory_url(), world.address(8, 5001), &world.path("liar.pem"), "f", bytes, lie)
}

fn peak_is_bounded(peer: &Peer) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", peer.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 200 << 10, "{line}");
}

#[test]
fn a_lone_liar_is_named_and_nothing_is_stored_as_good() {
    for lie in LIES {
        let world = World::new();
        let two = world.peer("2");
        let _liar = liar(&world, lie, &content(3_000_000));
        let said = two.fails(6, ["download", "f"]);
        assert!(said.contains("liar"), "{lie:?}: {said}");
        assert_eq!(two.finished(), Vec::<String>::new(), "{lie:?}");
        assert_eq!(two.ask(["list-files", "--mine"])["items"].as_array().unwrap().len(), 0);
        peak_is_bounded(&two);
    }
}

#[test]
fn an_honest_holder_beside_a_liar_is_enough() {
    for lie in LIES.into_iter().chain([Lie::Empty]) {
        let world = World::new();
        let (one, two) = (world.peer("1"), world.peer("2"));
        let bytes = content(3_000_000);
        write(&world.path("f"), &bytes);
        one.upload(&world.path("f"));
        let _liar = liar(&world, lie, &bytes);
        let done = two.ask(["download", "f"]);
        assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes, "{lie:?}");
        // Who lies about the manifest alone may still give good pieces.
        let from_one = done["sources"].as_array().unwrap().iter().any(|source| source["peer"] == "1");
        assert!(from_one || matches!(lie, Lie::Manifest | Lie::Size | Lie::Huge), "{lie:?}: {done}");
    }
}
