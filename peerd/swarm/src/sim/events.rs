//! What happens when: a calendar of small events, first come first served among those of one moment.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::wheel::Wheel;
use crate::serve::Refusal;
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
        refusal: Refusal,
    },
    /// Something on the uplink is sent whole, unless the uplink has changed since.
    Sent {
        from: u32,
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

/// When something happens: in the order of moments, and of numbers among those of one moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct When {
    pub(super) at: Moment,
    number: u64,
}

/// A slot of the wheel is 2^16 ns, or 66 µs.
const SLOT_BITS: u32 = 16;
/// The wheel reaches 4.3 s ahead: nearly all that is ever planned.
const SLOTS: u64 = 1 << 16;

/// A calendar queue (Brown, "Calendar queues: a fast O(1) priority queue implementation", CACM 1988): events of the slot at
/// hand are sorted, later ones in unsorted slots, and the few beyond the wheel in a heap. One large heap misses the cache at
/// every level of it, with millions of events.
#[derive(Debug)]
pub(super) struct Events {
    /// Of the slot `now`, the next one last.
    due: Vec<Event>,
    /// Those that were pushed since into that slot.
    fresh: BinaryHeap<Event>,
    now: u64,
    /// Of the slots after `now`, each at its number modulo [`SLOTS`].
    wheel: Wheel,
    beyond: BinaryHeap<Event>,
    count: u64,
}

impl Default for Events {
    fn default() -> Self {
        let (fresh, beyond) = (BinaryHeap::new(), BinaryHeap::new());
        Self { due: Vec::new(), fresh, now: 0, wheel: Wheel::new(SLOTS), beyond, count: 0 }
    }
}

#[derive(Copy, Clone, Debug)]
pub(super) struct Event {
    when: When,
    pub(super) what: What,
}

impl Event {
    /// Stands where none is.
    pub(super) const NONE: Self = Self { when: When { at: Moment::EPOCH, number: 0 }, what: What::Arrive { peer: 0 } };

    const fn slot(&self) -> u64 {
        self.when.at.as_nanos() >> SLOT_BITS
    }
}

impl Ord for Event {
    /// The next one is the greatest: a heap gives that out first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.when.cmp(&self.when)
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.when == other.when
    }
}

impl Eq for Event {}

impl Events {
    pub(super) fn push(&mut self, at: Moment, what: What) {
        let when = self.reserve(at);
        self.push_at(when, what);
    }

    /// The next place among those of one moment: taken now, for something that may be pushed later.
    pub(super) const fn reserve(&mut self, at: Moment) -> When {
        self.count += 1;
        When { at, number: self.count }
    }

    pub(super) fn push_at(&mut self, when: When, what: What) {
        self.put(Event { when, what });
    }

    fn put(&mut self, event: Event) {
        let slot = event.slot();
        if slot <= self.now {
            self.fresh.push(event);
        } else if slot < self.now + SLOTS {
            self.wheel.put(index(slot), event);
        } else {
            self.beyond.push(event);
        }
    }

    pub(super) fn pop(&mut self) -> Option<(When, What)> {
        while self.due.is_empty() && self.fresh.is_empty() {
            self.turn()?;
        }
        let pushed = self.fresh.peek().is_some_and(|fresh| self.due.last().is_none_or(|due| fresh.when < due.when));
        let event = if pushed { self.fresh.pop() } else { self.due.pop() };
        event.map(|event| (event.when, event.what))
    }

    /// Goes on to the next slot; over all empty ones where the wheel is empty. `None` when there is nothing at all.
    fn turn(&mut self) -> Option<()> {
        self.now = if self.wheel.is_empty() { self.beyond.peek()?.slot() } else { self.now + 1 };
        self.wheel.take(index(self.now), &mut self.due);
        self.due.sort_unstable_by_key(|event| std::cmp::Reverse(event.when));
        while self.beyond.peek().is_some_and(|event| event.slot() < self.now + SLOTS)
            && let Some(event) = self.beyond.pop()
        {
            self.put(event);
        }
        Some(())
    }

    /// What happens next, if nothing is pushed before: at least what `count` events are, where the slot has so many.
    pub(super) fn coming(&self, count: usize) -> impl Iterator<Item = What> {
        self.due.iter().rev().take(count).map(|event| event.what)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty() && self.fresh.is_empty() && self.wheel.is_empty() && self.beyond.is_empty()
    }
}

fn index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS).expect("a slot of the wheel")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peer(what: What) -> u32 {
        match what {
            What::Arrive { peer } => peer,
            other => panic!("{other:?} was never planned"),
        }
    }

    proptest! {
        /// Steps: plan something so long after the moment at hand, or let the next happen.
        #[test]
        fn they_come_in_the_order_of_a_sorted_list(steps in prop::collection::vec(prop::option::of(after()), 0..300)) {
            let (mut events, mut expected) = (Events::default(), std::collections::BTreeSet::new());
            let mut now = Moment::EPOCH;
            for (number, step) in (0_u32..).zip(steps) {
                if let Some(after) = step {
                    let at = Moment::from_nanos(now.as_nanos() + after);
                    events.push(at, What::Arrive { peer: number });
                    expected.insert((at, number));
                } else {
                    let next = expected.pop_first();
                    let popped = events.pop().map(|(when, what)| (when.at, peer(what)));
                    prop_assert_eq!(popped, next);
                    now = next.map_or(now, |(at, _)| at);
                }
            }
            prop_assert_eq!(events.is_empty(), expected.is_empty());
            while let Some((when, what)) = events.pop() {
                prop_assert_eq!(Some((when.at, peer(what))), expected.pop_first());
            }
            prop_assert!(expected.is_empty());
        }
    }

    /// Within a slot, within the wheel, and beyond it.
    fn after() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0_u64..100_000, 0_u64..5_000_000_000, 0_u64..100_000_000_000]
    }
}
