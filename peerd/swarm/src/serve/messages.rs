//! What goes into the serving half and what comes out of it.

use crate::peers::{Have, PeerKey};
use crate::pieces::{Bitfield, Piece};

/// A fact. Those about unknown neighbours, and ends of what was not granted, change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants to see what there is. Answered by [`Output::Show`] or [`Output::TurnAway`].
    NeighbourJoined {
        /// Never used before for this file.
        peer: PeerKey,
        /// What it has, as far as known; nothing, if unknown.
        has: Have,
    },
    /// A neighbour asks for a piece. Answered by [`Output::Grant`], sooner or later, or [`Output::Refuse`].
    NeighbourAsks {
        /// Who.
        peer: PeerKey,
        /// For which.
        piece: Piece,
    },
    /// A neighbour does not need the answer any more, granted or not. If it was granted, it ended with this.
    NeighbourWithdraws {
        /// Who.
        peer: PeerKey,
        /// Which.
        piece: Piece,
    },
    /// A neighbour has these pieces, wherever from. Optional: it spares it news that is none to it.
    NeighbourHas {
        /// Who.
        peer: PeerKey,
        /// Which.
        pieces: Vec<Piece>,
    },
    /// A neighbour is gone, with all that it asked for.
    NeighbourLeft {
        /// Who.
        peer: PeerKey,
    },
    /// A granted piece is under way no more.
    Ended {
        /// To whom it was sent.
        peer: PeerKey,
        /// Which.
        piece: Piece,
        /// Whether all of it was sent.
        sent: bool,
    },
    /// This peer has more pieces, verified and readable.
    Gained {
        /// Which.
        pieces: Vec<Piece>,
    },
    /// Other complete holders have come, or all but this one have gone.
    Role {
        /// What this peer is among the holders.
        role: Role,
    },
}

/// What a peer is among the holders of a file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The only complete one: its uplink is what everybody waits for, and should carry no piece twice before it
    /// carried all once.
    LoneSeed,
    /// One of several, or still fetching: shows what it has.
    OneOfMany,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell all of `peers` that this peer has these pieces. The first one to a neighbour answers its joining.
    Show {
        /// Whom to tell.
        peers: Vec<PeerKey>,
        /// What there is for them.
        shown: Shown,
    },
    /// Send `piece` to `peer`, and say [`Input::Ended`] when it is sent or cannot be.
    Grant {
        /// To whom.
        peer: PeerKey,
        /// Which.
        piece: Piece,
    },
    /// Tell `peer` that it will not get `piece`.
    Refuse {
        /// Whom to tell.
        peer: PeerKey,
        /// Which.
        piece: Piece,
        /// Why.
        refusal: Refusal,
    },
    /// There are neighbours enough: `peer` is none, or none any more.
    TurnAway {
        /// Whom to tell.
        peer: PeerKey,
    },
}

/// What a neighbour is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Every piece.
    All,
    /// These, and nothing else so far.
    First(Bitfield),
    /// These too.
    More(Vec<Piece>),
}

/// Why an ask is refused.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The piece is not here.
    Lacking,
    /// The neighbour has too many asks waiting, or is none.
    Busy,
    /// Another neighbour has the piece from here or is being sent it, and others wait for pieces that nobody has: ask there.
    Elsewhere,
}
