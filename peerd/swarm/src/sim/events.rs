//! What happens when: a binary heap of small events, first come first served among those of one moment.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::timers::Moment;

/// Something that happens at a moment. Machines are named by their index.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Arrive {
        peer: u32,
    },
    Leave {
        peer: u32,
    },
    /// `tell` notices that `who` is gone.
    Left {
        who: u32,
        tell: u32,
    },
    /// `who` is connected and asks `whom` what it has.
    Watch {
        who: u32,
        whom: u32,
    },
    /// `who` does not ask `whom` any more.
    Unwatch {
        who: u32,
        whom: u32,
    },
    /// A machine asks the directory for others.
    LookAround {
        peer: u32,
    },
    /// A message about pieces reaches those it is for.
    Shown {
        message: u32,
    },
    Ask {
        from: u32,
        to: u32,
        piece: u32,
    },
    Withdraw {
        from: u32,
        to: u32,
        piece: u32,
    },
    Refused {
        from: u32,
        to: u32,
        piece: u32,
        busy: bool,
    },
    /// Something on the uplink is sent whole, unless the uplink has changed since (`turn`).
    Sent {
        from: u32,
        turn: u32,
    },
    /// The first bytes of a piece are received.
    Begun {
        from: u32,
        to: u32,
        piece: u32,
    },
    /// A piece is received and verified.
    Arrived {
        from: u32,
        to: u32,
        piece: u32,
    },
    FetchTimer {
        peer: u32,
    },
    ServeTimer {
        peer: u32,
    },
}

#[derive(Debug, Default)]
pub(super) struct Events {
    heap: BinaryHeap<Event>,
    count: u64,
}

#[derive(Debug)]
struct Event {
    at: Moment,
    /// Decides among those of one moment.
    place: u64,
    what: What,
}

impl Ord for Event {
    /// The next one is the greatest: the heap gives that out first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.place).cmp(&(self.at, self.place))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Event {}

impl Events {
    pub(super) fn push(&mut self, at: Moment, what: What) {
        self.heap.push(Event { at, place: self.count, what });
        self.count += 1;
    }

    pub(super) fn pop(&mut self) -> Option<(Moment, What)> {
        self.heap.pop().map(|event| (event.at, event.what))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}
