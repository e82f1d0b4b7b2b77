//! Nobody in who does not belong: what a peer gets that shows no ticket, a wrong one, or one whose time is over.

use std::time::{Duration, Instant};

use peerd::directory::ClientError;

use crate::requester::{Requester, register};
use crate::world::{World, content, eventually, within, write};

#[test]
fn only_a_ticket_of_ones_own_opens_anything() {
    let (world, other) = (World::new(), World::new());
    let one = world.peer("1");
    write(&world.path("f"), &content(5000));
    let id = one.upload(&world.path("f"));
    let (mine, another) = (Requester::register(&world, "a.pem"), Requester::register(&world, "b.pem"));
    assert_eq!(mine.ask(&one, &id, Some(&mine.ticket)), Ok(5000));
    assert_eq!(mine.ask(&one, &id, None), Err("ticket-missing".into()));
    assert_eq!(mine.ask(&one, &id, Some(&another.ticket)), Err("ticket-of-another-peer".into()));
    let mut tampered = mine.ticket.clone().into_bytes();
    tampered[20] = if tampered[20] == b'A' { b'B' } else { b'A' };
    assert_eq!(mine.ask(&one, &id, Some(&String::from_utf8(tampered).unwrap())), Err("ticket-forged".into()));
    // Made out to the same key, by the directory of another network.
    std::fs::copy(world.path("a.pem"), other.path("a.pem")).unwrap();
    let foreign = Requester::register(&other, "a.pem");
    assert_eq!(mine.ask(&one, &id, Some(&foreign.ticket)), Err("ticket-unknown-key".into()));
    // A refusal tells nothing of files: one that is not there is refused alike.
    assert_eq!(mine.ask(&one, &"0".repeat(64), None), Err("ticket-missing".into()));
}

#[test]
fn a_ticket_ends_and_a_download_goes_on_with_the_next() {
    let world = World::with_flags(Duration::from_secs(2), &["--ticket", "2s"]);
    let one = world.peer("1");
    write(&world.path("f"), &content(5000));
    let id = one.upload(&world.path("f"));
    let requester = Requester::register(&world, "a.pem");
    assert_eq!(requester.ask(&one, &id, Some(&requester.ticket)), Ok(5000));
    eventually("it has ended", || requester.ask(&one, &id, Some(&requester.ticket)) == Err("ticket-expired".into()));
    // A daemon renews its own in time.
    let two = world.peer("2");
    for name in ["g", "h", "i"] {
        write(&world.path(name), name.as_bytes());
        one.upload(&world.path(name));
        two.ask(["download", name]);
    }
}

#[test]
fn a_disabled_user_is_out_at_once_and_between_peers_when_the_ticket_ends() {
    let life = Duration::from_secs(4);
    let world = World::with_flags(Duration::from_secs(3), &["--ticket", "4s"]);
    let (one, three) = (world.peer("1"), world.peer("3"));
    write(&world.path("f"), &content(5000));
    let id = one.upload(&world.path("f"));
    let requester = Requester::register(&world, "a.pem");
    three.ask(["list-files"]);

    world.directoryd(["user", "disable", "3"]);
    let disabled = Instant::now();
    within(Duration::from_secs(2), "the directory is shut", || three.ctl(["list-files"]).status.code() == Some(4));
    assert_eq!(requester.ask(&one, &id, Some(&requester.ticket)), Ok(5000), "an outstanding ticket is what is left");
    within(life + Duration::from_secs(1), "the ticket ends", || {
        requester.ask(&one, &id, Some(&requester.ticket)) == Err("ticket-expired".into())
    });
    assert!(disabled.elapsed() < life + Duration::from_secs(1));
    three.fails(4, ["download", "f"]);
    let again = requester.runtime.block_on(register(&world.directory_url(), &requester.identity));
    assert!(matches!(&again, Err(ClientError::Refused(_))), "there is no other: {again:?}");
    assert_eq!(three.finished(), [""; 0]);
}

#[test]
fn keys_are_rotated_under_the_peers() {
    let world = World::with_lease(Duration::from_secs(3));
    let (one, two) = (world.peer("1"), world.peer("2"));
    world.directoryd(["keys", "rotate"]);
    // Signed with the new key, known to nobody yet but the directory.
    eventually("the directory signs with the new key", || {
        let requester = Requester::register(&world, "a.pem");
        write(&world.path("f"), &content(7000));
        let id = one.upload(&world.path("f"));
        requester.ask(&one, &id, Some(&requester.ticket)) == Ok(7000)
    });
    two.ask(["download", "f"]);
}

/// Needs libfaketime, which `deploy/check` installs.
#[test]
fn wall_clocks_moved_by_days_change_nothing() {
    let world = World::new();
    let one = world.peer("1");
    let moved = |name, offset: &str| {
        let mut peer = world.idle_peer(name, &[]);
        peer.wall_clock = Some(offset.into());
        peer.start();
        peer
    };
    let (ahead, behind) = (moved("2", "+30d"), moved("3", "-2d"));
    // From a clock that is right, from one that is ahead, and from one that is behind.
    for (name, from, to) in [("f", &one, &ahead), ("gg", &ahead, &behind), ("hhh", &behind, &ahead)] {
        let bytes = content(300_000 + name.len());
        write(&world.path(name), &bytes);
        from.upload(&world.path(name));
        assert_eq!(to.ask(["download", name])["verified"], true, "{name}");
        assert_eq!(std::fs::read(to.downloads().join(name)).unwrap(), bytes);
    }
}
