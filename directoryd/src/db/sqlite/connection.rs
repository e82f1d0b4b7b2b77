//! Opening the file, and bringing it up to date.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use crate::config::Database;
use crate::db::StoreError;
use crate::db::migrations::{self, MigrateError, Migrated};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// How long a statement waits for another process that writes. Shorter than any client's patience.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes the database if there is none (mode 0600), and applies the steps that it misses.
pub(in crate::db) fn migrate(path: &Path) -> Result<Migrated, MigrateError> {
    let database = Database::Sqlite(path.to_owned());
    create_closed(path).map_err(|error| MigrateError::open(&database, &error))?;
    let mut connection = open(path).map_err(|error| MigrateError::open(&database, &error))?;
    migrations::bring_up_to_date(&database, &MIGRATIONS, &mut connection)
}

/// The file is there before `SQLite` is, so that it and the files beside it get its mode.
fn create_closed(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.len() == 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// A connection for reading and writing to a database that is there.
pub(super) fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let broken = |why: String| StoreError::Broken(why);
    // Without this, SQLite would quietly make a new, empty database where the old one vanished.
    let url = format!("file:{}?mode=rw", uri_path(path)?);
    let mut connection = SqliteConnection::establish(&url).map_err(|error| broken(error.to_string()))?;
    // WAL: readers do not wait for the writer. FULL: a commit is on disk when it returns. Cache and map: KiB and bytes.
    let pragmas = format!(
        "PRAGMA busy_timeout = {};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -16384;
         PRAGMA mmap_size = 268435456;
         PRAGMA journal_size_limit = 67108864;",
        BUSY_TIMEOUT.as_millis()
    );
    connection.batch_execute(&pragmas)?;
    Ok(connection)
}

/// A path as it has to stand in a URI (<https://www.sqlite.org/uri.html>).
fn uri_path(path: &Path) -> Result<String, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Broken("its path is not UTF-8".into()))?;
    Ok(text.replace('%', "%25").replace('?', "%3f").replace('#', "%23"))
}

#[cfg(test)]
mod tests {
    use diesel::RunQueryDsl;
    use diesel::sql_query;
    use diesel_migrations::MigrationHarness;

    use super::*;

    #[test]
    fn a_new_database_is_made_closed_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd name?#%.db");
        assert!(!migrate(&path).unwrap().steps.is_empty());
        assert_eq!(migrate(&path).unwrap().steps.len(), 0);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn every_step_can_be_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.db");
        let steps = migrate(&path).unwrap().steps;
        let mut connection = open(&path).unwrap();
        assert_eq!(connection.revert_all_migrations(MIGRATIONS).unwrap().len(), steps.len());
        drop(connection);
        assert_eq!(migrate(&path).unwrap().steps, steps);
    }

    #[test]
    fn a_newer_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.db");
        migrate(&path).unwrap();
        let mut connection = open(&path).unwrap();
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";
        sql_query(newer).execute(&mut connection).unwrap();
        drop(connection);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(migrate(&path), Err(MigrateError::Newer { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn what_is_no_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.db");
        let text = b"my shopping list, which is certainly no database".repeat(100);
        std::fs::write(&path, &text).unwrap();
        let error = migrate(&path).unwrap_err().to_string();
        assert!(error.contains("not a database"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }
}
