//! One promise per test: what a swarm would be slower without.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::{Config, Input, Output, Refusal, Role, Server, Shown};
use crate::peers::{Have, PeerKey};
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::timers::Moment;

const PIECE: u32 = 1000;

fn server(count: u32, role: Role, config: Config) -> Server {
    let geometry = Geometry::new(u64::from(count) * u64::from(PIECE), PIECE).unwrap();
    Server::new(geometry, Bitfield::full(count), role, config, 3, Moment::EPOCH)
}

/// One of many that has nothing yet of a hundred pieces, with ten neighbours.
fn empty_among_ten() -> Server {
    let geometry = Geometry::new(100_000, PIECE).unwrap();
    let mut server = Server::new(geometry, Bitfield::new(100), Role::OneOfMany, Config::default(), 3, at(0));
    for peer in 0..10 {
        join(&mut server, peer, at(0));
    }
    server
}

fn at(millis: u64) -> Moment {
    Moment::from_duration(Duration::from_millis(millis))
}

fn join(server: &mut Server, peer: u32, now: Moment) -> Vec<Output> {
    let has = Have::Some(Bitfield::new(server.geometry.count()));
    server.handle(Input::NeighbourJoined { peer: PeerKey(peer), has }, now);
    outputs(server)
}

fn ask(server: &mut Server, peer: u32, piece: u32, now: Moment) -> Vec<Output> {
    server.handle(Input::NeighbourAsks { peer: PeerKey(peer), piece: Piece(piece) }, now);
    outputs(server)
}

fn outputs(server: &mut Server) -> Vec<Output> {
    std::iter::from_fn(|| server.poll_output()).collect()
}

fn granted(outputs: &[Output]) -> Vec<(u32, u32)> {
    let grants = outputs.iter().filter_map(|output| match output {
        Output::Grant { peer, piece } => Some((peer.0, piece.0)),
        _ => None,
    });
    grants.collect()
}

/// Neighbours of a lone seed that each keep two asks waiting for what they were shown and lack, some of them asking
/// for nothing; the seed sends a piece every 10 ms. What was sent, in order, and how often it had nothing to send.
fn played(count: u32, neighbours: u32, asleep: &[u32], rounds: u32) -> (Vec<u32>, u32) {
    let mut server = server(count, Role::LoneSeed, Config::default());
    let mut shown: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut asked: BTreeSet<(u32, u32)> = BTreeSet::new();
    let (mut sent, mut idle) = (Vec::new(), 0);
    let mut under_way = Vec::new();
    let mut said = Vec::new();
    for peer in 0..neighbours {
        said.extend(join(&mut server, peer, at(0)));
    }
    for round in 0..rounds {
        let now = at(10 * u64::from(round));
        for output in std::mem::take(&mut said) {
            if let Output::Show { peers, shown: what } = output {
                let pieces: Vec<_> = match what {
                    Shown::All => (0..count).collect(),
                    Shown::First(pieces) => pieces.iter().map(|piece| piece.0).collect(),
                    Shown::More(pieces) => pieces.iter().map(|piece| piece.0).collect(),
                };
                for peer in peers {
                    shown.entry(peer.0).or_default().extend(&pieces);
                }
            }
        }
        for peer in (0..neighbours).filter(|peer| !asleep.contains(peer)) {
            let waiting = server.neighbours[peer as usize].waiting as usize;
            let wanted: Vec<_> =
                shown[&peer].iter().filter(|&&piece| !asked.contains(&(peer, piece))).copied().collect();
            for piece in wanted.into_iter().take(2_usize.saturating_sub(waiting)) {
                asked.insert((peer, piece));
                said.extend(ask(&mut server, peer, piece, now));
            }
        }
        server.handle_timeout(now);
        said.extend(outputs(&mut server));
        under_way.extend(granted(&said));
        said.retain(|output| matches!(output, Output::Show { .. }));
        if under_way.is_empty() {
            idle += 1;
        } else {
            let (peer, piece) = under_way.remove(0);
            sent.push(piece);
            server.handle(Input::Ended { peer: PeerKey(peer), piece: Piece(piece), sent: true }, now);
            let more = outputs(&mut server);
            under_way.extend(granted(&more));
            said.extend(more.into_iter().filter(|output| matches!(output, Output::Show { .. })));
        }
    }
    (sent, idle)
}

