//! What is kept of the database in memory and hears of its changes: after the commit, and before whoever made the change is
//! answered.

use std::sync::Arc;

use proto::ids::{FileId, PeerId};

use crate::listing::Listing;
use crate::swarms::{PeerChange, Swarms};

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) swarms: Swarms,
    pub(crate) listing: Arc<Listing>,
}

impl Memory {
    /// Somebody holds more or less of these files than before, or under other names.
    pub(crate) fn files_changed(&self, files: Vec<FileId>) {
        self.swarms.files_changed(files.iter().copied());
        self.listing.files_changed(files);
    }

    /// A peer registered, or went up or down.
    pub(crate) fn peer_changed(&self, peer: &PeerId, change: impl FnOnce(&mut PeerChange<'_>)) {
        self.swarms.peer_changed(peer, change);
    }

    /// The files of a peer count it as what it is now.
    pub(crate) fn holders_counted(&self, peer: &PeerId) {
        self.listing.peer_changed(peer);
    }

    /// Anything may have changed.
    pub(crate) fn forget_all(&self) {
        self.swarms.forget_all();
        self.listing.forget_all();
    }
}
