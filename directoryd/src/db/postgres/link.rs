//! A connection that comes back: made when it is needed, made anew when it was lost, and not tried for all too often.

use std::time::{Duration, Instant};

use diesel_async::AsyncPgConnection;

use super::connection::Dialler;
use crate::db::{Answer, Purpose, StoreError};

/// How long nobody tries again after the server could not be reached; meanwhile the answer is the same.
const REST: Duration = Duration::from_millis(250);

pub(super) struct Link {
    dialler: Dialler,
    purpose: Purpose,
    open: Option<AsyncPgConnection>,
    refused: Option<(Instant, StoreError)>,
}

impl Link {
    pub(super) fn new(dialler: Dialler, purpose: Purpose) -> Self {
        Self { dialler, purpose, open: None, refused: None }
    }

    /// Whether there is a connection from before, which may have been lost unnoticed.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) async fn connection(&mut self) -> Answer<&mut AsyncPgConnection> {
        let connection = match self.open.take() {
            Some(connection) => connection,
            None => self.dial().await?,
        };
        Ok(self.open.insert(connection))
    }

    /// The next connection is a new one.
    pub(super) fn hang_up(&mut self) {
        self.open = None;
    }

    async fn dial(&mut self) -> Answer<AsyncPgConnection> {
        if let Some((at, error)) = &self.refused
            && at.elapsed() < REST
        {
            return Err(error.clone());
        }
        match self.dialler.dial(self.purpose).await {
            Ok(connection) => {
                if self.refused.take().is_some() {
                    tracing::info!("the database is back");
                }
                Ok(connection)
            }
            Err(error) => {
                if self.refused.is_none() {
                    tracing::warn!(%error, "no connection to the database; trying again");
                }
                self.refused = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}
