//! The call in which pieces are asked for: what comes is what was asked for, every ask has one end, and nothing outlives the
//! ticket.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::ids::ByteCount;
use proto::manifest::Geometry;
use proto::peer::Refusal;
use tonic::Code;

use crate::requester::{Conversation, Requester, reason};
use crate::world::{Peer, World, content, write};

const SIZE: usize = 1 << 20;

fn shared(world: &World, one: &Peer) -> (String, Vec<u8>) {
    let bytes = content(SIZE);
    write(&world.path("f"), &bytes);
    (one.upload(&world.path("f")), bytes)
}

fn piece(bytes: &[u8], number: u32) -> &[u8] {
    let geometry = Geometry::of(ByteCount::new(bytes.len() as u64)).unwrap();
    let start = usize::try_from(geometry.offset(number)).unwrap();
    &bytes[start..start + geometry.len(number) as usize]
}

/// Bytes by piece, and refusals.
type Answers = (BTreeMap<u32, Vec<u8>>, Vec<(u32, Refusal)>);

/// All that comes until the end of the call.
fn all(conversation: &mut Conversation<'_>) -> Answers {
    let (mut pieces, mut refusals) = (BTreeMap::<u32, Vec<u8>>::new(), Vec::new());
    while let Some((piece, what)) = conversation.hear().unwrap() {
        match what {
            Ok(bytes) => pieces.entry(piece).or_default().extend(bytes),
            Err(refusal) => refusals.push((piece, refusal)),
        }
    }
    (pieces, refusals)
}

#[test]
fn what_is_asked_for_comes_and_then_the_call_ends() {
    let world = World::new();
    let one = world.peer("1");
    let (id, bytes) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let mut conversation = requester.converse(&one, &id);
    conversation.say(&[3, 1], &[]);
    conversation.say(&[2], &[]);
    conversation.say(&[63], &[]);
    conversation.all_is_said();
    let (pieces, refusals) = all(&mut conversation);
    assert_eq!(refusals, []);
    assert_eq!(pieces.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 63]);
    assert!(pieces.iter().all(|(number, data)| data == piece(&bytes, *number)));
}

#[test]
fn what_is_taken_back_is_answered_so_and_all_else_comes() {
    let world = World::new();
    // Every piece of 16 KiB takes a quarter of a second.
    let one = world.peer_with("1", &["--max-upload", "64KiB"]);
    let (id, bytes) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let mut conversation = requester.converse(&one, &id);
    conversation.say(&[0, 1, 2, 3, 4, 5], &[]);
    conversation.say(&[], &[4]);
    // Taken back and wanted again: what comes of it comes behind the answer.
    conversation.say(&[5], &[5]);
    // Never asked for: it is answered all the same, so that the other end need not remember.
    conversation.say(&[], &[9]);
    conversation.all_is_said();
    let (pieces, mut refusals) = all(&mut conversation);
    refusals.sort_by_key(|(piece, _)| *piece);
    assert_eq!(refusals, [4, 5, 9].map(|piece| (piece, Refusal::Withdrawn)));
    assert_eq!(pieces.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 5]);
    assert!(pieces.iter().all(|(number, data)| data == piece(&bytes, *number)));
}

#[test]
fn what_cannot_come_is_refused_one_by_one() {
    let world = World::new();
    let one = world.peer("1");
    let (id, _) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let mut stranger = requester.call(&one, &id);
    stranger.say(&[0, 7], &[]);
    stranger.all_is_said();
    assert_eq!(all(&mut stranger).1, [(0, Refusal::Busy), (7, Refusal::Busy)]);

    std::fs::remove_file(world.path("f")).unwrap();
    let mut conversation = requester.converse(&one, &id);
    conversation.say(&[1], &[]);
    conversation.all_is_said();
    assert_eq!(all(&mut conversation), (BTreeMap::new(), vec![(1, Refusal::Lacking)]));
}

#[test]
fn pieces_that_no_file_has_end_the_call() {
    let world = World::new();
    let one = world.peer("1");
    let (id, _) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    for (pieces, withdrawn) in [(vec![64], vec![]), (vec![], vec![u32::MAX]), (vec![0; 65], vec![])] {
        let mut conversation = requester.converse(&one, &id);
        conversation.say(&pieces, &withdrawn);
        let status = loop {
            match conversation.hear() {
                Ok(part) => drop(part.expect("a status says why it ends")),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
    }
}

#[test]
fn a_call_ends_with_the_ticket_and_a_download_goes_on_with_another() {
    let world = World::with_flags(Duration::from_secs(2), &["--ticket", "2s"]);
    let one = world.peer_with("1", &["--max-upload", "1MiB"]);
    let (id, _) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let mut conversation = requester.converse(&one, &id);
    let ended = loop {
        conversation.say(&[0], &[]);
        match conversation.hear() {
            Ok(part) => assert!(part.is_some(), "a status says why it ends"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&ended), "ticket-expired");

    // It takes twice as long as a ticket lasts.
    let (two, bytes) = (world.peer("2"), content(4 * SIZE));
    write(&world.path("g"), &bytes);
    one.upload(&world.path("g"));
    two.ask(["download", "g"]);
    assert_eq!(std::fs::read(two.downloads().join("g")).unwrap(), bytes);
    let explained = two.ask(["explain", "1"]);
    assert_eq!(explained["sources"][0]["failures"], 0, "no request was refused: {explained}");
}
