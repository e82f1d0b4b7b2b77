//! How the directory itself is doing.

use std::time::Duration;

use proto::directory::{DirectoryKeys, Stats, Version};

use crate::app::App;
use crate::error::ApiError;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether requests can be served: the database answers and nobody is stopping us.
pub(crate) async fn ready(app: &App) -> Result<(), ApiError> {
    if app.is_draining() {
        return Err(ApiError::draining());
    }
    tokio::time::timeout(PATIENCE, app.store.ping()).await.map_err(|_| ApiError::busy())?.map_err(ApiError::from)
}

pub(crate) fn version() -> Version {
    Version { name: "directoryd".to_owned(), version: crate::VERSION.to_owned() }
}

/// What tickets of this directory are checked with.
pub(crate) fn keys(app: &App) -> DirectoryKeys {
    app.tickets.published()
}

pub(crate) async fn stats(app: &App) -> Result<Stats, ApiError> {
    Ok(app.store.stats().await?)
}
