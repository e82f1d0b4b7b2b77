//! Links: an uplink whose rate is shared by what is under way, and a downlink that takes one piece after another.
//!
//! A connection over a lossy path is held below MSS / RTT × 1.22 / √p (Mathis, Semke, Mahdavi, Ott: "The macroscopic
//! behavior of the TCP congestion avoidance algorithm", CCR 1997), and sends what is lost again.

use std::time::Duration;

use super::scenario::Scenario;
use crate::timers::{Moment, nanos, scale};

const SECOND: u64 = 1_000_000_000;

#[derive(Copy, Clone, Debug)]
pub(super) struct Flow {
    pub(super) to: u32,
    pub(super) piece: u32,
    /// Bytes to send, times a thousand million.
    left: u64,
    bytes: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Uplink {
    /// Bytes per second.
    rate: u64,
    /// Bytes per second that one flow can have at most.
    flow_rate: u64,
    flows: Vec<Flow>,
    at: Moment,
    /// Changes with every change of the flows.
    pub(super) turn: u32,
    sent: u64,
    in_vain: u64,
}

impl Flow {
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Uplink {
    pub(super) fn new(rate: u64, flow_rate: u64) -> Self {
        Self { rate, flow_rate, flows: Vec::new(), at: Moment::EPOCH, turn: 0, sent: 0, in_vain: 0 }
    }

    /// Bytes that left so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes of those that nobody could use.
    pub(super) const fn in_vain(&self) -> u64 {
        self.in_vain
    }

    fn share(&self) -> u64 {
        (self.rate / (self.flows.len().max(1) as u64)).min(self.flow_rate)
    }

    fn advance(&mut self, now: Moment) {
        let done = self.share().saturating_mul(nanos(now.saturating_since(self.at)));
        for flow in &mut self.flows {
            flow.left = flow.left.saturating_sub(done);
        }
        self.at = now;
        self.turn = self.turn.wrapping_add(1);
    }

    pub(super) fn start(&mut self, now: Moment, to: u32, piece: u32, bytes: u64) {
        self.advance(now);
        self.flows.push(Flow { to, piece, left: bytes.saturating_mul(SECOND), bytes });
    }

    /// When the next flow is done, if none starts or stops before.
    pub(super) fn next(&self) -> Option<Moment> {
        let left = self.flows.iter().map(|flow| flow.left).min()?;
        if self.share() == 0 {
            return None;
        }
        Some(self.at + Duration::from_nanos(left.div_ceil(self.share())))
    }

    /// A flow that is done by now.
    pub(super) fn finish(&mut self, now: Moment) -> Option<Flow> {
        self.advance(now);
        let at = self.flows.iter().position(|flow| flow.left == 0)?;
        let flow = self.flows.remove(at);
        self.sent += flow.bytes;
        Some(flow)
    }

    /// Stops the flows that `stops` names, and says whether there were any. What was sent to a machine that `stays`
    /// was in vain.
    pub(super) fn stop(&mut self, now: Moment, stays: bool, stops: impl Fn(&Flow) -> bool) -> bool {
        if !self.flows.iter().any(&stops) {
            return false;
        }
        self.advance(now);
        for flow in self.flows.extract_if(.., |flow| stops(flow)) {
            let gone = flow.bytes - (flow.left / SECOND).min(flow.bytes);
            self.sent += gone;
            self.in_vain += if stays { gone } else { 0 };
        }
        true
    }
}

/// Takes one piece after another; bytes that come while it is free pass as they come.
#[derive(Clone, Debug, Default)]
pub(super) struct Downlink {
    free: Moment,
    verified: Moment,
}

impl Downlink {
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

/// Bytes on the wire for a piece of `len` bytes.
pub(super) fn wire_bytes(scenario: &Scenario, len: u32) -> u64 {
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

    fn at(millis: u64) -> Moment {
        Moment::from_duration(Duration::from_millis(millis))
    }

    #[test]
    fn two_flows_share_and_the_rest_speeds_up() {
        let mut link = Uplink::new(1000, 1000);
        link.start(at(0), 1, 0, 1000);
        link.start(at(500), 2, 1, 1000);
        // The first has 500 left and half of the rate; then the second has 500 left and all of it.
        assert_eq!(link.next(), Some(at(1500)));
        assert_eq!(link.finish(at(1500)).map(|flow| flow.to), Some(1));
        assert_eq!(link.next(), Some(at(2000)));
        assert!(link.finish(at(2000)).is_some());
        assert_eq!((link.sent(), link.in_vain(), link.next()), (2000, 0, None));
    }

    #[test]
    fn what_a_stopped_flow_sent_was_in_vain() {
        let mut link = Uplink::new(1000, 1000);
        link.start(at(0), 1, 0, 1000);
        link.stop(at(250), true, |flow| flow.to == 1);
        assert_eq!((link.sent(), link.in_vain(), link.next()), (250, 250, None));
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
