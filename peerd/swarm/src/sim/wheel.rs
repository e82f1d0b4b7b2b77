//! Unsorted slots of events, in chunks out of one store.
//!
//! Slots that lie near hold hundreds of events, most of the others a few. A list for each slot would be as large as the
//! largest slot ever was, once it has come round.

use super::events::Event;

/// A chunk is 512 bytes.
const EVENTS: u32 = 15;

const NOTHING: u32 = u32::MAX;

#[derive(Debug)]
struct Chunk {
    events: [Event; EVENTS as usize],
    next: u32,
}

/// The first chunk of a slot, the only one that may have room, and how many events are in it. They stand here because a chunk
/// is out of every cache when something is added to it.
#[derive(Copy, Clone, Debug)]
struct Slot {
    first: u32,
    used: u32,
}

impl Slot {
    /// Without a chunk, so that one has to be had before anything is added.
    const EMPTY: Self = Self { first: NOTHING, used: EVENTS };
}

#[derive(Debug)]
pub(super) struct Wheel {
    slots: Box<[Slot]>,
    chunks: Vec<Chunk>,
    /// The first of the chunks that are not in use.
    free: u32,
    events: usize,
}

impl Wheel {
    pub(super) fn new(slots: u64) -> Self {
        let slots = (0..slots).map(|_| Slot::EMPTY).collect();
        Self { slots, chunks: Vec::new(), free: NOTHING, events: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events == 0
    }

    pub(super) fn put(&mut self, slot: usize, event: Event) {
        let Slot { first, used } = self.slots[slot];
        let (first, used) = if used < EVENTS { (first, used) } else { (self.chunk(first), 0) };
        self.slots[slot] = Slot { first, used: used + 1 };
        self.chunks[first as usize].events[used as usize] = event;
        self.events += 1;
    }

    /// An empty chunk, in front of `next`.
    fn chunk(&mut self, next: u32) -> u32 {
        let chunk = self.free;
        if let Some(free) = self.chunks.get_mut(chunk as usize) {
            self.free = std::mem::replace(&mut free.next, next);
            return chunk;
        }
        self.chunks.push(Chunk { events: [Event::NONE; EVENTS as usize], next });
        u32::try_from(self.chunks.len() - 1).expect("fewer than 2^32 chunks")
    }

    /// Moves all events of `slot` to the end of `to`.
    pub(super) fn take(&mut self, slot: usize, to: &mut Vec<Event>) {
        let Slot { first: mut at, mut used } = std::mem::replace(&mut self.slots[slot], Slot::EMPTY);
        while let Some(chunk) = self.chunks.get_mut(at as usize) {
            to.extend_from_slice(&chunk.events[..used as usize]);
            self.events -= used as usize;
            used = EVENTS;
            let next = std::mem::replace(&mut chunk.next, self.free);
            self.free = at;
            at = next;
        }
    }
}
