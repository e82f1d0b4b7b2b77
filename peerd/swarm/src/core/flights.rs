//! Everything that was asked for and not answered, in the order it was asked.
//!
//! One dense list for all peers: every decision to move work looks through all of it, and there is no more of it than
//! fits the bytes in flight.
//! Invariant: a peer is asked for a piece at most once at a time, and `Peer::outstanding`, `asked` and `late` are
//! sums over its entries here.

use crate::discovery::NEIGHBOURS;
use crate::peers::{Peer, PeerKey};
use crate::pieces::Piece;
use crate::timers::Moment;

/// One request that has not been answered.
#[derive(Copy, Clone, Debug)]
pub(super) struct Request {
    pub(super) sent: Moment,
    pub(super) deadline: Moment,
    pub(super) peer: PeerKey,
    pub(super) piece: Piece,
    pub(super) len: u32,
    /// Past its deadline: somebody else may be asked.
    pub(super) late: bool,
    /// First bytes are here; or may be, as long as the driver never said of any that they are.
    pub(super) begun: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Flights {
    list: Vec<Request>,
    /// The driver says when answers begin.
    told: bool,
}

impl Flights {
    /// With room for two requests to each of as many peers as there usually are.
    pub(super) fn new() -> Self {
        Self { list: Vec::with_capacity(2 * NEIGHBOURS), told: false }
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Request> {
        self.list.iter()
    }

    /// The piece `peer` was asked for first.
    pub(super) fn oldest_of(&self, peer: PeerKey) -> Option<Piece> {
        self.list.iter().find(|request| request.peer == peer).map(|request| request.piece)
    }

    /// Adds a request to `peer`, whose entry it is.
    pub(super) fn push(&mut self, request: Request, peer: &mut Peer) {
        peer.outstanding += u64::from(request.len);
        peer.asked += 1;
        self.list.push(request);
        self.guess_begun(peer.key);
    }

    /// The request to `peer` for `piece`, no longer outstanding.
    pub(super) fn take(&mut self, peer: &mut Peer, piece: Piece) -> Option<Request> {
        let at = self.list.iter().position(|request| request.piece == piece && request.peer == peer.key)?;
        let request = self.list.remove(at);
        peer.outstanding -= u64::from(request.len);
        peer.asked -= 1;
        peer.late -= u32::from(request.late);
        self.guess_begun(peer.key);
        Some(request)
    }

    /// The first bytes for `piece` came from `peer`.
    pub(super) fn begin(&mut self, peer: PeerKey, piece: Piece) {
        let guesses = !std::mem::replace(&mut self.told, true);
        for request in &mut self.list {
            request.begun &= !guesses;
            request.begun |= request.peer == peer && request.piece == piece;
        }
    }

    /// While the driver does not say when answers begin, the oldest of a peer may have.
    fn guess_begun(&mut self, peer: PeerKey) {
        if !self.told
            && let Some(oldest) = self.list.iter_mut().find(|request| request.peer == peer)
        {
            oldest.begun = true;
        }
    }

    /// Nobody waits for the request to `peer` for `piece` any more, but it stays.
    pub(super) fn keep_as_late(&mut self, peer: &mut Peer, piece: Piece) {
        let waited =
            self.list.iter_mut().find(|request| request.piece == piece && request.peer == peer.key && !request.late);
        if let Some(request) = waited {
            request.late = true;
            peer.late += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Have;
    use crate::pieces::Geometry;

    fn peer(key: u32) -> Peer {
        Peer::new(PeerKey(key), Have::All, Geometry::new(100, 10).unwrap(), 100)
    }

    fn ask(flights: &mut Flights, peer: &mut Peer, piece: u32) {
        let (sent, deadline) = (Moment::EPOCH, Moment::EPOCH);
        let request =
            Request { sent, deadline, peer: peer.key, piece: Piece(piece), len: 10, late: false, begun: false };
        flights.push(request, peer);
    }

    fn begun(flights: &Flights) -> Vec<u32> {
        flights.iter().filter(|request| request.begun).map(|request| request.piece.0).collect()
    }

    #[test]
    fn the_oldest_of_a_peer_is_taken_to_have_begun() {
        let (mut flights, mut one, mut two) = (Flights::new(), peer(1), peer(2));
        ask(&mut flights, &mut one, 5);
        ask(&mut flights, &mut two, 6);
        ask(&mut flights, &mut one, 7);
        assert_eq!(begun(&flights), [5, 6]);
        flights.take(&mut one, Piece(5));
        assert_eq!(begun(&flights), [6, 7]);
    }

    #[test]
    fn what_is_said_to_have_begun_is_believed_of_everybody() {
        let (mut flights, mut one, mut two) = (Flights::new(), peer(1), peer(2));
        for piece in [5, 6, 7] {
            ask(&mut flights, &mut one, piece);
        }
        ask(&mut flights, &mut two, 8);
        flights.begin(one.key, Piece(6));
        assert_eq!(begun(&flights), [6]);
        flights.begin(one.key, Piece(7));
        flights.take(&mut one, Piece(6));
        assert_eq!(begun(&flights), [7]);
    }

    #[test]
    fn the_sums_of_a_peer_follow_its_requests() {
        let (mut flights, mut one) = (Flights::new(), peer(1));
        ask(&mut flights, &mut one, 5);
        ask(&mut flights, &mut one, 6);
        flights.keep_as_late(&mut one, Piece(5));
        flights.keep_as_late(&mut one, Piece(5));
        assert_eq!((one.outstanding, one.asked, one.late), (20, 2, 1));
        flights.take(&mut one, Piece(5));
        assert_eq!((one.outstanding, one.asked, one.late), (10, 1, 0));
        assert!(flights.take(&mut one, Piece(5)).is_none());
    }
}
