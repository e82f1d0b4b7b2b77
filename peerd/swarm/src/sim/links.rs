//! Links: an uplink and a downlink for each machine, whose rates are shared fairly by what is under way. A flow is as fast
//! as both ends let it be, and what one flow leaves the others have.
//!
//! A connection over a lossy path is held below MSS / RTT × 1.22 / √p (Mathis, Semke, Mahdavi, Ott: "The macroscopic
//! behavior of the TCP congestion avoidance algorithm", CCR 1997), and sends what is lost again.

use std::time::Duration;

use smallvec::SmallVec;

use super::fair::level_near;
use super::plan::Plan;
use super::scenario::Scenario;
use crate::pieces::{Geometry, Piece};
use crate::prefetch::prefetch;
use crate::timers::{Moment, nanos, scale};

const SECOND: u64 = 1_000_000_000;

/// Flows that there usually are at either end: they stand in the link itself. Room for all that a server grants at once gains
/// nothing.
const USUAL: usize = 8;

#[derive(Copy, Clone, Debug)]
pub(super) struct Flow {
    pub(super) to: u32,
    pub(super) piece: u32,
    /// Bytes to send, times a thousand million.
    left: u64,
    /// Bytes per second that the other end takes; none before that said so.
    cap: u64,
}

impl Flow {
    /// Bytes per second, where each can have `level` at most.
    fn rate(&self, level: u64) -> u64 {
        self.cap.min(level)
    }

    /// What is left after so many ns.
    fn left_after(&self, time: u64, level: u64) -> u64 {
        self.left.saturating_sub(self.rate(level).saturating_mul(time))
    }
}

/// When the next flow is done, if nothing changes before.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// When it was before.
    AsPlanned,
    At(Moment),
    /// All stand still, or there are none.
    Never,
}

/// Knows of the other ends what matters here, for there are many of them, far apart in memory. What the other ends want to know
/// comes first, on one cache line.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Uplink {
    /// Bytes per second.
    rate: u64,
    /// Bytes per second that each flow can have at most.
    level: u64,
    /// Bytes per second of all flows together.
    taken: u64,
    flows: SmallVec<[Flow; USUAL]>,
    at: Moment,
    /// When something is sent next.
    pub(super) plan: Plan,
    sent: u64,
    in_vain: u64,
}

impl Uplink {
    pub(super) const fn new(rate: u64) -> Self {
        let plan = Plan::new();
        Self {
            rate,
            level: u64::MAX,
            taken: 0,
            flows: SmallVec::new_const(),
            at: Moment::EPOCH,
            plan,
            sent: 0,
            in_vain: 0,
        }
    }

    /// Bytes that left so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// The same, with what has left by now of what is under way.
    pub(super) fn moved(&self, now: Moment, wire: Wire) -> u64 {
        let time = self.time_until(now);
        let left = |flow: &Flow| flow.left_after(time, self.level) / SECOND;
        self.sent + self.flows.iter().map(|flow| wire.bytes(flow.piece).saturating_sub(left(flow))).sum::<u64>()
    }

    /// Bytes of those that nobody could use.
    pub(super) const fn in_vain(&self) -> u64 {
        self.in_vain
    }

    fn advance(&mut self, now: Moment) {
        let time = self.time_until(now);
        for flow in &mut self.flows {
            flow.left = flow.left_after(time, self.level);
        }
        self.at = now;
        self.plan.is_stale = true;
    }

    /// A flow begins, and stands still until [`Uplink::tune`].
    pub(super) fn start(&mut self, now: Moment, to: u32, piece: u32, bytes: u64) {
        self.advance(now);
        self.flows.push(Flow { to, piece, left: bytes.saturating_mul(SECOND), cap: 0 });
    }

    /// The rate is shared anew; flows to `to` can have `cap` there.
    ///
    /// Much of a simulation is this. What flows there are is as good as random, so nothing in its loops branches on it.
    #[expect(clippy::needless_bitwise_bool, reason = "what is lazy branches")]
    pub(super) fn tune(&mut self, now: Moment, to: u32, cap: u64) -> Next {
        let (old, fresh) = (self.level, !self.plan.is_stale);
        let cap_of = move |flow: &Flow| if flow.to == to { cap } else { flow.cap };
        let held = self.flows.iter().fold(old < cap, |all, flow| all & ((flow.to != to) | (old < flow.cap)));
        if held && fresh {
            // Held back by this end before and after: it is all the same to them.
            self.flows.iter_mut().for_each(|flow| flow.cap = cap_of(flow));
            return Next::AsPlanned;
        }
        let (level, time) = (level_near(old, self.rate, &self.flows.iter().map(cap_of)), self.time_until(now));
        let (mut taken, mut same, mut next) = (0, fresh, (u64::MAX, 0));
        for flow in &mut self.flows {
            let before = flow.rate(old);
            flow.left = flow.left_after(time, old);
            flow.cap = cap_of(flow);
            let rate = flow.rate(level);
            taken += rate;
            same &= rate == before;
            // Which is done first can be told without a division, which takes as long as many products.
            let sooner = product(flow.left, next.1) < product(next.0, rate);
            next = if sooner { (flow.left, rate) } else { next };
        }
        (self.at, self.level, self.taken) = (now, level, taken);
        let (left, rate) = next;
        match rate {
            _ if same => Next::AsPlanned,
            0 => Next::Never,
            _ => Next::At(now + Duration::from_nanos(left.div_ceil(rate))),
        }
    }

