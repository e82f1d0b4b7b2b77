//! The one hop to the database.
//!
//! [`Store`] has a method per question and per change; handlers call nothing else. Behind it are two databases: a file of our
//! own ([`sqlite`]) and a PostgreSQL server ([`postgres`]). Both write in one place that commits in groups, and read in a few
//! others. The queries are written once ([`sqlite::queries`], which [`postgres::queries`] is again), in terms of the one
//! schema ([`schema`]).
//!
//! Invariants, each kept inside one transaction: `files.holders` is the number of complete holdings of a file and
//! `files.holders_up` that of peers that count as up there ([`sqlite::queries::presence`]: all files of a peer follow it, the
//! last of many a moment later); `peers.files` is the number of complete holdings of a peer; `names` has
//! exactly the pairs that some share has; every change of state has its row in `events`.
//!
//! A crash loses nothing that was answered: an answer is given after the commit, and a commit is on disk
//! (`synchronous=FULL`, `synchronous_commit=on`).

#![expect(clippy::ref_option_ref, reason = "so says the code that `Insertable` generates")]

mod commits;
mod error;
mod migrations;
mod model;
mod plan;
mod postgres;
mod rows;
mod schema;
mod search;
mod sqlite;
mod store;

pub(crate) use commits::Commits;
pub use error::StoreError;
pub use migrations::{MigrateError, Migrated};
pub(crate) use model::{
    After, Credentials, FileFilter, KnownPeer, ListedSession, NewSession, PeerFilter, Reach, Registered, Registration,
    SessionOwner, session_id,
};
pub use model::{KeyTerms, NewAccount, Rotation, SigningKey};
pub use sqlite::BackupError;
pub use store::Store;

use std::path::Path;

use crate::config::Database;

/// What the store answers.
pub(crate) type Answer<T> = Result<T, StoreError>;

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To serve from it: one directory at a time.
    Serve,
    /// To look at it or change a little, while another process may be serving from it.
    Visit,
}

/// Makes the database if it is a file and not there, and applies the steps that it misses.
pub(crate) async fn migrate(database: &Database) -> Result<Migrated, MigrateError> {
    match database {
        Database::Sqlite(path) => sqlite::migrate(path),
        Database::Postgres(server) => postgres::migrate(server).await,
    }
}

/// Writes the file of an embedded database, as it is now, into a new file.
pub fn backup(database: &Path, to: &Path) -> Result<(), BackupError> {
    sqlite::backup(database, to)
}
