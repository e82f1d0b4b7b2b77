//! Accounts.

use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, Queryable, Selectable, SelectableHelper};
use proto::Timestamp;
use proto::directory::{Change, PatchFiles, PatchUser, User, Withdraw};
use proto::ids::{PeerId, UserName};

use super::{Connection, Db, RunQueryDsl, announce, events};
use crate::db::schema::{holdings, peers, sessions, users};
use crate::db::{Answer, Credentials, NewAccount, rows};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
struct UserRow {
    name: String,
    role: String,
    disabled: bool,
    created_at: i64,
}

impl UserRow {
    fn typed(self) -> Answer<User> {
        Ok(User {
            name: rows::parsed(&self.name)?,
            role: rows::parsed(&self.role)?,
            disabled: self.disabled,
            created_at: rows::time(self.created_at)?,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = users)]
struct NewUserRow<'a> {
    name: &'a str,
    password_hash: &'a str,
    role: String,
    disabled: bool,
    created_at: i64,
}

/// The account made; `None` where the name is taken.
pub(in crate::db) async fn add(connection: &mut Connection, new: &NewAccount, now: Timestamp) -> Answer<Option<User>> {
    let row = NewUserRow {
        name: new.name.as_str(),
        password_hash: &new.password_hash,
        role: new.role.to_string(),
        disabled: false,
        created_at: now.as_millisecond(),
    };
    let made = diesel::insert_into(users::table).values(row).on_conflict_do_nothing().execute(connection).await?;
    if made == 0 {
        return Ok(None);
    }
    changed(connection, &new.name, now).await?;
    get(connection, &new.name).await
}

pub(in crate::db) async fn get(connection: &mut Connection, name: &UserName) -> Answer<Option<User>> {
    let row = users::table.find(name.as_str()).select(UserRow::as_select()).first(connection).await.optional()?;
    row.map(UserRow::typed).transpose()
}

/// In order of name, from behind `after` on.
pub(in crate::db) async fn list(connection: &mut Connection, after: Option<&str>, limit: i64) -> Answer<Vec<User>> {
    let mut query = users::table.select(UserRow::as_select()).order(users::name).limit(limit).into_boxed::<Db>();
    if let Some(after) = after {
        query = query.filter(users::name.gt(after));
    }
    query.load(connection).await?.into_iter().map(UserRow::typed).collect()
}

pub(in crate::db) async fn credentials(connection: &mut Connection, name: &UserName) -> Answer<Option<Credentials>> {
    let columns = (users::password_hash, users::role, users::disabled);
    let row: Option<(String, String, bool)> =
        users::table.find(name.as_str()).select(columns).first(connection).await.optional()?;
    row.map(|(password_hash, role, disabled)| Ok(Credentials { password_hash, role: rows::parsed(&role)?, disabled }))
        .transpose()
}

/// The account as it is now; `None` where there is none. Disabling ends its sessions.
pub(in crate::db) async fn patch(
    connection: &mut Connection,
    name: &UserName,
    patch: &PatchUser,
    now: Timestamp,
) -> Answer<Option<User>> {
    let row = users::table.find(name.as_str());
    if let Some(disabled) = patch.disabled {
        diesel::update(row).set(users::disabled.eq(disabled)).execute(connection).await?;
    }
    if let Some(role) = patch.role {
        diesel::update(row).set(users::role.eq(role.to_string())).execute(connection).await?;
    }
    let user = get(connection, name).await?;
    if user.as_ref().is_some_and(|user| user.disabled) {
        end_sessions(connection, name, None).await?;
    }
    if user.is_some() {
        changed(connection, name, now).await?;
    }
    Ok(user)
}

/// Whether there is such an account. Its sessions end, but for the one whose token has the hash `keep`.
pub(in crate::db) async fn set_password(
    connection: &mut Connection,
    name: &UserName,
    hash: &str,
    keep: Option<&[u8; 32]>,
    now: Timestamp,
) -> Answer<bool> {
    let row = users::table.find(name.as_str());
    let found = diesel::update(row).set(users::password_hash.eq(hash)).execute(connection).await? > 0;
    if found {
        end_sessions(connection, name, keep).await?;
        changed(connection, name, now).await?;
    }
    Ok(found)
}

/// The peers that went with the account; `None` where there is none of that name.
pub(in crate::db) async fn remove(
    connection: &mut Connection,
    name: &UserName,
    now: Timestamp,
) -> Answer<Option<Vec<PeerId>>> {
    if get(connection, name).await?.is_none() {
        return Ok(None);
    }
    let owned: Vec<Vec<u8>> =
        peers::table.filter(peers::user_name.eq(name.as_str())).select(peers::peer_id).load(connection).await?;
    let owned = owned.iter().map(|id| rows::peer_id(id)).collect::<Answer<Vec<PeerId>>>()?;
    for peer in &owned {
        withdraw_all(connection, peer, now).await?;
        events::append(connection, now, &[Change::PeerDown { peer_id: *peer }]).await?;
    }
    diesel::delete(users::table.find(name.as_str())).execute(connection).await?;
    changed(connection, name, now).await?;
    Ok(Some(owned))
}

/// Through the same door as every withdrawal, so that the kept counts stay right.
async fn withdraw_all(connection: &mut Connection, peer: &PeerId, now: Timestamp) -> Answer<()> {
    loop {
        let held = holdings::table.filter(holdings::peer_id.eq(peer.as_bytes().as_slice()));
        let some: Vec<Vec<u8>> = held.select(holdings::file_id).limit(1000).load(connection).await?;
        if some.is_empty() {
            return Ok(());
        }
        let remove = some
            .iter()
            .map(|id| Ok(Withdraw { file_id: rows::file_id(id)?, name: None }))
            .collect::<Answer<Vec<Withdraw>>>()?;
        announce::patch(connection, peer, &PatchFiles { add: Vec::new(), remove }, now).await?;
    }
}

async fn end_sessions(connection: &mut Connection, name: &UserName, keep: Option<&[u8; 32]>) -> Answer<()> {
    let mut query = diesel::delete(sessions::table.filter(sessions::user_name.eq(name.as_str()))).into_boxed::<Db>();
    if let Some(keep) = keep {
        query = query.filter(sessions::token_hash.ne(keep.as_slice()));
    }
    query.execute(connection).await?;
    Ok(())
}

async fn changed(connection: &mut Connection, name: &UserName, now: Timestamp) -> Answer<()> {
    events::append(connection, now, &[Change::UserChanged { user: name.clone() }]).await
}
