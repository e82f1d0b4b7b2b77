//! What goes into the fetching half and what comes out of it.

use crate::peers::{Have, PeerKey};
use crate::pieces::Piece;

/// A fact or a command. Facts about unknown peers, and answers to what was not asked or was withdrawn, change nothing
/// but what is said at the variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A peer can be asked. A second join of the same key is ignored.
    PeerJoined {
        /// Never used before in this download.
        peer: PeerKey,
        /// What it has now.
        have: Have,
    },
    /// A peer has pieces that it did not have.
    PeerGained {
        /// Who.
        peer: PeerKey,
        /// Known or impossible ones are skipped.
        pieces: Vec<Piece>,
    },
    /// A peer cannot be asked any more; all its requests are free without further word.
    PeerLeft {
        /// Who.
        peer: PeerKey,
    },
    /// The first bytes of an answer are here. Optional, and worth telling: what has not begun can be moved to another
    /// peer at no cost. Until it is said for the first time, the oldest request of every peer is taken to have begun;
    /// from then on, only those it is said of.
    PieceBegun {
        /// Where they came from.
        peer: PeerKey,
        /// Which.
        piece: Piece,
    },
    /// A piece is verified and written. Believed even of peers that left and requests that were withdrawn: the bytes
    /// are there. A piece that was stored before counts as duplicate bytes.
    PieceStored {
        /// Where it came from.
        peer: PeerKey,
        /// Which.
        piece: Piece,
    },
    /// Bytes came that do not hash. Proof against the peer, even when the request had been withdrawn.
    PieceRejected {
        /// Where they came from.
        peer: PeerKey,
        /// Which piece they claimed to be.
        piece: Piece,
    },
    /// A request will not be answered.
    RequestFailed {
        /// Of whom it was asked.
        peer: PeerKey,
        /// What was asked.
        piece: Piece,
        /// Why.
        failure: Failure,
    },
    /// Ask nobody until [`Input::Resume`].
    Pause,
    /// Go on.
    Resume,
    /// Never ask anybody again.
    Cancel,
}

/// Why a request will not be answered.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The peer says that it does not have the piece. It is not asked for it again until it says it gained it.
    Refused,
    /// The peer has the piece but no room for the request now.
    Busy,
    /// The peer says to ask others who have the piece. Nothing that speaks against it; it is not asked for the piece again
    /// until it says that it gained it.
    Elsewhere,
    /// The connection failed, a timeout, anything else.
    Lost,
}

/// What the driver is to do or to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask `peer` for `piece`.
    Request {
        /// Whom.
        peer: PeerKey,
        /// For what.
        piece: Piece,
    },
    /// The answer is not needed any more. Saves bytes when it comes in time; no failure when it does not.
    Withdraw {
        /// Whom to tell.
        peer: PeerKey,
        /// What is not needed.
        piece: Piece,
    },
    /// Have nothing more to do with `peer`; this takes back all its requests.
    Ban {
        /// Whom.
        peer: PeerKey,
        /// Why.
        reason: BanReason,
    },
    /// Nobody is left who has what is missing. Said once, until [`Output::Unstalled`].
    Stalled,
    /// Somebody can be asked again.
    Unstalled,
    /// Everything is stored. Said once; the last thing said.
    Done,
}

/// Why a peer is banned.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum BanReason {
    /// It sent bytes that do not hash to the piece they claimed to be.
    WrongBytes,
}

/// How far a download is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes on disk and verified.
    pub stored_bytes: u64,
    /// Bytes of the file.
    pub total_bytes: u64,
    /// Pieces on disk and verified.
    pub stored_pieces: u32,
    /// Pieces of the file.
    pub total_pieces: u32,
    /// Bytes asked of peers that still have time to answer.
    pub in_flight_bytes: u64,
    /// Bytes that came though they were there already.
    pub duplicate_bytes: u64,
}
