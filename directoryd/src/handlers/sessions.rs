//! Logging in and out.

use data_encoding::HEXLOWER;
use proto::directory::{CurrentSession, LoginRequest, ProblemCode, Session};
use proto::secret::Secret;

use super::caller::Caller;
use crate::app::{App, now};
use crate::db::NewSession;
use crate::error::ApiError;

/// A new session. Unknown user, wrong password and disabled account get the same answer after the same time.
pub(crate) async fn log_in(app: &App, request: LoginRequest) -> Result<Session, ApiError> {
    let LoginRequest { username: user, password } = request;
    let credentials = app.store.credentials(user.clone()).await?;
    let hash = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let fits = app.passwords.verify(hash, password).await?;
    let Some(credentials) = credentials.filter(|credentials| fits && !credentials.disabled) else {
        tracing::info!(%user, "a login failed");
        return Err(wrong());
    };
    let token = Secret::new(HEXLOWER.encode(&rand::random::<[u8; 32]>()));
    let start = now();
    let expires_at = start + app.terms.session;
    let token_hash = *blake3::hash(token.expose().as_bytes()).as_bytes();
    if !app.store.add_session(NewSession { token_hash, user: user.clone(), now: start, expires_at }).await? {
        return Err(wrong());
    }
    Ok(Session { token, expires_at, user, role: credentials.role })
}

pub(crate) fn current(caller: Caller) -> CurrentSession {
    CurrentSession { user: caller.user, role: caller.role, expires_at: caller.expires_at }
}

pub(crate) async fn log_out(app: &App, caller: &Caller) -> Result<(), ApiError> {
    app.store.remove_session(caller.token_hash).await?;
    app.sessions.clear();
    Ok(())
}

fn wrong() -> ApiError {
    ApiError::new(ProblemCode::BadCredentials, "user name or password is wrong, or the account is disabled")
}
