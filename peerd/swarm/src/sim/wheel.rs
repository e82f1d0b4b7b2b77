//! Unsorted slots of events, in chunks out of one store.
//!
//! Slots that lie near hold hundreds of events, most of the others a few. A list for each slot would be as large as the
//! largest slot ever was, once it has come round.

use super::events::Event;

/// A chunk is 512 bytes.
const EVENTS: usize = 15;

const NOTHING: u32 = u32::MAX;

#[derive(Debug)]
struct Chunk {
    events: [Event; EVENTS],
    used: u32,
    next: u32,
}

#[derive(Debug)]
pub(super) struct Wheel {
    /// The first chunk of each slot: the only one that may have room.
    slots: Box<[u32]>,
    chunks: Vec<Chunk>,
    /// The first of the chunks that are not in use.
    free: u32,
    events: usize,
}

impl Wheel {
    pub(super) fn new(slots: u64) -> Self {
        let slots = (0..slots).map(|_| NOTHING).collect();
        Self { slots, chunks: Vec::new(), free: NOTHING, events: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.events == 0
    }

    pub(super) fn put(&mut self, slot: usize, event: Event) {
        let first = self.slots[slot];
        let chunk = match self.chunks.get(first as usize) {
            Some(chunk) if (chunk.used as usize) < EVENTS => first,
            _ => self.chunk(first),
        };
        self.slots[slot] = chunk;
        let chunk = &mut self.chunks[chunk as usize];
        chunk.events[chunk.used as usize] = event;
        chunk.used += 1;
        self.events += 1;
    }

    /// An empty chunk, in front of `next`.
    fn chunk(&mut self, next: u32) -> u32 {
        let chunk = self.free;
        if let Some(free) = self.chunks.get_mut(chunk as usize) {
            self.free = std::mem::replace(&mut free.next, next);
            return chunk;
        }
        self.chunks.push(Chunk { events: [Event::NONE; EVENTS], used: 0, next });
        u32::try_from(self.chunks.len() - 1).expect("fewer than 2^32 chunks")
    }

    /// Moves all events of `slot` to the end of `to`.
    pub(super) fn take(&mut self, slot: usize, to: &mut Vec<Event>) {
        let mut at = std::mem::replace(&mut self.slots[slot], NOTHING);
        while let Some(chunk) = self.chunks.get_mut(at as usize) {
            to.extend_from_slice(&chunk.events[..chunk.used as usize]);
            self.events -= chunk.used as usize;
            chunk.used = 0;
            let next = std::mem::replace(&mut chunk.next, self.free);
            self.free = at;
            at = next;
        }
    }
}
