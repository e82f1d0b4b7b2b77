//! Logins, by the hash of their token.

use std::net::IpAddr;

use diesel::sqlite::SqliteConnection;
use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl, RunQueryDsl};
use proto::Timestamp;
use proto::directory::{Role, SessionId};
use proto::ids::UserName;

use super::schema::{sessions, users};
use super::{Answer, rows};

/// A session to be kept.
#[derive(Debug)]
pub(crate) struct NewSession {
    /// BLAKE3 of the token.
    pub(crate) token_hash: [u8; 32],
    pub(crate) user: UserName,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Where the login came from.
    pub(crate) address: IpAddr,
}

/// A session, as its user sees it.
#[derive(Debug)]
pub(crate) struct ListedSession {
    pub(crate) id: SessionId,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) address: Option<IpAddr>,
}

/// Whose a session is, as of now.
#[derive(Debug, Clone)]
pub(crate) struct SessionOwner {
    pub(crate) user: UserName,
    pub(crate) role: Role,
    pub(crate) expires_at: Timestamp,
}

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
pub(super) fn add(connection: &mut SqliteConnection, new: &NewSession) -> Answer<bool> {
    let disabled: Option<bool> =
        users::table.find(new.user.as_str()).select(users::disabled).first(connection).optional()?;
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
    diesel::insert_into(sessions::table).values(row).execute(connection)?;
    Ok(true)
}

pub(super) fn owner(connection: &mut SqliteConnection, token_hash: &[u8; 32]) -> Answer<Option<SessionOwner>> {
    let row: Option<(String, String, i64)> = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token_hash.as_slice()))
        .filter(users::disabled.eq(false))
        .select((users::name, users::role, sessions::expires_at))
        .first(connection)
        .optional()?;
    let Some((user, role, expires_at)) = row else { return Ok(None) };
    let owner =
        SessionOwner { user: rows::parsed(&user)?, role: rows::parsed(&role)?, expires_at: rows::time(expires_at)? };
    Ok(Some(owner))
}

pub(super) fn remove(connection: &mut SqliteConnection, token_hash: &[u8; 32]) -> Answer<()> {
    diesel::delete(sessions::table.find(token_hash.as_slice())).execute(connection)?;
    Ok(())
}

/// Sessions of an account, those that began last first, from behind `after` on: the time in milliseconds, then the id.
pub(super) fn list(
    connection: &mut SqliteConnection,
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
        .into_boxed();
    if let Some((time, id)) = after {
        let same_time = sessions::created_at.eq(*time).and(sessions::token_hash.lt(id));
        query = query.filter(sessions::created_at.lt(*time).or(same_time));
    }
    let rows: Vec<Row> = query.load(connection)?;
    rows.into_iter()
        .map(|(token_hash, created_at, expires_at, address)| {
            Ok(ListedSession {
                id: id(&rows::token_hash(&token_hash)?),
                created_at: rows::time(created_at)?,
                expires_at: rows::time(expires_at)?,
                address: address.map(|text| rows::parsed(&text)).transpose()?,
            })
        })
        .collect()
}

/// What names a session is the first half of its token's hash: it takes no column and no index, and nobody finds a token
/// by it.
pub(crate) fn id(token_hash: &[u8; 32]) -> SessionId {
    let mut id = [0; SessionId::LEN];
    id.copy_from_slice(&token_hash[..SessionId::LEN]);
    SessionId::from_bytes(id)
}

/// Ends a session, of `user` only where one is given. Whether there was such a one.
pub(super) fn revoke(connection: &mut SqliteConnection, id: SessionId, user: Option<&UserName>) -> Answer<bool> {
    let (first, mut last) = (id.as_bytes().to_vec(), id.as_bytes().to_vec());
    last.resize(32, 0xff);
    let mut query = diesel::delete(sessions::table.filter(sessions::token_hash.between(first, last))).into_boxed();
    if let Some(user) = user {
        query = query.filter(sessions::user_name.eq(user.as_str()));
    }
    Ok(query.execute(connection)? > 0)
}

/// Takes away what has ended.
pub(super) fn remove_ended(connection: &mut SqliteConnection, now: Timestamp) -> Answer<()> {
    diesel::delete(sessions::table.filter(sessions::expires_at.le(now.as_millisecond()))).execute(connection)?;
    Ok(())
}
