//! What the serving half promises.

mod behaviour;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::{Config, Input, Output, Refusal, Role, Server, Shown};
use crate::peers::{Have, PeerKey};
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::timers::Moment;

const COUNT: u32 = 10;

/// A driver that keeps what it was told to do, and complains when that makes no sense.
struct Driver {
    server: Server,
    now: Moment,
    waiting: BTreeSet<(PeerKey, Piece)>,
    granted: BTreeSet<(PeerKey, Piece)>,
    shown: BTreeMap<PeerKey, BTreeSet<Piece>>,
    log: Vec<Output>,
    config: Config,
}

#[derive(Copy, Clone, Debug)]
enum Step {
    Join(u32),
    Leave(u32),
    Ask(u32, u32),
    Withdraw(u32, u32),
    Has(u32, u32),
    Gain(u32),
    End(bool),
    Wait(u64),
    NotAlone,
}

fn any_step() -> impl Strategy<Value = Step> {
    let peer = || 0_u32..6;
    let piece = || 0_u32..COUNT + 1;
    prop_oneof![
        3 => peer().prop_map(Step::Join),
        1 => peer().prop_map(Step::Leave),
        8 => (peer(), piece()).prop_map(|(peer, piece)| Step::Ask(peer, piece)),
        2 => (peer(), piece()).prop_map(|(peer, piece)| Step::Withdraw(peer, piece)),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Step::Has(peer, piece)),
        2 => piece().prop_map(Step::Gain),
        6 => any::<bool>().prop_map(Step::End),
        3 => (0_u64..700).prop_map(Step::Wait),
        1 => Just(Step::NotAlone),
    ]
}

impl Driver {
    fn new(have: Bitfield, role: Role, seed: u64) -> Self {
        let config = Config { max_neighbours: 4, max_waiting: 3, max_grants: 5, min_grants: 2, ..Config::default() };
        let geometry = Geometry::new(u64::from(COUNT) * 1000, 1000).unwrap();
        let server = Server::new(geometry, have, role, config.clone(), seed, Moment::EPOCH);
        let (now, waiting, granted) = (Moment::EPOCH, BTreeSet::new(), BTreeSet::new());
        Self { server, now, waiting, granted, shown: BTreeMap::new(), log: Vec::new(), config }
    }

    fn step(&mut self, step: Step) {
        let of = |peer| PeerKey(peer);
        let input = match step {
            Step::Join(peer) => Input::NeighbourJoined { peer: of(peer), has: Have::Some(Bitfield::new(COUNT)) },
            Step::Leave(peer) => {
                self.forget(of(peer));
                Input::NeighbourLeft { peer: of(peer) }
            }
            Step::Ask(peer, piece) => return self.ask(of(peer), Piece(piece)),
            Step::Withdraw(peer, piece) => {
                let ask = (of(peer), Piece(piece));
                self.waiting.remove(&ask);
                self.granted.remove(&ask);
                Input::NeighbourWithdraws { peer: ask.0, piece: ask.1 }
            }
            Step::Has(peer, piece) => Input::NeighbourHas { peer: of(peer), pieces: vec![Piece(piece)] },
            Step::Gain(piece) => Input::Gained { pieces: vec![Piece(piece)] },
            Step::End(sent) => {
                let Some((peer, piece)) = self.granted.pop_first() else { return };
                Input::Ended { peer, piece, sent }
            }
            Step::Wait(millis) => {
                self.now = self.now + Duration::from_millis(millis);
                self.server.handle_timeout(self.now);
                return self.drain();
            }
            Step::NotAlone => Input::Role { role: Role::OneOfMany },
        };
        self.server.handle(input, self.now);
        self.drain();
    }

    fn ask(&mut self, peer: PeerKey, piece: Piece) {
        let again = self.waiting.contains(&(peer, piece)) || self.granted.contains(&(peer, piece));
        self.server.handle(Input::NeighbourAsks { peer, piece }, self.now);
        if !again {
            self.waiting.insert((peer, piece));
        }
        self.drain();
    }

