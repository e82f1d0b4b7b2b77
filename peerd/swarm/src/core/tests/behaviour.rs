//! One promise per test: what a person would be surprised to see broken.

use std::time::Duration;

use super::super::{BanReason, Config, Core, Failure, Input, Output};
use crate::peers::{Have, PeerKey, PeerState};
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::timers::Moment;

const PIECE: u32 = 1000;

struct Story {
    core: Core,
    now: Moment,
}

impl Story {
    fn of(count: u32, config: Config) -> Self {
        let geometry = Geometry::new(u64::from(count) * u64::from(PIECE), PIECE).unwrap();
        let core = Core::new(geometry, Bitfield::new(count), config, 7, Moment::EPOCH);
        Self { core, now: Moment::EPOCH }
    }

    fn say(&mut self, input: Input) -> Vec<Output> {
        self.core.handle(input, self.now);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        self.core.assert_consistent();
        std::iter::from_fn(|| self.core.poll_output()).collect()
    }

    fn wait(&mut self, millis: u64) -> Vec<Output> {
        self.now = self.now + Duration::from_millis(millis);
        self.core.handle_timeout(self.now);
        self.outputs()
    }

    fn joins(&mut self, peer: u32, pieces: &[u32]) -> Vec<Output> {
        let mut have = Bitfield::new(self.core.geometry().count());
        for &piece in pieces {
            have.set(Piece(piece));
        }
        self.say(Input::PeerJoined { peer: PeerKey(peer), have: Have::Some(have) })
    }

    fn holder(&mut self, peer: u32) -> Vec<Output> {
        self.say(Input::PeerJoined { peer: PeerKey(peer), have: Have::All })
    }

    fn stored(&mut self, peer: u32, piece: u32) -> Vec<Output> {
        self.say(Input::PieceStored { peer: PeerKey(peer), piece: Piece(piece) })
    }

    fn begun(&mut self, peer: u32, piece: u32) {
        let said = self.say(Input::PieceBegun { peer: PeerKey(peer), piece: Piece(piece) });
        assert_eq!(said, []);
    }

    fn state(&self, peer: u32) -> PeerState {
        self.core.peers().find(|view| view.key == PeerKey(peer)).unwrap().state
    }
}

fn config() -> Config {
    Config { window_min: 2, window_initial: 2 * u64::from(PIECE), ..Config::default() }
}

fn requests(outputs: &[Output]) -> Vec<(u32, u32)> {
    let asked = outputs.iter().filter_map(|output| match output {
        Output::Request { peer, piece } => Some((peer.0, piece.0)),
        _ => None,
    });
    asked.collect()
}

fn withdrawn(outputs: &[Output]) -> Vec<(u32, u32)> {
    let taken = outputs.iter().filter_map(|output| match output {
        Output::Withdraw { peer, piece } => Some((peer.0, piece.0)),
        _ => None,
    });
    taken.collect()
}

#[test]
fn nothing_to_fetch_is_done_at_once() {
    for have in [Bitfield::new(0), Bitfield::full(3)] {
        let geometry = Geometry::new(u64::from(have.capacity()), 1).unwrap();
        let mut core = Core::new(geometry, have, Config::default(), 1, Moment::EPOCH);
        assert_eq!((core.poll_output(), core.poll_output(), core.poll_timeout()), (Some(Output::Done), None, None));
    }
}

#[test]
fn a_finished_download_can_be_cancelled() {
    let geometry = Geometry::new(3, 1).unwrap();
    let mut core = Core::new(geometry, Bitfield::full(3), Config::default(), 1, Moment::EPOCH);
    core.handle(Input::Cancel, Moment::EPOCH);
    assert_eq!((core.poll_output(), core.poll_output()), (Some(Output::Done), None));
}

#[test]
fn what_is_stored_is_not_asked_for() {
    let geometry = Geometry::new(3000, PIECE).unwrap();
    let mut have = Bitfield::full(3);
    have.clear(Piece(1));
    let mut core = Core::new(geometry, have, Config::default(), 1, Moment::EPOCH);
    core.handle(Input::PeerJoined { peer: PeerKey(1), have: Have::All }, Moment::EPOCH);
    assert_eq!(core.poll_output(), Some(Output::Request { peer: PeerKey(1), piece: Piece(1) }));
    assert_eq!(core.poll_output(), None);
}