    /// In ns.
    fn time_until(&self, now: Moment) -> u64 {
        nanos(now.saturating_since(self.at))
    }

    /// What a flow to `to` could have, were it for this end alone: what others leave, and its fair share at least.
    pub(super) fn could_send(&self, to: u32) -> u64 {
        let mine = self.flows.iter().filter(|flow| flow.to == to);
        let (count, taken) = mine.fold((0, 0), |(count, taken), flow| (count + 1, taken + flow.rate(self.level)));
        self.could_send_beyond(count, taken)
    }

    /// The same to a receiver that has `count` flows from here, and takes `cap` of each: without a look at them.
    pub(super) fn could_send_each(&self, count: u64, cap: u64) -> u64 {
        self.could_send_beyond(count, cap.min(self.level) * count)
    }

    fn could_send_beyond(&self, mine: u64, taken: u64) -> u64 {
        let others = self.taken - taken;
        (self.rate.saturating_sub(others) / mine.max(1)).max(self.rate / self.flows.len().max(1) as u64)
    }

    /// Its flows: see [`crate::prefetch`].
    pub(super) fn prefetch_flows(&self) {
        prefetch(self.flows.as_slice());
    }

    /// To whom something is sent next, as far as that can be seen without a division.
    pub(super) fn next_to(&self) -> Option<u32> {
        self.flows.iter().min_by_key(|flow| flow.left).map(|flow| flow.to)
    }

    /// A flow that is done by now.
    pub(super) fn finish(&mut self, now: Moment, wire: Wire) -> Option<Flow> {
        self.advance(now);
        let at = self.flows.iter().position(|flow| flow.left == 0)?;
        let flow = self.flows.remove(at);
        self.taken -= flow.rate(self.level);
        self.sent += wire.bytes(flow.piece);
        Some(flow)
    }

    /// Stops the flows that `stops` names, and says where they went. What was sent to a machine that `stays` was in vain.
    pub(super) fn stop(&mut self, now: Moment, wire: Wire, stays: bool, stops: impl Fn(&Flow) -> bool) -> Vec<u32> {
        let mut stopped = Vec::new();
        if !self.flows.iter().any(&stops) {
            return stopped;
        }
        self.advance(now);
        for flow in self.flows.iter().filter(|flow| stops(flow)) {
            let gone = wire.bytes(flow.piece).saturating_sub(flow.left / SECOND);
            self.sent += gone;
            self.taken -= flow.rate(self.level);
            self.in_vain += if stays { gone } else { 0 };
            stopped.push(flow.to);
        }
        self.flows.retain(|flow| !stops(flow));
        stopped
    }
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Takes one piece after another; bytes that come while it is free pass as they come. With as many senders as there usually are,
/// it is one line of the cache.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(super) struct Downlink {
    /// Who sends to it, once for each flow.
    pub(super) senders: SmallVec<[u32; USUAL]>,
    /// Bytes per second that each flow can have at most.
    pub(super) level: u64,
    free: Moment,
    verified: Moment,
}

impl Downlink {
    /// Who sends to it, where these are elsewhere: see [`crate::prefetch`].
    pub(super) fn prefetch_senders(&self) {
        prefetch(self.senders.as_slice());
    }

    pub(super) fn flows_from(&self, sender: u32) -> u64 {
        self.senders.iter().map(|&other| u64::from(other == sender)).sum()
    }

    pub(super) fn stopped(&mut self, sender: u32) {
        if let Some(at) = self.senders.iter().position(|&other| other == sender) {
            self.senders.swap_remove(at);
        }
    }

    /// When a piece is in whose last byte left the sender in time to be here at `last_byte`.
    pub(super) fn receive(&mut self, last_byte: Moment, takes: Duration) -> Moment {
        self.free = last_byte.max(self.free + takes);
        self.free
    }

    /// When a piece that is in at `received` is verified and written.
    pub(super) fn verify(&mut self, received: Moment, takes: Duration) -> Moment {
        self.verified = self.verified.max(received) + takes;
        self.verified
    }
}

/// Bytes on the wire for each piece: the last may be shorter.
#[derive(Copy, Clone, Debug)]
pub(super) struct Wire {
    piece: u64,
    last: u64,
    last_piece: u32,
}

impl Wire {
    pub(super) fn new(scenario: &Scenario, geometry: Geometry) -> Self {
        let last_piece = geometry.count().saturating_sub(1);
        let bytes = |len| wire_bytes(scenario, len);
        Self { piece: bytes(geometry.piece_size()), last: bytes(geometry.len(Piece(last_piece))), last_piece }
    }

    pub(super) const fn bytes(self, piece: u32) -> u64 {
        if piece < self.last_piece { self.piece } else { self.last }
    }
}

