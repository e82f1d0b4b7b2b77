//! Prefetches what an input is going to need: see [`crate::prefetch`].

use super::Server;
use crate::peers::PeerKey;
use crate::prefetch::prefetch;

impl Server {
    /// The lists it refers to.
    pub(crate) fn prefetch_lists(&self) {
        self.neighbours.prefetch();
        self.queue.prefetch();
        self.uplink.prefetch();
    }

    /// What is known of the neighbour `peer`.
    pub(crate) fn prefetch_neighbour(&self, peer: PeerKey) {
        if let Some(at) = self.find(peer) {
            prefetch(&self.neighbours[at]);
        }
    }
}
