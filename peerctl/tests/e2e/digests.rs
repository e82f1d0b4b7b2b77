//! A peer and its directory agree on what is shared by a digest, and exchange the difference only where they do not.

use std::path::Path;
use std::time::Duration;

use crate::figures::{answered, scrape};
use crate::world::{Peer, World, eventually, write};

/// Questions for the peer's list, and announcements, that the directory has answered since its start.
fn exchanged(world: &World) -> [u64; 2] {
    let page = scrape(world.address(0, 4002));
    ["GET", "PATCH"].map(|method| answered(&page, "/peers/{peer_id}/files", method))
}

/// Heartbeats that it has answered.
fn beats(world: &World) -> u64 {
    answered(&scrape(world.address(0, 4002)), "/peers/{peer_id}/heartbeat", "POST")
}

fn share(world: &World, peer: &Peer, name: &str) {
    write(&world.path(name), name.as_bytes());
    peer.upload(&world.path(name));
}

fn names(peer: &Peer) -> Vec<String> {
    let listed = peer.ask(["list-files"]);
    let items = listed["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

fn figured() -> World {
    let mut world = World::with_lease(Duration::from_secs(2));
    world.kill_directory();
    world.serve_figures();
    world.start_directory();
    world
}

#[test]
fn a_restart_with_the_same_shares_exchanges_nothing_but_the_digest() {
    let world = figured();
    let (mut one, two) = (world.peer("1"), world.peer("2"));
    for name in ["a", "b", "c"] {
        share(&world, &one, name);
    }
    one.ask(["upload", "--simulated", "film", "--url", "https://example.org/film", "--size", "1000000"]);
    let before = exchanged(&world);
    assert_eq!(before[1], 4, "each upload was announced");
    for kill in [true, false] {
        if kill {
            one.kill();
        } else {
            assert!(one.stop().success());
        }
        one.start();
        let seen = beats(&world);
        eventually("heartbeats go on", || beats(&world) >= seen + 4);
        assert_eq!(exchanged(&world), before, "killed: {kill}");
    }
    assert_eq!(two.ask(["list-files"])["items"][0]["holders_up"], 1);
    // What was shared while it was away is all that it tells.
    share(&world, &one, "d");
    assert_eq!(exchanged(&world), [before[0], before[1] + 1]);
}

/// Puts a copy of the database in its place, as the runbook says.
fn restore(world: &World, backup: &Path) {
    let database = world.path("directory/directory.db");
    for left in ["directory.db-wal", "directory.db-shm"] {
        let _ = std::fs::remove_file(database.with_file_name(left));
    }
    std::fs::copy(backup, database).unwrap();
}

#[test]
fn a_directory_that_went_back_to_a_backup_is_told_what_it_lacks() {
    let mut world = figured();
    let (one, two) = (world.peer("1"), world.peer("2"));
    share(&world, &one, "withdrawn-since");
    share(&world, &one, "old");
    let backup = world.path("backup.db");
    world.directoryd(["backup".as_ref(), backup.as_os_str()]);
    share(&world, &one, "new");
    one.ask(["unshare", "withdrawn-since"]);
    assert_eq!(names(&two), ["new", "old"]);

    world.kill_directory();
    restore(&world, &backup);
    world.start_directory();
    eventually("the list is right again", || {
        let listed = two.ctl(["--json", "list-files"]);
        listed.status.success() && names(&two) == ["new", "old"]
    });
    eventually("its peer is content", || one.state() == Some("connected".into()));
    // One comparison settles it.
    let told = exchanged(&world);
    assert!(told[0] <= 2, "only the parts of the two files that differ were read: {told:?}");
    let seen = beats(&world);
    eventually("heartbeats go on", || beats(&world) >= seen + 4);
    assert_eq!(exchanged(&world)[1], told[1]);
    assert!(one.log().contains("the directory lists other shares than these"), "{}", one.log());
}
