//! The one hop to the database.
//!
//! [`Store`] has a method per question and per change; handlers call nothing else. Writes go through one thread that commits
//! in groups ([`writer`]), reads through a few others ([`readers`]); the query bodies are plain functions over a connection,
//! one file per subject, so that they can be stamped out for a second database without touching a caller.
//!
//! Invariants, each kept inside one transaction: `files.holders` is the number of complete holdings of a file and
//! `files.holders_up` that of peers that are up; `peers.files` is the number of complete holdings of a peer; `names` has
//! exactly the pairs that some share has; every change of state has its row in `events`.
//!
//! A crash loses nothing that was answered: an answer is given after the commit, and a commit is on disk
//! (`synchronous=FULL`).

#![expect(clippy::ref_option_ref, reason = "so says the code that `Insertable` generates")]

mod announce;
mod error;
mod events;
mod holders;
mod keys;
mod listing;
mod peers;
mod plan;
mod readers;
mod rows;
mod schema;
mod sessions;
mod sqlite;
mod store;
mod users;
mod writer;

pub use error::StoreError;
pub use keys::{KeyTerms, Rotation, SigningKey};
pub(crate) use listing::{After, FileFilter, PeerFilter};
pub(crate) use peers::{KnownPeer, Registered, Registration};
pub(crate) use sessions::{ListedSession, NewSession, SessionOwner, id as session_id};
pub(crate) use sqlite::migrate;
pub use sqlite::{MigrateError, Migrated};
pub use store::Store;
pub(crate) use users::Credentials;
pub use users::NewAccount;

/// What the store answers.
pub(crate) type Answer<T> = Result<T, StoreError>;
