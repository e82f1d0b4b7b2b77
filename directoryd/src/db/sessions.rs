//! Logins, by the hash of their token.

use diesel::sqlite::SqliteConnection;
use diesel::{ExpressionMethods, Insertable, OptionalExtension, QueryDsl, RunQueryDsl};
use proto::Timestamp;
use proto::directory::Role;
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

/// Takes away what has ended.
pub(super) fn remove_ended(connection: &mut SqliteConnection, now: Timestamp) -> Answer<()> {
    diesel::delete(sessions::table.filter(sessions::expires_at.le(now.as_millisecond()))).execute(connection)?;
    Ok(())
}
