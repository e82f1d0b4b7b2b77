//! What flows where, and how fast: fair shares at both ends of every flow.
//!
//! TCP connections that share links come close to max-min fairness, in which nobody can have more without somebody who
//! has less losing some (Bertsekas and Gallager, "Data Networks", 1987, 6.5.2). Finding it for all flows after every
//! change would take the time of the whole simulation; here only the two ends of the flow that changed, and the senders
//! to that receiver, share anew. The others follow when something changes with them, which is soon.

use super::Simulation;
use super::events::What;
use super::fair::level;
use super::links::Next;

impl Simulation {
    /// Bytes begin to flow.
    pub(super) fn start_flow(&mut self, from: u32, to: u32, piece: u32) {
        self.ups[from as usize].start(self.now, to, piece, self.wire.bytes(piece));
        self.downs[to as usize].senders.push(from);
        self.share_anew(from, to);
    }

    /// A flow between these two is over.
    pub(super) fn flow_ended(&mut self, from: u32, to: u32) {
        self.downs[to as usize].stopped(from);
        self.share_anew(from, to);
    }

    fn share_anew(&mut self, from: u32, to: u32) {
        let mut demands = std::mem::take(&mut self.demands);
        self.prefetch_for_sharing(to);
        let down = &mut self.downs[to as usize];
        demands.extend(down.senders.iter().map(|&sender| {
            let up = &self.ups[sender as usize];
            if sender == from { up.could_send(to) } else { up.could_send_each(down.flows_from(sender), down.level) }
        }));
        let level = level(self.scenario.down.max(1), &demands.iter().copied()).min(self.flow_rate);
        demands.clear();
        self.demands = demands;
        let changed = std::mem::replace(&mut down.level, level) != level;
        self.tune(from, to, level);
        if changed {
            self.prefetch_for_tuning(to);
            for at in 0..self.downs[to as usize].senders.len() {
                let sender = self.downs[to as usize].senders[at];
                if sender != from {
                    self.tune(sender, to, level);
                }
            }
        }
    }

    /// What `to` takes may have changed, and with it when the sender's next piece is sent.
    fn tune(&mut self, sender: u32, to: u32, level: u64) {
        let up = &mut self.ups[sender as usize];
        let ends = match up.tune(self.now, to, level) {
            Next::AsPlanned => return,
            Next::At(at) => Some(self.events.reserve(at)),
            Next::Never => None,
        };
        if let Some(when) = up.plan.set(ends) {
            self.events.push_at(when, What::Sent { from: sender });
        }
    }
}
