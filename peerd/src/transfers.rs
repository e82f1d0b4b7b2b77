//! Downloads, from the wish to the file at its place.
//!
//! - [`manager`]: numbers them, starts them, remembers how they ended, takes them up again after a restart;
//! - [`download`]: one of them: an actor around the sans-IO core of the `swarm` crate;
//! - [`locate`]: finds holders and a manifest that folds up to the id;
//! - [`bearer`]: shows this peer's ticket with every request;
//! - [`limit`]: what limits it now;
//! - [`link`]: the conversation with one peer: fetches pieces, hashes them, writes them;
//! - [`simulation`]: one that is only pretended;
//! - [`progress`]: how far one is, for everybody who wants to see.
//!
//! Bytes never ride in a message: links write them through the store and report facts.

pub mod bearer;
pub mod download;
pub mod limit;
pub mod link;
pub mod locate;
pub mod manager;
pub mod progress;
pub mod simulation;

pub use manager::{Msg, Transfers};
