//! What the fetching half promises, whatever it is told and in whatever order.

mod behaviour;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::{Config, Core, Failure, Input, Output};
use crate::peers::{Have, PeerKey};
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::timers::Moment;

impl Core {
    /// Fails unless every piece is in exactly one state, every sum is right and no bound is exceeded.
    pub(crate) fn assert_consistent(&self) {
        let live = |piece| self.flights.iter().filter(|r| !r.late && r.piece == piece).count();
        for piece in (0..self.geometry.count()).map(Piece) {
            let in_flight = self.copies[piece.index()] > 0;
            let states = [self.stored.get(piece), self.picker.is_open(piece), in_flight];
            assert_eq!(states.iter().filter(|&&is| is).count(), 1, "{piece:?}: stored, open, in flight {states:?}");
            assert_eq!(usize::from(self.copies[piece.index()]), live(piece), "requests for {piece:?}");
        }
        let bytes: u64 = self.flights.iter().filter(|r| !r.late).map(|r| u64::from(r.len)).sum();
        assert_eq!(self.in_flight, bytes);
        assert!(bytes <= self.config.budget(self.geometry), "{bytes} bytes in flight");
        let stored: u64 = self.stored.iter().map(|piece| u64::from(self.geometry.len(piece))).sum();
        assert_eq!(self.stored_bytes, stored);
        for peer in &self.peers {
            let of_it: Vec<_> = self.flights.iter().filter(|r| r.peer == peer.key).collect();
            let distinct: BTreeSet<_> = of_it.iter().map(|r| r.piece).collect();
            assert_eq!(distinct.len(), of_it.len(), "a piece asked for twice of {:?}", peer.key);
            assert_eq!(peer.asked as usize, of_it.len());
            assert_eq!(peer.late as usize, of_it.iter().filter(|r| r.late).count());
            assert_eq!(peer.outstanding, of_it.iter().map(|r| u64::from(r.len)).sum::<u64>());
            assert!(peer.asked <= self.config.window_max, "window of {:?}", peer.key);
            assert!(!peer.standing.banned || peer.asked == 0, "a banned peer is asked");
        }
        assert!(self.flights.iter().all(|r| self.find(r.peer).is_some()), "a peer that left is asked");
    }
}

const COUNT: u32 = 12;

#[derive(Clone, Debug)]
enum Step {
    Say(Input),
    /// Answers the oldest request of the driver's list that there is.
    Answer(Outcome),
    Wait(u64),
}

#[derive(Copy, Clone, Debug)]
enum Outcome {
    Stored,
    Begun,
    Rejected,
    Failed(Failure),
}

fn any_input() -> impl Strategy<Value = Input> {
    let peer = || (0_u32..6).prop_map(PeerKey);
    let piece = || (0_u32..COUNT + 2).prop_map(Piece);
    let have = prop_oneof![
        Just(Have::All),
        prop::collection::vec(any::<bool>(), COUNT as usize).prop_map(|bits| {
            let mut field = Bitfield::new(COUNT);
            bits.iter().zip(0..).filter(|(bit, _)| **bit).for_each(|(_, n)| {
                field.set(Piece(n));
            });
            Have::Some(field)
        })
    ];
    prop_oneof![
        6 => (peer(), have).prop_map(|(peer, have)| Input::PeerJoined { peer, have }),
        3 => (peer(), prop::collection::vec(piece(), 0..5))
            .prop_map(|(peer, pieces)| Input::PeerGained { peer, pieces }),
        2 => peer().prop_map(|peer| Input::PeerLeft { peer }),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Input::PieceStored { peer, piece }),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Input::PieceBegun { peer, piece }),
        1 => (peer(), piece()).prop_map(|(peer, piece)| Input::PieceRejected { peer, piece }),
        1 => (peer(), piece(), failure())
            .prop_map(|(peer, piece, failure)| Input::RequestFailed { peer, piece, failure }),
        1 => Just(Input::Pause),
        2 => Just(Input::Resume),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![Just(Failure::Refused), Just(Failure::Busy), Just(Failure::Lost), Just(Failure::Elsewhere)]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_input().prop_map(Step::Say),
        4 => Just(Step::Answer(Outcome::Stored)),
        1 => Just(Step::Answer(Outcome::Begun)),
        1 => Just(Step::Answer(Outcome::Rejected)),
        2 => failure().prop_map(|failure| Step::Answer(Outcome::Failed(failure))),
        3 => (0_u64..5_000).prop_map(Step::Wait),
    ]
}

/// A driver that knows only what it was told, and complains when it is told nonsense.
struct Driver {
    core: Core,
    now: Moment,
    asked: Vec<(PeerKey, Piece)>,
    has: BTreeMap<PeerKey, BTreeSet<Piece>>,
    log: Vec<Output>,
    done: u32,
    stalled: bool,
}