#[test]
fn a_lone_seed_sends_everything_once_before_anything_twice() {
    for neighbours in [1, 2, 7, 16] {
        let (sent, idle) = played(200, neighbours, &[], 200);
        let distinct = sent.iter().collect::<BTreeSet<_>>().len();
        assert!(distinct >= 199 && idle <= 1, "{neighbours} neighbours: {distinct} of 200, idle {idle}");
    }
}

#[test]
fn what_was_shown_to_a_sleeper_goes_to_others() {
    let (sent, idle) = played(200, 8, &[2, 5], 260);
    let distinct = sent.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct, 200, "idle {idle}");
    assert!(idle < 20, "{idle}");
}

#[test]
fn different_neighbours_of_a_lone_seed_see_different_pieces() {
    let mut server = server(100, Role::LoneSeed, Config::default());
    let mut seen = Vec::new();
    for peer in 0..5 {
        for output in join(&mut server, peer, at(0)) {
            if let Output::Show { shown: Shown::First(pieces), .. } = output {
                seen.extend(pieces.iter());
            }
        }
    }
    assert!(seen.len() >= 10, "{seen:?}");
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{seen:?}");
}

#[test]
fn one_of_many_shows_everything_at_once() {
    let mut server = server(100, Role::OneOfMany, Config::default());
    let said = join(&mut server, 1, at(0));
    assert_eq!(said, [Output::Show { peers: vec![PeerKey(1)], shown: Shown::All }]);
}

#[test]
fn a_seed_that_is_not_alone_any_more_shows_everything() {
    let mut server = server(100, Role::LoneSeed, Config::default());
    join(&mut server, 1, at(0));
    server.handle(Input::Role { role: Role::OneOfMany }, at(1));
    assert_eq!(outputs(&mut server), [Output::Show { peers: vec![PeerKey(1)], shown: Shown::All }]);
}

#[test]
fn the_greedy_do_not_keep_others_waiting() {
    let mut server = server(200, Role::OneOfMany, Config { initial_grants: 0, min_grants: 1, ..Config::default() });
    join(&mut server, 1, at(0));
    join(&mut server, 2, at(0));
    // What the modest one will ask for was sent before, which alone would put it last.
    server.carried[150..].fill(3);
    let mut under_way = Vec::new();
    for piece in 0..100 {
        under_way.extend(granted(&ask(&mut server, 1, piece, at(0))));
    }
    let mut turns = Vec::new();
    under_way.extend(granted(&ask(&mut server, 2, 150, at(0))));
    for round in 0..20 {
        let (peer, piece) = under_way.remove(0);
        turns.push(peer);
        server.handle(Input::Ended { peer: PeerKey(peer), piece: Piece(piece), sent: true }, at(round));
        under_way.extend(granted(&outputs(&mut server)));
        if peer == 2 {
            let next = 151 + u32::try_from(turns.len()).unwrap();
            under_way.extend(granted(&ask(&mut server, 2, next, at(round))));
        }
    }
    let of_two = turns.iter().filter(|&&peer| peer == 2).count();
    assert!((8..=12).contains(&of_two), "{turns:?}");
}

/// How many of thirty pieces the first of two neighbours gets, which lack what nobody was sent; the second has so much already.
fn share_beside_one_that_has(already: u32) -> usize {
    let mut server = server(200, Role::OneOfMany, Config { initial_grants: 0, min_grants: 1, ..Config::default() });
    join(&mut server, 1, at(0));
    join(&mut server, 2, at(0));
    let pieces = (100..100 + already).map(Piece).collect();
    server.handle(Input::NeighbourHas { peer: PeerKey(2), pieces }, at(0));
    let mut said = Vec::new();
    for piece in 0..30 {
        said.extend(ask(&mut server, 1, piece, at(0)));
        said.extend(ask(&mut server, 2, piece + 40, at(0)));
    }
    let mut sent = Vec::new();
    while sent.len() < 30 {
        let (peer, piece) = granted(&said)[0];
        sent.push(peer);
        server.handle(Input::Ended { peer: PeerKey(peer), piece: Piece(piece), sent: true }, at(0));
        said = outputs(&mut server);
    }
    sent.into_iter().filter(|&peer| peer == 1).count()
}

#[test]
fn who_is_behind_gets_twice_the_share() {
    assert!((14..=16).contains(&share_beside_one_that_has(0)), "{}", share_beside_one_that_has(0));
    assert!((19..=21).contains(&share_beside_one_that_has(90)), "{}", share_beside_one_that_has(90));
}

