//! Who counts as up, and until when. Pure: time comes in as an argument; `app::liveness` drives it.
//!
//! A lease runs from a sign of life for a fixed length of monotonic time, so wall clocks do not matter. Heartbeats only
//! move a deadline in memory. A lease that [`Leases::due`] has reported is *ending*: a heartbeat can no longer renew it, so
//! that "down" reaches the database before "up again" does.
//!
//! A crash loses the deadlines, nothing else: at the start every peer that the database has as up gets one full lease.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use proto::Timestamp;
use proto::ids::{InstanceId, PeerId, UserName};

/// All leases of this directory.
#[derive(Debug)]
pub(crate) struct Leases {
    length: Duration,
    held: HashMap<PeerId, Lease>,
    /// When to look at a lease next: not later than its deadline, for heartbeats do not touch this.
    looks: BinaryHeap<Reverse<(Instant, PeerId)>>,
}

#[derive(Debug)]
struct Lease {
    holder: LeaseHolder,
    deadline: Instant,
    /// The one entry of `looks` that stands for this lease; others are left-overs.
    next_look: Instant,
    ending: bool,
    last_seen: Timestamp,
    /// `last_seen` is newer than what the database has.
    unsaved: bool,
}

/// Who speaks for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaseHolder {
    pub(crate) user: UserName,
    pub(crate) instance: InstanceId,
}

/// What a heartbeat met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    Renewed,
    /// The peer belongs to another user.
    Foreign,
    /// Another instance speaks for the peer.
    Superseded,
    /// No lease runs; the database knows more.
    NoLease,
}

impl Leases {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, held: HashMap::new(), looks: BinaryHeap::new() }
    }

    /// Begins a lease, or hands it to another holder.
    pub(crate) fn grant(&mut self, peer: PeerId, holder: LeaseHolder, now: Instant, seen: Timestamp) {
        let deadline = now + self.length;
        let next_look = match self.held.get(&peer) {
            Some(lease) if !lease.ending => lease.next_look,
            _ => {
                self.looks.push(Reverse((deadline, peer)));
                deadline
            }
        };
        let lease = Lease { holder, deadline, next_look, ending: false, last_seen: seen, unsaved: false };
        self.held.insert(peer, lease);
    }

    /// Renews a lease that runs.
    pub(crate) fn beat(&mut self, peer: &PeerId, by: &LeaseHolder, now: Instant, seen: Timestamp) -> Beat {
        let Some(lease) = self.held.get_mut(peer).filter(|lease| !lease.ending && now < lease.deadline) else {
            return Beat::NoLease;
        };
        if lease.holder.user != by.user {
            return Beat::Foreign;
        }
        if lease.holder.instance != by.instance {
            return Beat::Superseded;
        }
        lease.deadline = lease.deadline.max(now + self.length);
        lease.last_seen = seen;
        lease.unsaved = true;
        Beat::Renewed
    }

    /// Ends a lease at once.
    pub(crate) fn release(&mut self, peer: &PeerId) {
        self.held.remove(peer);
    }

    /// Leases that have ended by `now`; each is ending from here on. It is reported again after [`Self::look_again`] only.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<PeerId> {
        let mut ended = Vec::new();
        while let Some(Reverse((look, peer))) = self.looks.peek().copied().filter(|Reverse((look, _))| *look <= now) {
            self.looks.pop();
            let Some(lease) = self.held.get_mut(&peer).filter(|lease| lease.next_look == look) else { continue };
            if lease.deadline <= now {
                lease.ending = true;
                ended.push(peer);
            } else {
                lease.next_look = lease.deadline;
                self.looks.push(Reverse((lease.deadline, peer)));
            }
        }
        ended
    }

    /// An ending lease could not be ended: it comes up again at `then`.
    pub(crate) fn look_again(&mut self, peer: PeerId, then: Instant) {
        if let Some(lease) = self.held.get_mut(&peer) {
            lease.next_look = then;
            self.looks.push(Reverse((then, peer)));
        }
    }

    /// Everybody gets a whole lease from `now` on, ending ones too: nobody could be heard for a while.
    pub(crate) fn grace(&mut self, now: Instant) {
        let deadline = now + self.length;
        for (peer, lease) in &mut self.held {
            lease.deadline = lease.deadline.max(deadline);
            if std::mem::take(&mut lease.ending) {
                lease.next_look = lease.deadline;
                self.looks.push(Reverse((lease.deadline, *peer)));
            }
        }
    }

    /// When an ending lease last gave a sign of life; `None` where it is not ending (any more).
    pub(crate) fn ending(&self, peer: &PeerId) -> Option<Timestamp> {
        self.held.get(peer).filter(|lease| lease.ending).map(|lease| lease.last_seen)
    }

    /// Who holds a lease that runs.
    pub(crate) fn holder(&self, peer: &PeerId) -> Option<&LeaseHolder> {
        self.held.get(peer).filter(|lease| !lease.ending).map(|lease| &lease.holder)
    }

    /// The last sign of life of a peer with a lease.
    pub(crate) fn last_seen(&self, peer: &PeerId) -> Option<Timestamp> {
        self.held.get(peer).map(|lease| lease.last_seen)
    }

    /// What the database does not have yet; it counts as saved from here on.
    pub(crate) fn take_unsaved(&mut self) -> Vec<(PeerId, Timestamp)> {
        let unsaved = |(peer, lease): (&PeerId, &mut Lease)| {
            std::mem::take(&mut lease.unsaved).then_some((*peer, lease.last_seen))
        };
        self.held.iter_mut().filter_map(unsaved).collect()
    }
}

#[cfg(test)]
mod tests;