    fn forget(&mut self, peer: PeerKey) {
        self.waiting.retain(|(asks, _)| *asks != peer);
        self.granted.retain(|(asks, _)| *asks != peer);
        self.shown.remove(&peer);
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            self.log.push(output.clone());
            match output {
                Output::Show { peers, shown } => peers.into_iter().for_each(|peer| self.see(peer, &shown)),
                Output::Grant { peer, piece } => {
                    assert!(self.waiting.remove(&(peer, piece)), "{piece:?} granted to {peer:?} unasked");
                    assert!(self.server.have().get(piece), "{piece:?} granted and not there");
                    assert!(!self.server.uplink.has_aside(peer), "{peer:?} takes nothing of what it was granted");
                    self.granted.insert((peer, piece));
                }
                Output::Refuse { peer, piece, refusal } => {
                    assert!(self.waiting.remove(&(peer, piece)), "{piece:?} refused to {peer:?} unasked");
                    assert_eq!(
                        refusal == Refusal::Lacking,
                        self.shown.contains_key(&peer) && !self.server.have().get(piece)
                    );
                }
                Output::TurnAway { peer } => self.forget(peer),
            }
        }
        assert!(self.server.uplink.counted() <= self.config.max_grants);
        assert!(self.shown.len() <= self.config.max_neighbours);
        assert_eq!(self.server.load().1, self.granted.len(), "grants");
        let waiting: u32 = self.server.neighbours.iter().map(|neighbour| neighbour.waiting).sum();
        assert_eq!(
            (waiting as usize, self.server.queue.len()),
            (self.waiting.len(), self.waiting.len()),
            "asks that wait"
        );
        // A lone seed looks once more after a while, before it sends anything twice.
        let later = self.server.is_lone_seed() && self.server.poll_timeout().is_some();
        assert!(self.waiting.is_empty() || !self.granted.is_empty() || later, "the uplink idles while somebody waits");
    }

    fn see(&mut self, peer: PeerKey, shown: &Shown) {
        let seen = self.shown.entry(peer).or_default();
        match shown {
            Shown::All => seen.extend((0..COUNT).map(Piece)),
            Shown::First(pieces) => seen.extend(pieces.iter()),
            Shown::More(pieces) => seen.extend(pieces),
        }
        assert!(seen.iter().all(|&piece| self.server.have().get(piece)), "shown and not there");
    }
}

fn some_pieces() -> Bitfield {
    let mut have = Bitfield::new(COUNT);
    for piece in [1, 4, 7] {
        have.set(Piece(piece));
    }
    have
}

proptest! {
    #[test]
    fn nothing_breaks_whatever_comes(steps in prop::collection::vec(any_step(), 0..150), seed: u64, lone: bool) {
        let mut driver = if lone {
            Driver::new(Bitfield::full(COUNT), Role::LoneSeed, seed)
        } else {
            Driver::new(some_pieces(), Role::OneOfMany, seed)
        };
        for step in steps {
            driver.step(step);
        }
    }

    #[test]
    fn the_same_story_gives_the_same_answers(steps in prop::collection::vec(any_step(), 0..100), seed: u64) {
        let told = |()| {
            let mut driver = Driver::new(Bitfield::full(COUNT), Role::LoneSeed, seed);
            steps.iter().copied().for_each(|step| driver.step(step));
            driver.log
        };
        prop_assert_eq!(told(()), told(()));
    }

    #[test]
    fn every_ask_of_a_patient_neighbour_is_answered(steps in prop::collection::vec(any_step(), 0..100), seed: u64) {
        let mut driver = Driver::new(Bitfield::full(COUNT), Role::LoneSeed, seed);
        for step in steps {
            driver.step(step);
        }
        for _ in 0..100 {
            while !driver.granted.is_empty() {
                driver.step(Step::End(true));
            }
            driver.step(Step::Wait(100));
        }
        prop_assert!(driver.waiting.is_empty());
    }

    #[test]
    fn a_neighbour_is_shown_everything_in_the_end(steps in prop::collection::vec(any_step(), 0..60), seed: u64) {
        let mut driver = Driver::new(Bitfield::full(COUNT), Role::LoneSeed, seed);
        for step in steps {
            driver.step(step);
        }
        (0..6).for_each(|peer| driver.step(Step::Leave(peer)));
        driver.step(Step::Join(50));
        let mut had = BTreeSet::new();
        for _ in 0..200 {
            let wanted: Vec<_> = driver.shown[&PeerKey(50)].difference(&had).copied().collect();
            for piece in wanted.into_iter().take(2) {
                driver.ask(PeerKey(50), piece);
                had.insert(piece);
            }
            driver.step(Step::End(true));
            driver.step(Step::Wait(50));
        }
        prop_assert_eq!(had.len(), COUNT as usize);
    }
}
