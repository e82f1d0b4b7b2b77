//! The simulator runs the engine's own code: what the picker does differently, both do differently.

use std::os::unix::fs::FileExt;

use crate::world::{World, content, eventually, write};

/// 16 KiB each, as a file of 4 MiB is cut.
const PIECE: usize = 16 << 10;
const PIECES: usize = 256;

/// Starts a download by a peer with these flags, waits until an eighth of the pieces is there, and answers which they are.
fn first_pieces(flags: &[&str]) -> Vec<usize> {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer_with("2", &["--max-upload", "256KiB"]));
    let three = world.peer_with("3", flags);
    write(&world.path("f"), &content(PIECE * PIECES));
    one.upload(&world.path("f"));
    two.ask(["download", "f"]);
    // From one who shows all that it has: a lone seed chooses itself what it shows first.
    three.ask(["download", "f", "--from", "2", "--detach"]);
    let there = || three.transfer()["bytes"].as_u64().unwrap_or(0) / PIECE as u64;
    eventually("an eighth is there", || there() >= PIECES as u64 / 8);
    let part = std::fs::read_dir(three.downloads()).unwrap().map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| path.extension().is_some_and(|end| end == "part")).unwrap();
    let file = std::fs::File::open(part).unwrap();
    let is_there = |piece: &usize| {
        let mut bytes = [0; 64];
        file.read_exact_at(&mut bytes, (piece * PIECE) as u64).unwrap();
        bytes != [0; 64]
    };
    (0..PIECES).filter(is_there).collect()
}

#[test]
fn another_order_of_pieces_is_another_order_for_both() {
    let rarest = first_pieces(&[]);
    let in_order = first_pieces(&["--piece-order", "in-order"]);
    // The first of them, but for what came early or late of all that was asked for ahead; and those from anywhere.
    let middle = |pieces: &[usize]| pieces[pieces.len() / 2];
    assert!(middle(&in_order) < PIECES / 8, "{in_order:?}");
    assert!(middle(&rarest) > PIECES / 4, "{rarest:?}");

    let world = World::new();
    let one = world.peer("1");
    let last = |order| {
        let flags = ["simulate", "--size", "16MiB", "--seed-up", "50Mbit,50Mbit", "--piece-order", order];
        one.ask(flags)["last_s"].as_f64().unwrap()
    };
    let (rarest, in_order) = (last("rarest"), last("in-order"));
    assert!(in_order > rarest * 1.05, "{rarest} {in_order}");
}
