//! Logging in and out, and looking after one's sessions.

use std::net::IpAddr;
use std::time::Instant;

use data_encoding::HEXLOWER;
use proto::directory::{CurrentSession, ListedSession, LoginRequest, Page, ProblemCode, Session, SessionId};
use proto::ids::UserName;
use proto::secret::Secret;

use super::caller::Caller;
use super::paging::{self, Cursor};
use crate::app::{App, Turn, now};
use crate::db::{self, Credentials, NewSession};
use crate::error::ApiError;

/// A new session. Unknown user, wrong password and disabled account get the same answer after the same time.
pub(crate) async fn log_in(app: &App, request: LoginRequest, address: IpAddr) -> Result<Session, ApiError> {
    let LoginRequest { username: user, password } = request;
    let credentials = prove(app, &user, password, address).await?.ok_or_else(wrong)?;
    let token = Secret::new(HEXLOWER.encode(&rand::random::<[u8; 32]>()));
    let start = now();
    let expires_at = start + app.terms.session;
    let token_hash = *blake3::hash(token.expose().as_bytes()).as_bytes();
    let session = NewSession { token_hash, user: user.clone(), now: start, expires_at, address };
    if !app.store.add_session(session).await? {
        return Err(wrong());
    }
    Ok(Session { token, expires_at, user, role: credentials.role })
}

/// Whether this password opens this account; `None` where it does not. The one way to find out, and so slowed for whoever
/// guesses.
pub(super) async fn prove(
    app: &App,
    user: &UserName,
    password: Secret,
    address: IpAddr,
) -> Result<Option<Credentials>, ApiError> {
    let slowed = |wait| {
        tracing::debug!(%address, ?wait, "slowed a login");
        ApiError::slowed(wait)
    };
    // Who has to wait anyhow does not stand in the queue.
    app.throttle.check(user, address, Instant::now()).map_err(slowed)?;
    let turn = app.passwords.turn().await?;
    let attempt = app.throttle.admit(user, address, Instant::now()).map_err(slowed)?;
    let (credentials, fits) = match compare(app, turn, user, password).await {
        Ok(result) => result,
        Err(error) => {
            attempt.void();
            return Err(error);
        }
    };
    // What is typed as an unknown name may be a password in the wrong field: it is not logged.
    let known = credentials.as_ref().map(|_| user.as_str());
    let proven = credentials.filter(|credentials| fits && !credentials.disabled);
    if proven.is_some() {
        attempt.succeeded(Instant::now());
    } else {
        tracing::info!(user = known.unwrap_or("(unknown)"), %address, "a login failed");
    }
    Ok(proven)
}

/// The account, and whether the password is its own: false after the same time where there is none.
async fn compare(
    app: &App,
    turn: Turn,
    user: &UserName,
    password: Secret,
) -> Result<(Option<Credentials>, bool), ApiError> {
    let credentials = app.store.credentials(user.clone()).await?;
    let hash = credentials.as_ref().map(|credentials| credentials.password_hash.clone());
    let fits = app.passwords.verify(turn, hash, password).await?;
    Ok((credentials, fits))
}

pub(crate) fn current(caller: Caller) -> CurrentSession {
    CurrentSession { user: caller.user, role: caller.role, expires_at: caller.expires_at }
}

/// Those of `user`, the newest first.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    user: UserName,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page<ListedSession>, ApiError> {
    let place = |cursor: Cursor| match cursor.name.parse() {
        Ok(time) => Ok((time, cursor.id)),
        Err(_) => Err(paging::no_cursor()),
    };
    let after = cursor.map(place).transpose()?;
    let found = app.store.sessions_of(user.clone(), after, paging::one_more(limit)).await?;
    let current = db::session_id(&caller.token_hash);
    let shown = |session: db::ListedSession| ListedSession {
        id: session.id,
        user: user.clone(),
        created_at: session.created_at,
        expires_at: session.expires_at,
        address: session.address,
        current: session.id == current,
    };
    let cursor = |session: &ListedSession| Cursor {
        name: session.created_at.as_millisecond().to_string(),
        id: session.id.as_bytes().to_vec(),
    };
    Ok(paging::page(found.into_iter().map(shown).collect(), limit, cursor))
}

pub(crate) async fn log_out(app: &App, caller: &Caller) -> Result<(), ApiError> {
    app.store.remove_session(caller.token_hash).await?;
    app.sessions.clear();
    Ok(())
}

/// Ends any session of one's own, as an admin of anybody's.
pub(crate) async fn revoke(app: &App, caller: &Caller, id: SessionId) -> Result<(), ApiError> {
    let of = caller.must_be_admin().is_err().then(|| caller.user.clone());
    let revoked = app.store.revoke_session(id, of).await?;
    app.sessions.clear();
    if revoked { Ok(()) } else { Err(ApiError::not_found("there is no such session, or it is not yours")) }
}

fn wrong() -> ApiError {
    ApiError::new(ProblemCode::BadCredentials, "user name or password is wrong, or the account is disabled")
}
