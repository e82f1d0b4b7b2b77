//! The swarm core: what to fetch from whom, and what to show and grant to whom.
//!
//! Two halves of one policy, pure both: no clock, no sockets, no disk, no threads, no luck but a seed. A driver hands
//! in facts and moments and carries out what comes back. The engine is one driver; the simulator in virtual time is
//! another, of the very same calls.
//!
//! Owns every decision about pieces and peers, and nothing else. Bytes, hashes, connections, rate limits and people
//! are the driver's.

mod core;
mod discovery;
mod peers;
mod picker;
mod pieces;
mod prefetch;
mod rng;
mod roster;
pub mod serve;
pub mod sim;
mod timers;

pub use self::core::{BanReason, Config, Core, Failure, Input, Output, PieceOrder, Progress};
pub use discovery::{Looks, NEIGHBOURS};
pub use peers::{Have, PeerKey, PeerState, PeerView};
pub use pieces::{BadGeometry, Bitfield, Geometry, Piece};
pub use timers::Moment;