#[test]
fn the_rarest_piece_is_asked_for_first() {
    let mut story = Story::of(4, Config { window_min: 1, window_initial: 1000, ..config() });
    for peer in 0..5 {
        story.joins(peer, &[]);
    }
    story.say(Input::Pause);
    for (peer, pieces) in [(0, &[0, 1, 2, 3][..]), (1, &[0, 1, 3]), (2, &[0, 3]), (3, &[0, 1, 3])] {
        let pieces = pieces.iter().copied().map(Piece).collect();
        story.say(Input::PeerGained { peer: PeerKey(peer), pieces });
    }
    let asked = requests(&story.say(Input::Resume));
    assert!(asked.contains(&(0, 2)), "{asked:?}");
}

#[test]
fn a_copy_that_is_not_needed_is_withdrawn() {
    let mut story = Story::of(1, config());
    assert_eq!(requests(&story.holder(1)), [(1, 0)]);
    story.wait(60_000);
    assert_eq!(requests(&story.holder(2)), [(2, 0)], "a late request is handed over");
    let said = story.stored(2, 0);
    assert_eq!(said.last(), Some(&Output::Done));
    assert_eq!(withdrawn(&said), [(1, 0)]);
}

#[test]
fn wrong_bytes_are_a_ban_at_once() {
    let mut story = Story::of(2, config());
    assert_eq!(requests(&story.holder(1)).len(), 2);
    let said = story.say(Input::PieceRejected { peer: PeerKey(1), piece: Piece(0) });
    assert!(said.contains(&Output::Ban { peer: PeerKey(1), reason: BanReason::WrongBytes }));
    assert!(said.contains(&Output::Stalled));
    assert_eq!(story.state(1), PeerState::Banned);
    let said = story.holder(2);
    assert_eq!(requests(&said).len(), 2);
    assert!(said.contains(&Output::Unstalled));
}

#[test]
fn a_peer_that_stopped_is_slow_and_forgiven() {
    let mut story = Story::of(4, config());
    assert_eq!(requests(&story.holder(1)).len(), 2);
    story.wait(5_000);
    assert_eq!(story.state(1), PeerState::Slow);
    let piece = story.core.flights.iter().next().unwrap().piece.0;
    assert_eq!(requests(&story.stored(1, piece)), [], "the other request is late still");
    let other = story.core.flights.iter().next().unwrap().piece.0;
    story.stored(1, other);
    assert_eq!(story.state(1), PeerState::Active);
    assert_eq!(story.core.flights.iter().count(), 2);
}

#[test]
fn what_a_silent_peer_owes_is_handed_to_another() {
    let mut story = Story::of(2, config());
    let owed = requests(&story.holder(1));
    assert_eq!(owed.len(), 2);
    story.wait(1_000);
    assert_eq!(requests(&story.holder(2)), [], "there is time left");
    let said = story.wait(4_000);
    let mut handed = requests(&said);
    handed.sort_unstable();
    assert_eq!(handed, [(2, 0), (2, 1)]);
}

#[test]
fn what_a_late_peer_has_not_begun_is_withdrawn_when_handed_over() {
    let mut story = Story::of(2, config());
    let owed = requests(&story.holder(1));
    story.begun(1, owed[0].1);
    story.wait(5_000);
    let said = story.holder(2);
    assert_eq!((requests(&said).len(), withdrawn(&said)), (2, vec![owed[1]]));
}

#[test]
fn a_refused_piece_is_not_asked_for_again_until_gained() {
    let mut story = Story::of(1, config());
    story.holder(1);
    let (peer, piece) = (PeerKey(1), Piece(0));
    assert_eq!(requests(&story.say(Input::RequestFailed { peer, piece, failure: Failure::Refused })), []);
    assert_eq!(requests(&story.wait(60_000)), []);
    assert_eq!(requests(&story.say(Input::PeerGained { peer, pieces: vec![piece] })), [(1, 0)]);
}

#[test]
fn a_peer_that_sends_us_elsewhere_is_asked_for_other_pieces_at_once() {
    let mut story = Story::of(20, config());
    let owed = requests(&story.holder(1));
    let (peer, piece) = (PeerKey(1), Piece(owed[0].1));
    let asked = requests(&story.say(Input::RequestFailed { peer, piece, failure: Failure::Elsewhere }));
    assert!(asked.len() == 1 && !owed.contains(&asked[0]), "{asked:?} after {owed:?}");
    assert_eq!(story.state(1), PeerState::Active);
    assert!(requests(&story.holder(2)).contains(&(2, piece.0)), "whoever has it is asked for it");
}

