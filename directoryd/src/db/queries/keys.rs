//! What tickets are signed with, and which directory they are for.
//!
//! Invariant: once a directory has served there is exactly one key without an end, the newest; there are at most two that
//! have not ended. A rotation writes down all that follows from it, so that whoever reads it later, another process or
//! another start, comes to the same: until `signs_from` the key before signs, while peers learn the new one with their
//! heartbeats; from then on nothing is signed with the old one, and a ticket's life later it ends.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, QueryDsl};
use proto::Timestamp;
use proto::ticket::{KeyId, Signer};

use super::{Connection, RunQueryDsl};
use crate::db::schema::{directory, signing_keys};
use crate::db::{Answer, KeyTerms, Rotation, SigningKey, StoreError, rows};

/// How long a serving directory may take to notice a rotation.
const NOTICE: Duration = Duration::from_secs(2);
/// The one row of `directory`.
const ONLY: i32 = 1;

#[derive(Insertable)]
#[diesel(table_name = directory)]
struct DirectoryRow {
    id: i32,
    audience: String,
    lease: i64,
    ticket: i64,
    events_gone: i64,
}

#[derive(Insertable)]
#[diesel(table_name = signing_keys, treat_none_as_default_value = false)]
struct KeyRow<'a> {
    key_id: &'a str,
    secret: &'a [u8],
    created_at: i64,
    signs_from: i64,
    ends_at: Option<i64>,
}

/// Notes the terms of this start, and makes the first key. Answers the audience.
pub(in crate::db) async fn begin(connection: &mut Connection, terms: KeyTerms, now: Timestamp) -> Answer<String> {
    know(connection, terms).await?;
    let values = (directory::lease.eq(milliseconds(terms.lease)), directory::ticket.eq(milliseconds(terms.ticket)));
    diesel::update(directory::table.find(ONLY)).set(values).execute(connection).await?;
    if all(connection).await?.is_empty() {
        insert(connection, now, now).await?;
    }
    Ok(directory::table.find(ONLY).select(directory::audience).first(connection).await?)
}

/// The newest first.
pub(in crate::db) async fn all(connection: &mut Connection) -> Answer<Vec<SigningKey>> {
    let rows: Vec<(Vec<u8>, i64, i64, Option<i64>)> = signing_keys::table
        .select((signing_keys::secret, signing_keys::created_at, signing_keys::signs_from, signing_keys::ends_at))
        .order((signing_keys::ends_at.is_null().desc(), signing_keys::ends_at.desc()))
        .load(connection)
        .await?;
    rows.into_iter()
        .map(|(secret, created_at, signs_from, ends_at)| {
            let signer = rows::signer(&secret)?;
            Ok(SigningKey {
                id: KeyId::of(&signer.public_key()),
                signer: Arc::new(signer),
                created_at: rows::time(created_at)?,
                signs_from: rows::time(signs_from)?,
                ends_at: ends_at.map(rows::time).transpose()?,
            })
        })
        .collect()
}

/// Makes a new key, and settles when the present one ends. With `force`, no key but the new one counts from now on.
pub(in crate::db) async fn rotate(
    connection: &mut Connection,
    terms: KeyTerms,
    force: bool,
    now: Timestamp,
) -> Answer<Rotation> {
    let terms = know(connection, terms).await?;
    let gone = signing_keys::ends_at.is_not_null().and(signing_keys::ends_at.le(now.as_millisecond()));
    diesel::delete(signing_keys::table.filter(gone)).execute(connection).await?;
    if force {
        diesel::delete(signing_keys::table).execute(connection).await?;
    }
    let live = all(connection).await?;
    if let Some(until) = live.iter().find_map(|key| key.ends_at) {
        return Ok(Rotation::TooSoon { until });
    }
    let signs_from = if live.is_empty() { now } else { now + NOTICE + terms.lease };
    let former_ends = (!live.is_empty()).then(|| signs_from + terms.ticket);
    diesel::update(signing_keys::table)
        .set(signing_keys::ends_at.eq(former_ends.map(Timestamp::as_millisecond)))
        .execute(connection)
        .await?;
    Ok(Rotation::Made { id: insert(connection, now, signs_from).await?, signs_from, former_ends })
}

/// Takes away keys that have ended.
pub(in crate::db) async fn remove(connection: &mut Connection, ended: &[KeyId]) -> Answer<()> {
    let ids = ended.iter().map(KeyId::as_str);
    diesel::delete(signing_keys::table.filter(signing_keys::key_id.eq_any(ids))).execute(connection).await?;
    Ok(())
}

/// What the directory goes by; `terms` where nothing is noted yet.
async fn know(connection: &mut Connection, terms: KeyTerms) -> Answer<KeyTerms> {
    let row = DirectoryRow {
        id: ONLY,
        audience: HEXLOWER.encode(&rand::random::<[u8; 16]>()),
        lease: milliseconds(terms.lease),
        ticket: milliseconds(terms.ticket),
        events_gone: 0,
    };
    diesel::insert_into(directory::table).values(row).on_conflict_do_nothing().execute(connection).await?;
    let (lease, ticket): (i64, i64) =
        directory::table.find(ONLY).select((directory::lease, directory::ticket)).first(connection).await?;
    let duration = |milliseconds| Ok::<_, StoreError>(Duration::from_millis(rows::count(milliseconds)?));
    Ok(KeyTerms { lease: duration(lease)?, ticket: duration(ticket)? })
}

async fn insert(connection: &mut Connection, now: Timestamp, signs_from: Timestamp) -> Answer<KeyId> {
    let (signer, secret) = Signer::generate().map_err(|_| StoreError::Failed("no key could be drawn".into()))?;
    let id = KeyId::of(&signer.public_key());
    let row = KeyRow {
        key_id: id.as_str(),
        secret: secret.as_slice(),
        created_at: now.as_millisecond(),
        signs_from: signs_from.as_millisecond(),
        ends_at: None,
    };
    diesel::insert_into(signing_keys::table).values(row).execute(connection).await?;
    Ok(id)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
