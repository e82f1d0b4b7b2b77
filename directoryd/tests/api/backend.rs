//! The database under these tests: a file for each directory. `tests/postgres` has another, and runs many of the same tests.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use directoryd::Database;
use tempfile::TempDir;

pub(crate) struct Backend(TempDir);

impl Backend {
    #[expect(clippy::unused_async, reason = "the other one has to wait")]
    pub(crate) async fn start() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn database(&self) -> Database {
        Database::Sqlite(self.path())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("directory.db")
    }

    /// The one number `n` that a query gives.
    #[expect(clippy::unused_async, reason = "the other one has to wait")]
    pub(crate) async fn count(&self, query: &str) -> i64 {
        count(&self.path(), query)
    }

    #[expect(clippy::unused_async, reason = "the other one has to wait")]
    pub(crate) async fn execute(&self, statements: &str) {
        let mut connection = SqliteConnection::establish(self.path().to_str().unwrap()).unwrap();
        connection.batch_execute(statements).unwrap();
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The one number `n` that a query gives.
pub(crate) fn count(database: &Path, query: &str) -> i64 {
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    diesel::sql_query(query).get_result::<Number>(&mut connection).unwrap().n
}