#[test]
fn different_pieces_go_out_side_by_side() {
    let config = Config { initial_grants: 2 * u64::from(PIECE), min_grants: 2, ..Config::default() };
    let mut server = server(10, Role::OneOfMany, config);
    (1..=3).for_each(|peer| drop(join(&mut server, peer, at(0))));
    assert_eq!(granted(&ask(&mut server, 1, 0, at(0))), [(1, 0)]);
    assert_eq!(granted(&ask(&mut server, 2, 1, at(0))), [(2, 1)]);
    ask(&mut server, 3, 0, at(0));
    ask(&mut server, 3, 2, at(0));
    server.handle(Input::Ended { peer: PeerKey(2), piece: Piece(1), sent: true }, at(1));
    assert_eq!(granted(&outputs(&mut server)), [(3, 2)], "piece 0 is under way");
}

/// What is granted at once of four asks of each neighbour.
fn granted_to(neighbours: u32) -> Vec<(u32, u32)> {
    let config = Config { initial_grants: 1, ..Config::default() };
    let mut server = server(100, Role::OneOfMany, config);
    (0..neighbours).for_each(|peer| drop(join(&mut server, peer, at(0))));
    // It grants more at once with what it has sent.
    for piece in 0..44 {
        ask(&mut server, 0, piece, at(0));
        server.handle(Input::Ended { peer: PeerKey(0), piece: Piece(piece), sent: true }, at(0));
    }
    let mut grants = Vec::new();
    for piece in 50..54 {
        for peer in 0..neighbours {
            grants.extend(granted(&ask(&mut server, peer, piece + 10 * peer, at(1))));
        }
    }
    grants
}

#[test]
fn what_goes_the_same_way_goes_one_after_another() {
    let sent = |neighbours: u32| {
        let grants = granted_to(neighbours);
        (0..neighbours).map(|peer| grants.iter().filter(|grant| grant.0 == peer).count()).collect::<Vec<_>>()
    };
    assert_eq!((sent(1), sent(3)), (vec![1], vec![1, 1, 1]));
}

/// All pieces that `outputs` show to `peer`.
fn shown_to(peer: u32, outputs: &[Output]) -> BTreeSet<u32> {
    let shown = outputs.iter().filter_map(|output| match output {
        Output::Show { peers, shown } if peers.contains(&PeerKey(peer)) => Some(shown),
        _ => None,
    });
    let pieces = shown.flat_map(|shown| match shown {
        Shown::All => Vec::new(),
        Shown::First(pieces) => pieces.iter().collect(),
        Shown::More(pieces) => pieces.clone(),
    });
    pieces.map(|piece| piece.0).collect()
}

/// `peer` asks for what it is shown, and gets it, until it is shown nothing more.
fn takes_all(server: &mut Server, peer: u32, mut said: Vec<Output>, now: Moment) -> BTreeSet<u32> {
    let mut had = BTreeSet::new();
    loop {
        let wanted: Vec<_> = shown_to(peer, &said).difference(&had).copied().collect();
        if wanted.is_empty() {
            return had;
        }
        said.clear();
        for piece in wanted {
            had.insert(piece);
            said.extend(ask(server, peer, piece, now));
            server.handle(Input::Ended { peer: PeerKey(peer), piece: Piece(piece), sent: true }, now);
            said.extend(outputs(server));
        }
    }
}

#[test]
fn a_neighbour_that_leaves_gives_back_what_it_was_shown() {
    let mut server = server(20, Role::LoneSeed, Config::default());
    join(&mut server, 1, at(0));
    let said = join(&mut server, 2, at(0));
    server.handle(Input::NeighbourLeft { peer: PeerKey(1) }, at(0));
    assert_eq!(takes_all(&mut server, 2, said, at(0)).len(), 20);
}

#[test]
fn one_that_was_alone_shares_what_it_has_yet_to_ask_for_with_those_who_come() {
    let mut server = server(200, Role::LoneSeed, Config::default());
    let mut said = join(&mut server, 1, at(0));
    let (mut shown, mut asked) = (BTreeSet::new(), BTreeSet::new());
    while asked.len() < 60 {
        shown.extend(shown_to(1, &std::mem::take(&mut said)));
        let piece = *shown.difference(&asked).next().expect("it is shown more than it asks for");
        asked.insert(piece);
        said.extend(ask(&mut server, 1, piece, at(0)));
        server.handle(Input::Ended { peer: PeerKey(1), piece: Piece(piece), sent: true }, at(0));
        said.extend(outputs(&mut server));
    }
    assert!(shown.len() > 100, "it was shown {} of 200 only", shown.len());
    let said = join(&mut server, 2, at(0));
    let others = takes_all(&mut server, 2, said, at(0));
    assert!(others.is_disjoint(&asked), "{others:?}");
    let left = 200 - asked.len() - others.len();
    assert!(left <= 2 * Config::default().min_ahead as usize, "the first keeps {left}");
}