#[test]
fn failures_lead_to_pauses_and_then_to_being_left_alone() {
    let mut story = Story::of(1, config());
    let mut asked = requests(&story.holder(1));
    let mut rounds = 0;
    while !asked.is_empty() {
        rounds += 1;
        let said = story.say(Input::RequestFailed { peer: PeerKey(1), piece: Piece(0), failure: Failure::Lost });
        assert_eq!(requests(&said), [], "asked again without a pause");
        asked = requests(&story.wait(31_000));
    }
    assert_eq!((rounds, story.state(1)), (config().max_strikes, PeerState::LeftAlone));
}

#[test]
fn a_busy_peer_is_never_left_alone() {
    let mut story = Story::of(1, config());
    let mut asked = requests(&story.holder(1));
    for _ in 0..20 {
        assert_eq!(asked, [(1, 0)]);
        story.say(Input::RequestFailed { peer: PeerKey(1), piece: Piece(0), failure: Failure::Busy });
        asked = requests(&story.wait(31_000));
    }
}

#[test]
fn a_peer_that_leaves_frees_what_it_owes() {
    let mut story = Story::of(2, config());
    story.holder(1);
    assert_eq!(requests(&story.holder(2)), []);
    let said = story.say(Input::PeerLeft { peer: PeerKey(1) });
    assert_eq!((requests(&said).len(), withdrawn(&said).len()), (2, 0));
}

#[test]
fn a_pause_withdraws_everything_and_a_resume_asks_again() {
    let mut story = Story::of(3, config());
    let asked = requests(&story.holder(1));
    let mut taken = withdrawn(&story.say(Input::Pause));
    taken.sort_by_key(|request| asked.iter().position(|asked| asked == request));
    assert_eq!(taken, asked);
    assert_eq!(story.stored(1, asked[0].1), [], "late answers are kept, and nothing is asked");
    assert_eq!(story.wait(600_000), []);
    assert_eq!(requests(&story.say(Input::Resume)).len(), 2);
}

#[test]
fn nobody_left_is_said_once_and_taken_back_once() {
    let mut story = Story::of(2, config());
    story.holder(1);
    assert!(story.say(Input::PeerLeft { peer: PeerKey(1) }).contains(&Output::Stalled));
    assert_eq!(story.wait(60_000), []);
    assert_eq!(story.joins(2, &[]), [], "somebody with nothing is no help");
    assert!(story.say(Input::PeerGained { peer: PeerKey(2), pieces: vec![Piece(1)] }).contains(&Output::Unstalled));
}

#[test]
fn a_lull_is_not_called_stalled_before_patience_ends() {
    let mut story = Story::of(2, config());
    assert_eq!(story.joins(1, &[]), []);
    assert_eq!(story.wait(4_000), []);
    assert_eq!(story.wait(1_000), [Output::Stalled]);
}

#[test]
fn what_has_not_begun_moves_to_whoever_is_sooner() {
    let mut story = Story::of(40, config());
    // Two peers that answer at 10 and at 1,000 pieces per second.
    let (slow, fast): (Vec<_>, Vec<_>) = ((0..20).collect(), (20..25).collect());
    story.joins(1, &slow);
    story.joins(2, &fast);
    for _ in 0..5 {
        story.now = story.now + Duration::from_millis(100);
        let of = |story: &Story, peer| story.core.flights.oldest_of(PeerKey(peer));
        let (one, two) = (of(&story, 1).unwrap().0, of(&story, 2));
        story.begun(1, one);
        story.stored(1, one);
        if let Some(two) = two {
            story.stored(2, two.0);
        }
    }
    let waiting: Vec<_> = story.core.flights.iter().filter(|r| r.peer == PeerKey(1)).map(|r| r.piece).collect();
    assert!(waiting.len() > 2, "{waiting:?}");
    story.begun(1, waiting[0].0);
    let said = story.say(Input::PeerGained { peer: PeerKey(2), pieces: waiting.clone() });
    let moved = withdrawn(&said);
    assert!(!moved.is_empty(), "nothing moved");
    assert!(moved.iter().all(|&(peer, piece)| peer == 1 && Piece(piece) != waiting[0]), "what has begun stays");
    assert!(moved.iter().all(|&(_, piece)| requests(&said).contains(&(2, piece))));
}

