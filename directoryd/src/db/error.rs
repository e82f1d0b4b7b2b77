//! What can go wrong in the database, as far as callers treat it differently.

use diesel::result::{DatabaseErrorKind, Error};

/// Why the store did not do it. Nothing of the request was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting already, or another process holds the lock: later it works.
    #[error("the database is busy")]
    Busy,
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
    /// Whether `SQLite` may have ended the whole transaction, and not only the statement
    /// (<https://www.sqlite.org/lang_transaction.html>, "Response to errors within a transaction").
    pub(super) fn ends_transaction(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::Unknown, facts) => classify(facts.message()),
            Error::BrokenTransactionManager => Self::Broken("a transaction could not be ended".into()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// By SQLite's fixed texts (`sqlite3ErrStr`): diesel does not hand out the result code.
fn classify(message: &str) -> StoreError {
    let is = |text: &str| message.contains(text);
    if is("database is locked") || is("database table is locked") || is("database schema is locked") {
        StoreError::Busy
    } else if is("database or disk is full") {
        StoreError::Full
    } else if ["disk I/O error", "malformed", "not a database", "readonly database", "unable to open", "out of memory"]
        .into_iter()
        .any(is)
    {
        StoreError::Broken(message.to_owned())
    } else {
        StoreError::Failed(message.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_sqlite_are_told_apart() {
        assert_eq!(classify("database is locked"), StoreError::Busy);
        assert_eq!(classify("database or disk is full"), StoreError::Full);
        assert!(matches!(classify("disk I/O error"), StoreError::Broken(_)));
        assert!(matches!(classify("database disk image is malformed"), StoreError::Broken(_)));
        assert!(!classify("no such table: x").ends_transaction());
    }
}
