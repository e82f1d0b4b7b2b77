//! What flows where, and how fast: fair shares at both ends of every flow.
//!
//! TCP connections that share links come close to max-min fairness, in which nobody can have more without somebody who
//! has less losing some (Bertsekas and Gallager, "Data Networks", 1987, 6.5.2). Finding it for all flows after every
//! change would take the time of the whole simulation; here only the two ends of the flow that changed, and the senders
//! to that receiver, share anew. The others follow when something changes with them, which is soon.

use super::Simulation;
use super::events::What;
use super::links::{flow_rate, level};

impl Simulation {
    /// Bytes begin to flow.
    pub(super) fn start_flow(&mut self, from: u32, to: u32, piece: u32, bytes: u64) {
        let now = self.now;
        self.machine(from).up.start(now, to, piece, bytes);
        self.machine(to).down.senders.push(from);
        self.share_anew(from, to);
    }

    /// A flow between these two is over.
    pub(super) fn flow_ended(&mut self, from: u32, to: u32) {
        self.machine(to).down.stopped(from);
        self.share_anew(from, to);
    }

    fn share_anew(&mut self, from: u32, to: u32) {
        let mut demands = std::mem::take(&mut self.caps);
        let senders = &self.machines[to as usize].down.senders;
        demands.extend(senders.iter().map(|&sender| self.machines[sender as usize].up.could_send(to)));
        let level = level(self.scenario.down.max(1), &demands).min(flow_rate(&self.scenario));
        demands.clear();
        self.caps = demands;
        let changed = std::mem::replace(&mut self.machine(to).down.level, level) != level;
        self.tune(from);
        if changed {
            for at in 0..self.machines[to as usize].down.senders.len() {
                let sender = self.machines[to as usize].down.senders[at];
                if sender != from {
                    self.tune(sender);
                }
            }
        }
    }

    fn tune(&mut self, sender: u32) {
        let mut caps = std::mem::take(&mut self.caps);
        let receivers = self.machines[sender as usize].up.receivers();
        caps.extend(receivers.map(|receiver| self.machines[receiver as usize].down.level));
        let now = self.now;
        let up = &mut self.machine(sender).up;
        let turn = up.turn;
        up.tune(now, &caps);
        if up.turn != turn || up.planned != turn {
            self.plan_sent(sender);
        }
        caps.clear();
        self.caps = caps;
    }

    /// The uplink changed: its next piece is sent at another time than was thought.
    fn plan_sent(&mut self, from: u32) {
        let up = &mut self.machine(from).up;
        up.planned = up.turn;
        if let Some(at) = up.next() {
            let turn = up.turn;
            self.events.push(at, What::Sent { from, turn });
        }
    }
}
