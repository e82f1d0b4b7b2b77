//! Accounts, managed by admins, but for one's own password. Whoever lost the last admin makes another with `directoryd user add`.

use std::net::IpAddr;
use std::sync::Arc;

use proto::directory::{NewPassword, NewUser, Page, PatchUser, ProblemCode, User};
use proto::ids::UserName;

use super::caller::Caller;
use super::paging::{self, Cursor};
use super::sessions;
use crate::app::{App, now};
use crate::db::NewAccount;
use crate::error::ApiError;

pub(crate) async fn create(app: &App, new: NewUser) -> Result<User, ApiError> {
    let NewUser { name, password, role } = new;
    let taken = || ApiError::new(ProblemCode::Conflict, format!("there is a user `{name}` already"));
    let password_hash = app.passwords.hash(checked(password)?).await?;
    let account = NewAccount { name: name.clone(), password_hash, role };
    app.store.add_user(account, now()).await?.ok_or_else(taken)
}

pub(crate) async fn list(app: &App, cursor: Option<Cursor>, limit: usize) -> Result<Page<User>, ApiError> {
    let users = app.store.users(cursor.map(|cursor| cursor.name), paging::one_more(limit)).await?;
    Ok(paging::page(users, limit, |user| Cursor { name: user.name.to_string(), id: Vec::new() }))
}

pub(crate) async fn get(app: &App, name: UserName) -> Result<User, ApiError> {
    app.store.user(name.clone()).await?.ok_or_else(|| missing(&name))
}

pub(crate) async fn patch(app: &App, name: UserName, patch: PatchUser) -> Result<User, ApiError> {
    let user = app.store.patch_user(name.clone(), patch, now()).await?;
    app.sessions.clear();
    user.ok_or_else(|| missing(&name))
}

/// Admins set anybody's; everybody changes their own, knowing what it was: a stolen session is not enough for that.
pub(crate) async fn set_password(
    app: &App,
    caller: &Caller,
    name: UserName,
    new: NewPassword,
    address: IpAddr,
) -> Result<(), ApiError> {
    let password = checked(new.password)?;
    let own = name == caller.user;
    if own {
        let current = new.current.ok_or_else(|| {
            ApiError::malformed("`current` is missing: changing one's own password takes the one that it was")
        })?;
        let proven = sessions::prove(app, &name, current, address).await?;
        proven.ok_or_else(|| ApiError::forbidden("`current` is not the password of this account"))?;
    }
    let hash = app.passwords.hash(password).await?;
    let keep = own.then_some(caller.token_hash);
    let found = app.store.set_password(name.clone(), hash, keep, now()).await?;
    app.sessions.clear();
    if found { Ok(()) } else { Err(missing(&name)) }
}

pub(crate) async fn remove(app: &Arc<App>, name: UserName) -> Result<(), ApiError> {
    app.to_its_end(|app| async move {
        let peers = app.store.remove_user(name.clone(), now()).await;
        app.sessions.clear();
        app.memory.forget_all();
        for peer in peers?.ok_or_else(|| missing(&name))? {
            app.liveness.forget(&peer);
            app.tickets.forget(&peer);
        }
        Ok(())
    })
    .await
}

fn checked(password: proto::secret::Secret) -> Result<proto::secret::Secret, ApiError> {
    match password.expose().len() {
        0 => Err(ApiError::malformed("the password is empty")),
        1..=4096 => Ok(password),
        _ => Err(ApiError::malformed("the password is longer than 4096 bytes")),
    }
}

fn missing(name: &UserName) -> ApiError {
    ApiError::not_found(format!("there is no user `{name}`"))
}