/// Bytes on the wire for `len` bytes of a piece.
fn wire_bytes(scenario: &Scenario, len: u32) -> u64 {
    let framed = scale(u64::from(len), 1000 + u64::from(scenario.constants.header_permille), 1000);
    scale(
        framed + u64::from(scenario.constants.request_bytes),
        1_000_000,
        1_000_000 - u64::from(scenario.loss_ppm.min(999_999)),
    )
}

/// Bytes per second that one connection can reach over this path.
pub(super) fn flow_rate(scenario: &Scenario) -> u64 {
    const MSS: u64 = 1448;
    let round_trip = nanos(scenario.latency).saturating_mul(2);
    if scenario.loss_ppm == 0 || round_trip == 0 {
        return scenario.down.max(1);
    }
    // 1.22 × 1000 / √(millionths) is 1.22 / √p; two more decimals keep small losses apart.
    let root = (u64::from(scenario.loss_ppm) * 10_000).isqrt().max(1);
    let at_no_root = scale(MSS * 122_000, SECOND, round_trip);
    (at_no_root / root).clamp(1, scenario.down.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces 0 and 1.
    const WIRE: Wire = Wire { piece: 1000, last: 900, last_piece: 1 };

    fn at(millis: u64) -> Moment {
        Moment::from_duration(Duration::from_millis(millis))
    }

    /// Shares anew at `millis`, and lets nothing else be planned.
    fn tuned(link: &mut Uplink, millis: u64, to: u32, cap: u64) -> Next {
        let next = link.tune(at(millis), to, cap);
        link.plan.is_stale &= next == Next::AsPlanned;
        next
    }

    #[test]
    fn two_flows_share_and_the_rest_speeds_up() {
        let mut link = Uplink::new(1000);
        link.start(at(0), 1, 0, 1000);
        assert_eq!(tuned(&mut link, 0, 1, 1000), Next::At(at(1000)));
        link.start(at(500), 2, 0, 1000);
        // The first has 500 left and half of the rate; then the second has 500 left and all of it.
        assert_eq!(tuned(&mut link, 500, 2, 1000), Next::At(at(1500)));
        assert_eq!(link.finish(at(1500), WIRE).map(|flow| flow.to), Some(1));
        assert_eq!(tuned(&mut link, 1500, 1, 1000), Next::At(at(2000)));
        assert!(link.finish(at(2000), WIRE).is_some());
        assert_eq!((link.sent(), link.in_vain(), tuned(&mut link, 2000, 2, 1000)), (2000, 0, Next::Never));
    }

    #[test]
    fn what_one_receiver_does_not_take_goes_to_the_other() {
        let mut link = Uplink::new(1000);
        link.start(at(0), 1, 0, 1000);
        link.start(at(0), 2, 1, 900);
        tuned(&mut link, 0, 1, 100);
        assert_eq!(tuned(&mut link, 0, 2, 1000), Next::At(at(1000)));
        assert_eq!((link.could_send(1), link.could_send(2)), (500, 900));
        assert_eq!(link.moved(at(500), WIRE), 500);
        assert_eq!(link.finish(at(1000), WIRE).map(|flow| flow.to), Some(2));
    }

    #[test]
    fn a_receiver_that_takes_more_than_it_gets_changes_nothing() {
        let mut link = Uplink::new(1000);
        link.start(at(0), 1, 0, 1000);
        link.start(at(0), 2, 1, 900);
        tuned(&mut link, 0, 1, 800);
        assert_eq!(tuned(&mut link, 0, 2, 700), Next::At(at(1800)));
        assert_eq!((tuned(&mut link, 100, 1, 900), tuned(&mut link, 200, 2, 600)), (Next::AsPlanned, Next::AsPlanned));
        // Once it takes less than that, the other has more.
        assert_eq!(tuned(&mut link, 1000, 2, 200), Next::At(at(1625)));
    }

    #[test]
    fn what_a_stopped_flow_sent_was_in_vain() {
        let mut link = Uplink::new(1000);
        link.start(at(0), 1, 0, 1000);
        tuned(&mut link, 0, 1, 1000);
        assert_eq!(link.stop(at(250), WIRE, true, |flow| flow.to == 1), [1]);
        assert_eq!((link.sent(), link.in_vain(), tuned(&mut link, 250, 1, 1000)), (250, 250, Next::Never));
    }

    #[test]
    fn a_downlink_is_never_faster_than_its_rate() {
        let mut link = Downlink::default();
        let takes = Duration::from_millis(100);
        assert_eq!(link.receive(at(1000), takes), at(1000));
        assert_eq!(link.receive(at(1000), takes), at(1100));
        assert_eq!(link.receive(at(5000), takes), at(5000));
    }

    #[test]
    fn loss_holds_a_connection_to_the_square_root_law() {
        let mut scenario = Scenario { latency: Duration::from_millis(50), down: u64::MAX, ..Scenario::default() };
        assert_eq!(flow_rate(&scenario), u64::MAX);
        scenario.loss_ppm = 10_000;
        // 1448 B × 1.22 / (0.1 s × √0.01) = 176,656 B/s.
        assert!(flow_rate(&scenario).abs_diff(176_656) < 2_000, "{}", flow_rate(&scenario));
    }
}