#[test]
fn a_lone_seed_that_comes_back_sends_first_what_nobody_has() {
    let mut server = server(100, Role::LoneSeed, Config::default());
    let mut joins = |peer, pieces: u32| {
        let mut has = Bitfield::new(100);
        (0..pieces).for_each(|piece| assert!(has.set(Piece(piece))));
        server.handle(Input::NeighbourJoined { peer: PeerKey(peer), has: Have::Some(has) }, at(0));
        outputs(&mut server)
    };
    let kept = shown_to(1, &joins(1, 60));
    let said = joins(2, 50);
    server.handle(Input::NeighbourHas { peer: PeerKey(1), pieces: vec![Piece(99)] }, at(0));
    let sent = takes_all(&mut server, 2, said, at(0));
    assert_eq!(sent, (60..99).filter(|piece| !kept.contains(piece)).collect());
}

#[test]
fn a_sleeper_does_not_keep_the_last_pieces() {
    let mut server = server(20, Role::LoneSeed, Config::default());
    let asleep = shown_to(5, &join(&mut server, 5, at(0)));
    let said = join(&mut server, 2, at(0));
    assert_eq!(takes_all(&mut server, 2, said, at(0)).len(), 20 - asleep.len());
    server.handle_timeout(at(100));
    assert_eq!(shown_to(2, &outputs(&mut server)), asleep);
}

fn refused(outputs: &[Output]) -> Vec<(u32, u32, Refusal)> {
    let refusals = outputs.iter().filter_map(|output| match output {
        Output::Refuse { peer, piece, refusal } => Some((peer.0, piece.0, *refusal)),
        _ => None,
    });
    refusals.collect()
}

/// A lone seed that sends one piece at a time, and its neighbours 1 to 3; the first is being sent piece 0.
fn lone_and_busy() -> Server {
    let one_at_a_time = Config { lone_grants: 1, initial_grants: 0, ..Config::default() };
    let mut server = server(100, Role::LoneSeed, one_at_a_time);
    (1..=3).for_each(|peer| drop(join(&mut server, peer, at(0))));
    assert_eq!(granted(&ask(&mut server, 1, 0, at(0))), [(1, 0)]);
    server
}

#[test]
fn what_a_lone_seed_sent_to_one_others_are_to_get_there() {
    let mut server = lone_and_busy();
    let elsewhere = [(2, 0, Refusal::Elsewhere)];
    assert_eq!(refused(&ask(&mut server, 2, 0, at(1))), elsewhere, "while it is being sent");
    server.handle(Input::Ended { peer: PeerKey(1), piece: Piece(0), sent: true }, at(2));
    outputs(&mut server);
    assert_eq!(refused(&ask(&mut server, 2, 0, at(3))), elsewhere, "after it was sent");
    assert_eq!(granted(&ask(&mut server, 1, 0, at(3))), [], "second copies wait, but");
    assert_eq!(server.queue.len(), 1, "whom else should the one ask that could not store it?");
}

#[test]
fn those_who_wait_for_a_piece_of_a_lone_seed_are_sent_to_the_first_that_gets_it() {
    let mut server = lone_and_busy();
    assert_eq!(refused(&ask(&mut server, 2, 7, at(1))), []);
    assert_eq!(refused(&ask(&mut server, 3, 7, at(1))), []);
    server.handle(Input::Ended { peer: PeerKey(1), piece: Piece(0), sent: true }, at(2));
    let said = outputs(&mut server);
    assert_eq!((granted(&said), refused(&said)), (vec![(2, 7)], vec![(3, 7, Refusal::Elsewhere)]));
}

#[test]
fn an_idle_lone_seed_sends_anything_to_anybody() {
    let mut server = lone_and_busy();
    server.handle(Input::Ended { peer: PeerKey(1), piece: Piece(0), sent: true }, at(2));
    outputs(&mut server);
    assert_eq!(granted(&ask(&mut server, 2, 0, at(200))), [(2, 0)]);
}

#[test]
fn a_slow_neighbour_does_not_hold_the_uplink() {
    let mut server = server(10, Role::OneOfMany, Config { initial_grants: 0, min_grants: 1, ..Config::default() });
    join(&mut server, 1, at(0));
    join(&mut server, 2, at(0));
    assert_eq!(granted(&ask(&mut server, 1, 0, at(0))), [(1, 0)]);
    assert_eq!(granted(&ask(&mut server, 2, 1, at(1))), [], "one at a time");
    let due = server.poll_timeout().unwrap();
    assert!(due <= at(600), "{due:?}");
    server.handle_timeout(due);
    assert_eq!(granted(&outputs(&mut server)), [(2, 1)]);
}