impl Driver {
    fn new(config: Config, seed: u64) -> Self {
        let geometry = Geometry::new(u64::from(COUNT) * 1000 - 1, 1000).unwrap();
        let core = Core::new(geometry, Bitfield::new(COUNT), config, seed, Moment::EPOCH);
        let (asked, has, log) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { core, now: Moment::EPOCH, asked, has, log, done: 0, stalled: false }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say(input) => self.say(input),
            Step::Answer(outcome) => self.answer(outcome),
            Step::Wait(millis) => {
                self.now = self.now + Duration::from_millis(millis);
                self.core.handle_timeout(self.now);
                self.drain();
            }
        }
    }

    fn answer(&mut self, outcome: Outcome) {
        let Some(&(peer, piece)) = self.asked.first() else { return };
        if !matches!(outcome, Outcome::Begun) {
            self.asked.remove(0);
        }
        self.say(match outcome {
            Outcome::Stored => Input::PieceStored { peer, piece },
            Outcome::Begun => Input::PieceBegun { peer, piece },
            Outcome::Rejected => Input::PieceRejected { peer, piece },
            Outcome::Failed(failure) => Input::RequestFailed { peer, piece, failure },
        });
    }

    fn say(&mut self, input: Input) {
        self.learn(&input);
        self.core.handle(input, self.now);
        self.drain();
    }

    fn learn(&mut self, input: &Input) {
        match input {
            Input::PeerJoined { peer, have } => {
                let pieces = match have {
                    Have::All => (0..COUNT).map(Piece).collect(),
                    Have::Some(field) => field.iter().collect(),
                };
                self.has.entry(*peer).or_insert(pieces);
            }
            Input::PeerGained { peer, pieces } => {
                if let Some(has) = self.has.get_mut(peer) {
                    has.extend(pieces);
                }
            }
            Input::PeerLeft { peer } => {
                self.has.remove(peer);
                self.asked.retain(|(asked, _)| asked != peer);
            }
            Input::RequestFailed { peer, piece, .. } | Input::PieceStored { peer, piece } => {
                self.asked.retain(|asked| asked != &(*peer, *piece));
            }
            _ => {}
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll_output() {
            self.log.push(output);
            match output {
                Output::Request { peer, piece } => {
                    assert!(self.has[&peer].contains(&piece), "{peer:?} never had {piece:?}");
                    assert!(!self.core.stored().get(piece), "{piece:?} is stored");
                    assert!(!self.asked.contains(&(peer, piece)), "{piece:?} is asked of {peer:?}");
                    self.asked.push((peer, piece));
                }
                Output::Withdraw { peer, piece } => {
                    let at = self.asked.iter().position(|&asked| asked == (peer, piece));
                    self.asked.remove(at.expect("only what was asked is withdrawn"));
                }
                Output::Ban { peer, .. } => self.asked.retain(|&(asked, _)| asked != peer),
                Output::Stalled => assert!(!std::mem::replace(&mut self.stalled, true), "stalled twice"),
                Output::Unstalled => assert!(std::mem::take(&mut self.stalled), "unstalled without being stalled"),
                Output::Done => self.done += 1,
            }
        }
        self.core.assert_consistent();
        let expected: BTreeSet<_> = self.core.flights.iter().map(|r| (r.peer, r.piece)).collect();
        assert_eq!(self.asked.iter().copied().collect::<BTreeSet<_>>(), expected, "the driver and the core disagree");
        assert_eq!(self.done, u32::from(self.core.stored().is_full()), "done if and only if all is stored");
    }
}

fn small() -> Config {
    Config { max_in_flight: 5_000, window_max: 4, window_initial: 2_000, ..Config::default() }
}

proptest! {
    #[test]
    fn nothing_breaks_whatever_comes(steps in prop::collection::vec(any_step(), 0..120), seed: u64) {
        let mut driver = Driver::new(small(), seed);
        for step in steps {
            driver.step(step);
        }
    }

    #[test]
    fn the_same_story_gives_the_same_answers(steps in prop::collection::vec(any_step(), 0..80), seed: u64) {
        let told = |()| {
            let mut driver = Driver::new(small(), seed);
            steps.iter().cloned().for_each(|step| driver.step(step));
            driver.log
        };
        prop_assert_eq!(told(()), told(()));
    }

    #[test]
    fn an_honest_holder_brings_the_file(steps in prop::collection::vec(any_step(), 0..60), seed: u64) {
        let mut driver = Driver::new(small(), seed);
        for step in steps {
            driver.step(step);
        }
        driver.step(Step::Say(Input::Resume));
        for old in 0..6 {
            driver.step(Step::Say(Input::PeerLeft { peer: PeerKey(old) }));
        }
        driver.step(Step::Say(Input::PeerJoined { peer: PeerKey(100), have: Have::All }));
        for _ in 0..COUNT {
            driver.step(Step::Answer(Outcome::Stored));
        }
        prop_assert_eq!(driver.done, 1);
    }

    #[test]
    fn nothing_follows_a_cancel(
        steps in prop::collection::vec(any_step(), 0..40),
        after in prop::collection::vec(any_step(), 0..40),
    ) {
        let mut driver = Driver::new(small(), 1);
        for step in steps {
            driver.step(step);
        }
        driver.core.handle(Input::Cancel, driver.now);
        driver.drain();
        prop_assert!(driver.asked.is_empty());
        prop_assert_eq!(driver.core.poll_timeout(), None);
        let said = driver.log.len();
        for step in after {
            if let Step::Say(input) = step {
                driver.core.handle(input, driver.now);
            }
            driver.core.handle_timeout(driver.now + Duration::from_hours(1));
            driver.log.extend(driver.core.poll_output());
        }
        prop_assert_eq!(driver.log.len(), said);
    }
}
