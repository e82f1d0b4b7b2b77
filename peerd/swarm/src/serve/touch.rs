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

    /// The lists it refers to.
    pub(crate) fn touch_lists(&self) -> usize {
        self.neighbours.touch() ^ self.queue.touch() ^ self.uplink.touch()
    }

    /// What is known of the neighbour `peer`.
    pub(crate) fn touch_neighbour(&self, peer: PeerKey) -> usize {
        let Some(at) = self.find(peer) else { return 0 };
        let neighbour = &self.neighbours[at];
        neighbour.has.count() as usize ^ usize::from(neighbour.idle()) ^ usize::from(neighbour.last_ask == self.now)
    }
}
