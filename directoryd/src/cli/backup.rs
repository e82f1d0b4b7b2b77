//! `directoryd backup FILE`

use std::path::Path;

use anyhow::{Context, bail};
use directoryd::Database;

pub(super) fn run(database: &Database, file: &Path) -> anyhow::Result<()> {
    match database {
        Database::Sqlite(path) => {
            // SQLite would say of a missing file that it is unable to open it, whichever it is.
            std::fs::metadata(path).with_context(|| format!("there is no database {}", path.display()))?;
            directoryd::backup(path, file)?;
            eprintln!("wrote {}", file.display());
            Ok(())
        }
        Database::Postgres(_) => bail!(
            "the database is a PostgreSQL server's; its own program copies it: \
             pg_dump --format=custom --file='{}' '{database}'",
            file.display()
        ),
    }
}
