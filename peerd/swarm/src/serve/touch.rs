//! Reads what an input is going to need, and changes nothing: the counterpart of `core::touch`.

use super::Server;
use crate::peers::PeerKey;

impl Server {
    /// The state itself.
    pub(crate) fn touch(&self) -> usize {
        let at = self.alarm.next().is_some();
        let lens = self.neighbours.len() ^ self.outputs.len() ^ self.news.len() ^ self.carried.len();
        lens ^ self.uplink.granted() ^ self.queue.len() ^ self.have.word_count() ^ usize::from(at)
    }

    /// The lists it refers to. Says where `peer` is.
    pub(crate) fn touch_lists(&self, peer: PeerKey) -> (Option<usize>, usize) {
        (self.find(peer), usize::from(self.queue.wants_any_of(peer)) ^ usize::from(self.uplink.carries_any_to(peer)))
    }

    /// What is known of the neighbour at `at`.
    pub(crate) fn touch_neighbour(&self, at: usize) -> usize {
        let neighbour = &self.neighbours[at];
        neighbour.has.count() as usize ^ usize::from(neighbour.idle())
    }
}
