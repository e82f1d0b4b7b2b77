//! What can go wrong in the database, as far as callers treat it differently.

use diesel::result::{DatabaseErrorKind, Error};

/// Why the store did not do it. Nothing of the request was kept, [`Self::Away`] apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting already, or another process holds the lock: later it works.
    #[error("the database is busy")]
    Busy,
    /// Others changed the same rows at the same time: once more, and it works.
    #[error("others are changing the same")]
    Conflict,
    /// The database server cannot be reached, or was lost on the way. Where that was during a commit, the request may have
    /// been kept: asking again is safe.
    #[error("the database cannot be reached: {0}")]
    Away(String),
    /// Another directory serves from the same database; two would declare each other's peers down.
    #[error("another directoryd is serving from this database: stop it, or choose another with --database-url")]
    Taken,
    /// There is no room for it.
    #[error("the disk is full")]
    Full,
    /// The database cannot be used: input/output error, damage, missing file. Somebody has to look.
    #[error("the database cannot be used: {0}")]
    Broken(String),
    /// This request failed in a way that it should not.
    #[error("the database refused a statement: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the database may have ended the whole transaction, and not only the statement; for `SQLite` see
    /// <https://www.sqlite.org/lang_transaction.html>, "Response to errors within a transaction".
    pub(super) fn ends_transaction(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::Unknown, facts) => classify(facts.message()),
            Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Conflict,
            // The driver has no text for a statement that never left, or whose answer never came. A server that has become
            // read-only is a standby: the one to write to is elsewhere, or will be.
            Error::DatabaseError(
                DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::ReadOnlyTransaction,
                facts,
            ) => Self::Away(facts.message().to_owned()),
            Error::BrokenTransactionManager => Self::Broken("a transaction could not be ended".into()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// By the fixed texts of SQLite (`sqlite3ErrStr`) and PostgreSQL (`lc_messages` is C): diesel does not hand out the codes.
fn classify(message: &str) -> StoreError {
    let has = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if has(&BUSY) {
        StoreError::Busy
    } else if has(&CONFLICT) {
        StoreError::Conflict
    } else if has(&AWAY) {
        StoreError::Away(message.to_owned())
    } else if has(&FULL) {
        StoreError::Full
    } else if has(&BROKEN) {
        StoreError::Broken(message.to_owned())
    } else {
        StoreError::Failed(message.to_owned())
    }
}

const BUSY: [&str; 4] = [
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "canceling statement due to", // … lock timeout, statement timeout, user request
];
const CONFLICT: [&str; 1] = ["deadlock detected"];
const AWAY: [&str; 5] = [
    "terminating connection",
    "the database system is", // … starting up, shutting down, in recovery mode
    "too many clients",
    "remaining connection slots",
    "connection closed",
];
const FULL: [&str; 2] = ["database or disk is full", "No space left on device"];
const BROKEN: [&str; 8] = [
    "disk I/O error",
    "malformed",
    "not a database",
    "readonly database",
    "unable to open",
    "out of memory",
    "could not read block",
    "invalid page in block",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_databases_are_told_apart() {
        assert_eq!(classify("database is locked"), StoreError::Busy);
        assert_eq!(classify("database or disk is full"), StoreError::Full);
        assert!(matches!(classify("disk I/O error"), StoreError::Broken(_)));
        assert!(matches!(classify("database disk image is malformed"), StoreError::Broken(_)));
        assert!(!classify("no such table: x").ends_transaction());
        assert_eq!(classify("canceling statement due to lock timeout"), StoreError::Busy);
        assert_eq!(classify("deadlock detected"), StoreError::Conflict);
        assert!(matches!(classify("terminating connection due to administrator command"), StoreError::Away(_)));
        assert_eq!(classify("could not extend file \"base/5/1\": No space left on device"), StoreError::Full);
        assert!(!classify("relation \"x\" does not exist").ends_transaction());
    }
}
