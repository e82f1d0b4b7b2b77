//! Who is asking: from a token to an account.

use std::time::Instant;

use proto::Timestamp;
use proto::directory::Role;
use proto::ids::UserName;

use crate::app::{App, now};
use crate::db::SessionOwner;
use crate::error::ApiError;

/// An account with a running session.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: UserName,
    pub(crate) role: Role,
    pub(crate) expires_at: Timestamp,
    pub(crate) token_hash: [u8; 32],
}

impl Caller {
    pub(crate) fn must_be_admin(&self) -> Result<(), ApiError> {
        match self.role {
            Role::Admin => Ok(()),
            Role::User => Err(ApiError::forbidden("only an admin may manage accounts")),
        }
    }

    pub(crate) fn must_be_admin_or(&self, user: &UserName) -> Result<(), ApiError> {
        if self.user == *user { Ok(()) } else { self.must_be_admin() }
    }
}

/// Who holds this token. What is no token of ours looks like one that has ended.
pub(crate) async fn identify(app: &App, token: &str) -> Result<Caller, ApiError> {
    by_hash(app, *blake3::hash(token.as_bytes()).as_bytes()).await
}

/// The same caller, if the session still runs.
pub(crate) async fn again(app: &App, caller: &Caller) -> Result<Caller, ApiError> {
    by_hash(app, caller.token_hash).await
}

async fn by_hash(app: &App, token_hash: [u8; 32]) -> Result<Caller, ApiError> {
    let owner = match app.sessions.get(&token_hash, Instant::now()) {
        Ok(owner) => owner,
        Err(asked) => {
            let owner = app.store.session(token_hash).await?.ok_or_else(ApiError::unauthenticated)?;
            app.sessions.put(token_hash, owner.clone(), asked, Instant::now());
            owner
        }
    };
    let SessionOwner { user, role, expires_at } = owner;
    if expires_at <= now() {
        return Err(ApiError::unauthenticated());
    }
    Ok(Caller { user, role, expires_at, token_hash })
}
