//! When an uplink's next event is, and which one is in the queue.

use super::events::When;

/// The event at which something is sent, and the one that is in the queue. When an uplink slows down, as it does with most of
/// what others begin, the earlier event stays and leads to the later one: a queue in which every change left an event behind
/// would be mostly of those.
#[derive(Copy, Clone, Debug)]
pub(super) struct Plan {
    /// When the next is sent.
    ends: Option<When>,
    queued: Option<When>,
    /// Flows or their rates have changed since.
    pub(super) is_stale: bool,
}

impl Plan {
    pub(super) const fn new() -> Self {
        Self { ends: None, queued: None, is_stale: false }
    }

    /// Whether the event that is queued is too early, and leads to a later one.
    pub(super) fn leads_on(&self) -> bool {
        self.ends != self.queued
    }

    /// Something is sent at `ends`. Says what is to be queued.
    pub(super) fn set(&mut self, ends: Option<When>) -> Option<When> {
        (self.ends, self.is_stale) = (ends, false);
        let earlier = self.queued.is_none_or(|queued| ends.is_some_and(|ends| ends.at < queued.at));
        if earlier {
            self.queued = ends;
        }
        ends.filter(|_| earlier)
    }

    /// The event of `when` has come. Says whether something is sent, and otherwise what is to be queued.
    pub(super) fn come(&mut self, when: When) -> Result<(), Option<When>> {
        if self.queued != Some(when) {
            return Err(None);
        }
        self.queued = None;
        if self.ends == Some(when) {
            return Ok(());
        }
        self.queued = self.ends;
        Err(self.ends)
    }
}
