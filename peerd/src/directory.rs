//! This peer's side of the directory.
//!
//! - [`client`]: the REST calls, as plain functions;
//! - [`clock`]: what time it is there;
//! - [`session`]: what to do next, decided without doing it;
//! - [`actor`]: does it, and keeps the directory's picture of this peer equal to the catalog;
//! - [`events`]: hears of changes there;
//! - [`resolve`]: what a word that somebody typed means.
//!
//! The heartbeat is an actor of its own: a long exchange of shares must not cost a lease.

pub mod actor;
pub mod client;
pub mod clock;
pub mod events;
pub mod resolve;
pub mod session;

pub use actor::{Directory, Msg, View};
pub use client::{Client, ClientError};
pub use events::Interests;