#[test]
fn who_takes_nothing_is_granted_no_more_and_keeps_nobody_from_anything() {
    let mut server = server(100, Role::OneOfMany, Config::default());
    (1..3).for_each(|peer| drop(join(&mut server, peer, at(0))));
    (0..100).for_each(|piece| drop(ask(&mut server, 1, piece, at(0))));
    let first = server.load().1;
    for second in 1..100 {
        server.handle_timeout(at(1000 * second));
    }
    assert_eq!((server.load().1, granted(&outputs(&mut server))), (first, vec![]), "all was set aside");
    for piece in 0..100 {
        assert_eq!(granted(&ask(&mut server, 2, piece, at(100_000))), [(2, piece)]);
        server.handle(Input::Ended { peer: PeerKey(2), piece: Piece(piece), sent: true }, at(100_001));
        assert_eq!(granted(&outputs(&mut server)), []);
    }
}

#[test]
fn news_are_told_together_and_not_to_those_who_know() {
    let mut server = empty_among_ten();
    server.handle(Input::NeighbourHas { peer: PeerKey(3), pieces: (0..100).map(Piece).collect() }, at(0));
    let mut rounds = Vec::new();
    for piece in 0..100 {
        let now = at(10 * u64::from(piece));
        server.handle(Input::Gained { pieces: vec![Piece(piece)] }, now);
        server.handle_timeout(now);
        rounds.extend(outputs(&mut server));
    }
    server.handle_timeout(at(2_000));
    rounds.extend(outputs(&mut server));
    let mut told: BTreeSet<Piece> = BTreeSet::new();
    for round in &rounds {
        let Output::Show { peers, shown: Shown::More(pieces) } = round else { panic!("{round:?}") };
        assert!(peers.len() == 9 && !peers.contains(&PeerKey(3)), "{peers:?}");
        told.extend(pieces.iter().copied());
    }
    assert_eq!(told.len(), 100);
    // Ten neighbours: the first round at once, then ever later ones, and from 200 ms on one every 50 ms.
    let told_at = |round: &Output| match round {
        Output::Show { shown: Shown::More(pieces), .. } => pieces.len(),
        _ => 0,
    };
    let sizes: Vec<_> = rounds.iter().map(told_at).collect();
    assert!(sizes[0] == 1 && sizes[1] <= 2 && sizes.iter().rev().skip(1).take(4).all(|&size| size == 5), "{sizes:?}");
}

#[test]
fn a_piece_that_no_neighbour_has_is_told_sooner() {
    let mut server = empty_among_ten();
    server.handle(Input::NeighbourHas { peer: PeerKey(3), pieces: vec![Piece(1), Piece(2)] }, at(0));
    let mut told = |piece: u32, now: u64| {
        server.handle(Input::Gained { pieces: vec![Piece(piece)] }, at(now));
        server.handle_timeout(at(now + 15));
        let news = outputs(&mut server).into_iter().filter_map(|output| match output {
            Output::Show { shown: Shown::More(pieces), .. } => Some(pieces.iter().map(|piece| piece.0).collect()),
            _ => None,
        });
        news.collect::<Vec<Vec<u32>>>()
    };
    assert_eq!(told(0, 0), [[0]], "the first");
    assert_eq!(told(1, 10_000), [[1]], "after a quiet time");
    assert!(told(2, 10_005).is_empty(), "common, and 50 ms are not over");
    assert_eq!(told(50, 10_020), [[2, 50]], "rare");
    assert!(told(51, 10_021).is_empty(), "rare, and 20 ms are not over");
}

#[test]
fn neighbours_are_bounded_and_the_silent_replaced() {
    let mut server = server(10, Role::OneOfMany, Config { max_neighbours: 2, ..Config::default() });
    join(&mut server, 1, at(0));
    join(&mut server, 2, at(0));
    assert_eq!(join(&mut server, 3, at(1)), [Output::TurnAway { peer: PeerKey(3) }]);
    ask(&mut server, 1, 0, at(29_000));
    let said = join(&mut server, 4, at(31_000));
    assert_eq!(said[0], Output::TurnAway { peer: PeerKey(2) });
    assert_eq!(server.load().0, 2);
}
