//! Logins, by the hash of their token.

use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl};
use proto::Timestamp;
use proto::directory::SessionId;
use proto::ids::UserName;

use super::{Connection, Db, RunQueryDsl};
use crate::db::schema::{sessions, users};
use crate::db::{Answer, ListedSession, NewSession, SessionOwner, rows, session_id};

#[derive(Insertable)]
#[diesel(table_name = sessions)]
struct SessionRow<'a> {
    token_hash: &'a [u8],
    user_name: &'a str,
    created_at: i64,
    expires_at: i64,
    address: Option<String>,
}

/// Whether it was kept: the account may have been disabled or removed since its password was checked.
pub(in crate::db) async fn add(connection: &mut Connection, new: &NewSession) -> Answer<bool> {
    let disabled: Option<bool> =
        users::table.find(new.user.as_str()).select(users::disabled).first(connection).await.optional()?;
    if disabled != Some(false) {
        return Ok(false);
    }
    let row = SessionRow {
        token_hash: &new.token_hash,
        user_name: new.user.as_str(),
        created_at: new.now.as_millisecond(),
        expires_at: new.expires_at.as_millisecond(),
        address: Some(new.address.to_string()),
    };
    diesel::insert_into(sessions::table).values(row).execute(connection).await?;
    Ok(true)
}

pub(in crate::db) async fn owner(connection: &mut Connection, token_hash: &[u8; 32]) -> Answer<Option<SessionOwner>> {
    let row: Option<(String, String, i64)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(users::disabled.eq(false))
        .select((users::name, users::role, sessions::expires_at))
        .first(connection)
        .await
        .optional()?;
    let Some((user, role, expires_at)) = row else { return Ok(None) };
    let owner =
        SessionOwner { user: rows::parsed(&user)?, role: rows::parsed(&role)?, expires_at: rows::time(expires_at)? };
    Ok(Some(owner))
}

/// Sessions that run.
pub(in crate::db) async fn running(connection: &mut Connection, now: Timestamp) -> Answer<u64> {
    let running = sessions::table.filter(sessions::expires_at.gt(now.as_millisecond())).count();
    rows::count(running.get_result(connection).await?)
}

pub(in crate::db) async fn remove(connection: &mut Connection, token_hash: &[u8; 32]) -> Answer<()> {
    diesel::delete(sessions::table.find(token_hash.as_slice())).execute(connection).await?;
    Ok(())
}

/// Sessions of an account, those that began last first, from behind `after` on: the time in milliseconds, then the id.
pub(in crate::db) async fn list(
    connection: &mut Connection,
    user: &UserName,
    after: Option<&(i64, Vec<u8>)>,
    limit: i64,
) -> Answer<Vec<ListedSession>> {
    type Row = (Vec<u8>, i64, i64, Option<String>);
    let mut query = sessions::table
        .filter(sessions::user_name.eq(user.as_str()))
        .select((sessions::token_hash, sessions::created_at, sessions::expires_at, sessions::address))
        .order((sessions::created_at.desc(), sessions::token_hash.desc()))
        .limit(limit)
        .into_boxed::<Db>();
    if let Some((time, id)) = after {
        let same_time = sessions::created_at.eq(*time).and(sessions::token_hash.lt(id));
        query = query.filter(sessions::created_at.lt(*time).or(same_time));
    }
    let rows: Vec<Row> = query.load(connection).await?;
    rows.into_iter()
        .map(|(token_hash, created_at, expires_at, address)| {
            Ok(ListedSession {
                id: session_id(&rows::token_hash(&token_hash)?),
                created_at: rows::time(created_at)?,
                expires_at: rows::time(expires_at)?,
                address: address.map(|text| rows::parsed(&text)).transpose()?,
            })
        })
        .collect()
}

/// Ends a session, of `user` only where one is given. Whether there was such a one.
pub(in crate::db) async fn revoke(connection: &mut Connection, id: SessionId, user: Option<&UserName>) -> Answer<bool> {
    let (first, mut last) = (id.as_bytes().to_vec(), id.as_bytes().to_vec());
    last.resize(32, 0xff);
    let mut query =
        diesel::delete(sessions::table.filter(sessions::token_hash.between(first, last))).into_boxed::<Db>();
    if let Some(user) = user {
        query = query.filter(sessions::user_name.eq(user.as_str()));
    }
    Ok(query.execute(connection).await? > 0)
}

/// Takes away what has ended.
pub(in crate::db) async fn remove_ended(connection: &mut Connection, now: Timestamp) -> Answer<()> {
    diesel::delete(sessions::table.filter(sessions::expires_at.le(now.as_millisecond()))).execute(connection).await?;
    Ok(())
}
