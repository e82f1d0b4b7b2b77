//! Bringing a schema up to date: the same rules for every database.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};

use crate::config::Database;

/// Why a database could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It cannot be opened.
    #[error("cannot open the database {database}: {why}")]
    Open {
        /// Which.
        database: Database,
        /// What the system says.
        why: String,
    },
    /// It was written by a newer program.
    #[error(
        "the database {database} was written by a newer directoryd (it has `{newest}`): run that version, or restore a \
         backup; nothing was changed"
    )]
    Newer {
        /// Which.
        database: Database,
        /// A step that this program does not know.
        newest: String,
    },
    /// A step failed; those before it are done.
    #[error("cannot bring the database {database} up to date: {why}")]
    Step {
        /// Which.
        database: Database,
        /// What the database says.
        why: String,
    },
}

impl MigrateError {
    pub(super) fn open(database: &Database, why: &impl ToString) -> Self {
        Self::Open { database: database.clone(), why: why.to_string() }
    }
}

/// What was done to bring a database up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Names of the steps that were missing, in the order in which they were applied.
    pub steps: Vec<String>,
}

/// Applies the steps that are missing. A database that has one which is not `known` is left alone.
pub(super) fn bring_up_to_date<DB: Backend>(
    database: &Database,
    known: &EmbeddedMigrations,
    harness: &mut impl MigrationHarness<DB>,
) -> Result<Migrated, MigrateError> {
    let mut steps: Vec<Box<dyn Migration<DB>>> =
        known.migrations().map_err(|error| MigrateError::open(database, &error))?;
    let applied = harness.applied_migrations().map_err(|error| MigrateError::open(database, &error))?;
    if let Some(newest) = applied.iter().find(|version| steps.iter().all(|step| step.name().version() != **version)) {
        return Err(MigrateError::Newer { database: database.clone(), newest: newest.to_string() });
    }
    steps.retain(|step| !applied.contains(&step.name().version()));
    steps.sort_by(|one, other| one.name().version().cmp(&other.name().version()));
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| MigrateError::Step {
        database: database.clone(),
        why: error.to_string(),
    };
    harness.run_migrations(&steps).map_err(failed)?;
    Ok(Migrated { steps: steps.iter().map(|step| step.name().to_string()).collect() })
}