#[test]
fn news_move_what_they_are_of_and_nothing_else() {
    let mut story = Story::of(16, config());
    // All of it is asked for by the time that five are stored.
    let slow: Vec<_> = (0..8).collect();
    story.joins(1, &slow);
    story.joins(2, &[8, 9, 10, 11, 12]);
    for _ in 0..5 {
        story.now = story.now + Duration::from_millis(100);
        for peer in [1, 2] {
            let oldest = story.core.flights.oldest_of(PeerKey(peer)).unwrap().0;
            story.begun(peer, oldest);
            story.stored(peer, oldest);
        }
    }
    let gains = |pieces: &[u32]| {
        let pieces = pieces.iter().copied().map(Piece).collect();
        Input::PeerGained { peer: PeerKey(2), pieces }
    };
    assert_eq!(requests(&story.say(gains(&[13]))), [(2, 13)]);
    // Busy, and more is open: nothing moves to it.
    assert_eq!(story.say(gains(&slow)), []);
    assert_eq!(requests(&story.joins(3, &[14, 15])).len(), 2);
    story.now = story.now + Duration::from_secs(3);
    let said = story.say(gains(&[14]));
    assert_eq!((withdrawn(&said), requests(&said)), (vec![(3, 14)], vec![(2, 14)]));
}

#[test]
fn windows_grow_with_the_rate_and_stay_within_the_total() {
    let count = 5_000;
    let mut story = Story::of(count, Config { max_in_flight: 64_000, ..config() });
    let mut most = requests(&story.holder(1)).len();
    for _ in 0..1_000 {
        story.now = story.now + Duration::from_millis(1);
        let piece = story.core.flights.oldest_of(PeerKey(1)).unwrap().0;
        story.stored(1, piece);
        most = most.max(story.core.flights.iter().count());
    }
    // A piece per millisecond, and work for 150 ms: 150 pieces, if there were no total of 64.
    assert_eq!(most, 64);
}

#[test]
fn those_who_come_late_are_not_kept_out_by_a_full_total() {
    let mut story = Story::of(5_000, Config { max_in_flight: 16_000, ..config() });
    story.holder(1);
    for _ in 0..100 {
        story.now = story.now + Duration::from_millis(1);
        let piece = story.core.flights.oldest_of(PeerKey(1)).unwrap().0;
        story.stored(1, piece);
    }
    assert_eq!(story.core.flights.iter().count(), 16);
    let mut asked = requests(&story.holder(2));
    for _ in 0..4 {
        story.now = story.now + Duration::from_millis(1);
        let piece = story.core.flights.oldest_of(PeerKey(1)).unwrap().0;
        asked.extend(requests(&story.stored(1, piece)));
    }
    assert!(asked.iter().any(|&(peer, _)| peer == 2), "{asked:?}");
}

#[test]
fn a_full_total_is_shared_as_peers_deliver() {
    let mut story = Story::of(5_000, Config { max_in_flight: 16_000, ..config() });
    story.holder(1);
    let deliver = |story: &mut Story, peer| {
        if let Some(piece) = story.core.flights.oldest_of(PeerKey(peer)) {
            story.stored(peer, piece.0);
        }
    };
    for _ in 0..100 {
        story.now = story.now + Duration::from_millis(1);
        deliver(&mut story, 1);
    }
    story.holder(2);
    for _ in 0..300 {
        story.now = story.now + Duration::from_millis(1);
        deliver(&mut story, 2);
        deliver(&mut story, 1);
    }
    let owed: Vec<_> = story.core.peers().map(|view| view.in_flight).collect();
    assert!(owed.iter().all(|&owed| owed >= 6), "{owed:?}");
}

#[test]
fn the_end_is_fetched_twice_within_bounds() {
    // One peer stops with begun pieces at the end; the others may double no more than the share allows.
    let count = 1_000;
    let mut story = Story::of(count, Config { endgame_permille: 5, ..config() });
    for peer in 1..=4 {
        story.holder(peer);
    }
    let mut requested = 8_u32;
    while story.core.picker.open_count() > 0 {
        story.now = story.now + Duration::from_millis(1);
        for peer in 1..=4 {
            let oldest = story.core.flights.oldest_of(PeerKey(peer)).unwrap().0;
            let said = story.stored(peer, oldest);
            requested += u32::try_from(requests(&said).len()).unwrap();
        }
    }
    for request in story.core.flights.iter().copied().collect::<Vec<_>>() {
        story.begun(request.peer.0, request.piece.0);
    }
    while let Some(oldest) = story.core.flights.iter().find(|r| r.peer != PeerKey(1)).copied() {
        story.now = story.now + Duration::from_millis(1);
        let said = story.stored(oldest.peer.0, oldest.piece.0);
        requested += u32::try_from(requests(&said).len()).unwrap();
        requested -= u32::try_from(withdrawn(&said).iter().filter(|&&(peer, _)| peer != 1).count()).unwrap();
    }
    assert!((count + 1..=count + 5).contains(&requested), "{requested} requests for {count} pieces");
}
