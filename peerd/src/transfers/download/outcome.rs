//! How a download ends, and what is tidied up behind it.

use std::io;
use std::sync::Arc;

use proto::control::FailureCode;

use crate::store::part::{BadDestination, Part};

/// An end without the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    /// The kind.
    pub code: FailureCode,
    /// What happened.
    pub reason: String,
}

impl Failed {
    /// An end of that kind.
    pub fn new(code: FailureCode, reason: String) -> Self {
        Self { code, reason }
    }
}

impl From<BadDestination> for Failed {
    fn from(error: BadDestination) -> Self {
        Self::new(destination_code(&error), error.to_string())
    }
}

/// The kind of failure that a bad destination is.
pub fn destination_code(error: &BadDestination) -> FailureCode {
    match error {
        BadDestination::Taken(_) | BadDestination::Busy(_) => FailureCode::Conflict,
        BadDestination::NoRoom { .. } => FailureCode::OutOfSpace,
        BadDestination::Io { error, .. } if is_full(error) => FailureCode::OutOfSpace,
        BadDestination::Io { .. } => FailureCode::Io,
    }
}

/// Whether the disk, or the user's share of it, is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Removes the part file.
pub async fn discard(part: Arc<Part>) {
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || part.discard()).await {
        tracing::warn!(%error, "the part file of a cancelled download cannot be removed");
    }
}
