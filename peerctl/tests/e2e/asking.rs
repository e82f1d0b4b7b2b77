//! The call in which pieces are asked for: what comes is what was asked for, every ask has one end, and nothing outlives the
//! ticket.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::peer::Refusal;
use tonic::Code;

use crate::requester::{Conversation, Requester, reason};
use crate::world::{Peer, World, content, piece_of, write};

const SIZE: usize = 1 << 20;

fn shared(world: &World, one: &Peer) -> (String, Vec<u8>) {
    let bytes = content(SIZE);
    write(&world.path("f"), &bytes);
    (one.upload(&world.path("f")), bytes)
}

/// Bytes by piece, and refusals.
type Answers = (BTreeMap<u32, Vec<u8>>, Vec<(u32, Refusal)>);

/// Asks for pieces and takes others back, message by message; all that comes until the end of the call.
fn answers(mut conversation: Conversation<'_>, messages: &[(&[u32], &[u32])]) -> Answers {
    for (pieces, withdrawn) in messages {
        conversation.say(pieces, withdrawn);
    }
    conversation.all_is_said();
    let (mut pieces, mut refusals) = (BTreeMap::<u32, Vec<u8>>::new(), Vec::new());
    while let Some((piece, what)) = conversation.hear().unwrap() {
        match what {
            Ok(bytes) => pieces.entry(piece).or_default().extend(bytes),
            Err(refusal) => refusals.push((piece, refusal)),
        }
    }
    (pieces, refusals)
}

fn are_these(pieces: &BTreeMap<u32, Vec<u8>>, numbers: &[u32], bytes: &[u8]) {
    assert_eq!(pieces.keys().copied().collect::<Vec<_>>(), numbers);
    assert!(pieces.iter().all(|(number, data)| data == piece_of(bytes, *number)));
}

#[test]
fn what_is_asked_for_comes_and_then_the_call_ends() {
    let world = World::new();
    let one = world.peer("1");
    let (id, bytes) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let (pieces, refusals) = answers(requester.converse(&one, &id), &[(&[3, 1], &[]), (&[2], &[]), (&[63], &[])]);
    assert_eq!(refusals, []);
    are_these(&pieces, &[1, 2, 3, 63], &bytes);
}

#[test]
fn what_is_taken_back_is_answered_so_and_all_else_comes() {
    let world = World::new();
    // Every piece of 16 KiB takes a quarter of a second.
    let one = world.peer_with("1", &["--max-upload", "64KiB"]);
    let (id, bytes) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let messages: [(&[u32], &[u32]); 4] = [
        (&[0, 1, 2, 3, 4, 5], &[]),
        (&[], &[4]),
        // Taken back and wanted again: what comes of it comes behind the answer.
        (&[5], &[5]),
        // Never asked for: it is answered all the same, so that the other end need not remember.
        (&[], &[9]),
    ];
    let (pieces, mut refusals) = answers(requester.converse(&one, &id), &messages);
    refusals.sort_by_key(|(piece, _)| *piece);
    assert_eq!(refusals, [4, 5, 9].map(|piece| (piece, Refusal::Withdrawn)));
    are_these(&pieces, &[0, 1, 2, 3, 5], &bytes);
}

#[test]
fn what_cannot_come_is_refused_one_by_one() {
    let world = World::new();
    let one = world.peer("1");
    let (id, _) = shared(&world, &one);
    let requester = Requester::register(&world, "a.pem");
    let unwatched = answers(requester.call(&one, &id), &[(&[0, 7], &[])]);
    assert_eq!(unwatched, (BTreeMap::new(), vec![(0, Refusal::Busy), (7, Refusal::Busy)]));

    std::fs::remove_file(world.path("f")).unwrap();
    let removed = answers(requester.converse(&one, &id), &[(&[1], &[])]);
    assert_eq!(removed, (BTreeMap::new(), vec![(1, Refusal::Lacking)]));
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
    let mut other = requester.call(&one, &id);
    let ended = loop {
        conversation.say(&[0], &[]);
        match conversation.hear() {
            Ok(part) => assert!(part.is_some(), "a status says why it ends"),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&ended), "ticket-expired");
    // Taking back needs none.
    other.say(&[], &[1]);
    assert_eq!(other.hear().unwrap(), Some((1, Err(Refusal::Withdrawn))));

    // It takes twice as long as a ticket lasts.
    let (two, bytes) = (world.peer("2"), content(4 * SIZE));
    write(&world.path("g"), &bytes);
    one.upload(&world.path("g"));
    two.ask(["download", "g"]);
    assert_eq!(std::fs::read(two.downloads().join("g")).unwrap(), bytes);
    let explained = two.ask(["explain", "1"]);
    assert_eq!(explained["sources"][0]["failures"], 0, "no request was refused: {explained}");
}
