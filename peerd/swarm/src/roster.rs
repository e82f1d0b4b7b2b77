//! Things kept by peer key: few, looked up very often.
//!
//! The keys stand apart from what they name: a look-up in fifty of them touches three cache lines, where fifty
//! records would be fifty. Sorted by key, so that the order never depends on anything but the keys.

use std::ops::{Index, IndexMut};

use crate::discovery::NEIGHBOURS;
use crate::peers::PeerKey;
use crate::prefetch::prefetch;

/// A few more come than are looked for.
const USUAL: usize = NEIGHBOURS + 4;

/// Room is made for at least so many at a time.
const STEP: usize = 8;

#[derive(Clone, Debug)]
pub(crate) struct Roster<T> {
    keys: Vec<PeerKey>,
    items: Vec<T>,
}

impl<T> Roster<T> {
    /// With room for as many as there usually are. What belongs together is made together, and so lies together: of thousands of
    /// rosters that grew in turn, each piece would be on a page of its own.
    pub(crate) fn new() -> Self {
        Self { keys: Vec::with_capacity(USUAL), items: Vec::with_capacity(USUAL) }
    }

    pub(crate) fn find(&self, key: PeerKey) -> Option<usize> {
        self.keys.binary_search(&key).ok()
    }

    /// Where the item stands now; `None` when the key is there already.
    pub(crate) fn insert(&mut self, key: PeerKey, item: T) -> Option<usize> {
        let at = self.keys.binary_search(&key).err()?;
        if self.keys.len() == self.keys.capacity() {
            // Doubling would leave half of it empty, and this is most of what a peer's state takes.
            let more = (self.keys.len() / 4).max(STEP);
            self.keys.reserve_exact(more);
            self.items.reserve_exact(more);
        }
        self.keys.insert(at, key);
        self.items.insert(at, item);
        Some(at)
    }

    pub(crate) fn remove(&mut self, at: usize) -> T {
        self.keys.remove(at);
        self.items.remove(at)
    }

    /// The keys: see [`crate::prefetch`].
    pub(crate) fn prefetch(&self) {
        prefetch(self.keys.as_slice());
    }

    pub(crate) const fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.items.iter_mut()
    }
}

impl<T> Index<usize> for Roster<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.items[at]
    }
}

impl<T> IndexMut<usize> for Roster<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.items[at]
    }
}

impl<'a, T> IntoIterator for &'a Roster<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_kept_in_the_order_of_their_keys() {
        let mut roster = Roster::new();
        for key in [5, 1, 9, 1] {
            roster.insert(PeerKey(key), key);
        }
        assert_eq!(roster.iter().copied().collect::<Vec<_>>(), [1, 5, 9]);
        assert_eq!((roster.find(PeerKey(5)), roster.find(PeerKey(2))), (Some(1), None));
        assert_eq!((roster.remove(1), roster.len(), roster.find(PeerKey(9))), (5, 2, Some(1)));
    }
}
