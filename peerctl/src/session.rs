//! What a session, a script or a menu remembers from one command to the next: what it is connected to, and which ends of
//! transfers the user has read already.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use proto::ids::{PeerId, PeerName, TransferId};

/// A peer through which list and download speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) peer_id: PeerId,
    pub(crate) name: PeerName,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Session {
    place: RefCell<Option<Place>>,
    told: RefCell<BTreeSet<TransferId>>,
    menu: Cell<bool>,
}

impl Session {
    /// From now on list and download speak through a peer, or with the directory again.
    pub(crate) fn connect(&self, place: Option<Place>) {
        *self.place.borrow_mut() = place;
    }

    /// The peer that list and download speak through, if it is one.
    pub(crate) fn place(&self) -> Option<Place> {
        self.place.borrow().clone()
    }

    /// The same as a word for the daemon: an id, for names may be given twice.
    pub(crate) fn via(&self) -> Option<String> {
        self.place().map(|place| place.peer_id.to_string())
    }

    /// A menu runs one command after the other, although it may be the only command itself.
    pub(crate) fn enter_menu(&self) {
        self.menu.set(true);
    }

    /// Whether a menu runs.
    pub(crate) fn in_menu(&self) -> bool {
        self.menu.get()
    }

    /// The user has read how this transfer ended.
    pub(crate) fn has_read(&self, transfer: TransferId) {
        self.told.borrow_mut().insert(transfer);
    }

    /// Whether the user knows how it ended. Asked once, when the news comes.
    pub(crate) fn knows(&self, transfer: TransferId) -> bool {
        self.told.borrow_mut().remove(&transfer)
    }
}
