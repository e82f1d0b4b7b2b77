//! The questions and changes themselves, one file per subject.
//!
//! Written once and compiled twice: `sqlite` and `postgres` each declare this module as their own, and give it the connection,
//! the SQL dialect and the trait that runs a query. Over `SQLite` nothing ever waits: the futures are done when they are
//! first polled.

use super::{Connection, Db, RunQueryDsl};

#[path = "queries/announce.rs"]
pub(in crate::db) mod announce;
#[path = "queries/events.rs"]
pub(in crate::db) mod events;
#[path = "queries/holders.rs"]
pub(in crate::db) mod holders;
#[path = "queries/keys.rs"]
pub(in crate::db) mod keys;
#[path = "queries/listing.rs"]
pub(in crate::db) mod listing;
#[path = "queries/peers.rs"]
pub(in crate::db) mod peers;
#[path = "queries/presence.rs"]
pub(in crate::db) mod presence;
#[path = "queries/sessions.rs"]
pub(in crate::db) mod sessions;
#[path = "queries/users.rs"]
pub(in crate::db) mod users;
