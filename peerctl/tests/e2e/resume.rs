//! A downloader that is killed goes on where it stopped, and believes nothing but hashes.

use std::os::unix::fs::FileExt;

use crate::proxy::Proxy;
use crate::world::{Peer, World, content, eventually, write};

const SIZE: usize = 48 << 20;
/// What the core may have asked for and not got: `swarm::Config::max_in_flight`.
const IN_FLIGHT: u64 = 32 << 20;

/// A download that is killed when a part of it is there; answers how much that was at the least.
fn killed_in_the_middle(world: &World, two: &mut Peer, proxy: &Proxy) -> u64 {
    two.ask(["download", "f", "--detach"]);
    let mut seen = 0;
    eventually("a part is there", || {
        seen = two.transfer()["bytes"].as_u64().unwrap();
        seen > 12 << 20
    });
    two.kill();
    assert_eq!(two.finished(), Vec::<String>::new(), "nothing under the final name");
    proxy.set_rate(1 << 30);
    let _ = world;
    seen
}

fn setup() -> (World, Peer, Peer, Proxy, Vec<u8>) {
    let world = World::new();
    let gate = world.address(9, 5001);
    let (one, two) = (world.peer_with("1", &["--advertise", &gate.to_string()]), world.peer("2"));
    let proxy = Proxy::new(gate, one.address, 12 << 20);
    let bytes = content(SIZE);
    write(&world.path("f"), &bytes);
    one.upload(&world.path("f"));
    (world, one, two, proxy, bytes)
}

#[test]
fn a_killed_download_refetches_only_what_was_in_flight() {
    let (world, _one, mut two, proxy, bytes) = setup();
    let seen = killed_in_the_middle(&world, &mut two, &proxy);
    two.start();
    eventually("it goes on by itself", || two.transfer()["state"] == "done");
    assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes);
    let fetched: u64 = two.transfer()["sources"].as_array().unwrap().iter().map(|s| s["bytes"].as_u64().unwrap()).sum();
    assert!(fetched <= SIZE as u64 - seen, "{fetched} fetched again, though {seen} were there");
    assert!(fetched >= SIZE as u64 - seen - IN_FLIGHT.min(SIZE as u64 - seen), "{fetched}");
}

#[test]
fn a_damaged_part_file_is_noticed() {
    let (world, _one, mut two, proxy, bytes) = setup();
    killed_in_the_middle(&world, &mut two, &proxy);
    let part = std::fs::read_dir(two.downloads()).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&part).unwrap();
    // In every mebibyte, so that some of it is in pieces that were stored.
    for mebibyte in 0..SIZE as u64 >> 20 {
        let mut byte = [0];
        file.read_exact_at(&mut byte, mebibyte << 20).unwrap();
        file.write_all_at(&[byte[0] ^ 1], mebibyte << 20).unwrap();
    }
    drop(file);
    two.start();
    eventually("it goes on by itself", || two.transfer()["state"] == "done");
    assert_eq!(std::fs::read(two.downloads().join("f")).unwrap(), bytes);
}

#[test]
fn a_cancelled_download_leaves_nothing() {
    let (_world, _one, two, _proxy, _) = setup();
    let id = two.ask(["download", "f", "--detach"])["transfer_id"].to_string();
    eventually("pieces come", || two.transfer()["bytes"].as_u64() > Some(0));
    assert!(two.ctl(["cancel", &id]).status.success());
    assert_eq!(two.transfer()["state"], "cancelled");
    assert_eq!(std::fs::read_dir(two.downloads()).unwrap().count(), 0);
}

#[test]
fn a_download_without_holders_waits_and_goes_on_when_one_returns() {
    let world = World::with_lease(std::time::Duration::from_secs(2));
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    write(&world.path("f"), &content(500_000));
    one.upload(&world.path("f"));
    one.kill();
    two.ask(["download", "f", "--detach"]);
    eventually("it says why it waits", || {
        let transfer = two.transfer();
        transfer["state"] == "stalled" && transfer["reason"].as_str().is_some_and(|why| why.contains("no holders"))
    });
    one.start();
    eventually("it goes on", || two.transfer()["state"] == "done");
}
