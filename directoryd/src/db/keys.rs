//! What tickets are signed with, and which directory they are for.
//!
//! Invariant: once a directory has served there is exactly one key without an end, the newest; there are at most two that
//! have not ended. A rotation writes down all that follows from it, so that whoever reads it later, another process or
//! another start, comes to the same: until `signs_from` the key before signs, while peers learn the new one with their
//! heartbeats; from then on nothing is signed with the old one, and a ticket's life later it ends.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use diesel::sqlite::SqliteConnection;
use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, QueryDsl, RunQueryDsl};
use proto::Timestamp;
use proto::ticket::{KeyId, Signer};

use super::schema::{directory, signing_keys};
use super::{Answer, StoreError, rows};

/// How long a serving directory may take to notice a rotation.
const NOTICE: Duration = Duration::from_secs(2);
/// The one row of `directory`.
const ONLY: i32 = 1;

/// How long things last that a rotation has to wait for.
#[derive(Debug, Clone, Copy)]
pub struct KeyTerms {
    /// Within it, every peer that is up has had a heartbeat.
    pub lease: Duration,
    /// Life of a ticket.
    pub ticket: Duration,
}

/// A key that tickets may be signed with.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its name.
    pub id: KeyId,
    /// The key itself; `Debug` shows its name only.
    pub(crate) signer: Arc<Signer>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It signs from then on.
    pub signs_from: Timestamp,
    /// By then its last ticket has ended; `None` for the newest.
    pub ends_at: Option<Timestamp>,
}

/// What became of a wish for a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was made.
    Made {
        /// Its name.
        id: KeyId,
        /// It signs from then on.
        signs_from: Timestamp,
        /// When the key before ends; `None` where there is none any more.
        former_ends: Option<Timestamp>,
    },
    /// The last rotation is still going on.
    TooSoon {
        /// Until then.
        until: Timestamp,
    },
}

#[derive(Insertable)]
#[diesel(table_name = directory)]
struct DirectoryRow {
    id: i32,
    audience: String,
    lease: i64,
    ticket: i64,
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
pub(super) fn begin(connection: &mut SqliteConnection, terms: KeyTerms, now: Timestamp) -> Answer<String> {
    know(connection, terms)?;
    let values = (directory::lease.eq(milliseconds(terms.lease)), directory::ticket.eq(milliseconds(terms.ticket)));
    diesel::update(directory::table.find(ONLY)).set(values).execute(connection)?;
    if all(connection)?.is_empty() {
        insert(connection, now, now)?;
    }
    Ok(directory::table.find(ONLY).select(directory::audience).first(connection)?)
}

/// The newest first.
pub(super) fn all(connection: &mut SqliteConnection) -> Answer<Vec<SigningKey>> {
    let rows: Vec<(Vec<u8>, i64, i64, Option<i64>)> = signing_keys::table
        .select((signing_keys::secret, signing_keys::created_at, signing_keys::signs_from, signing_keys::ends_at))
        .order((signing_keys::ends_at.is_null().desc(), signing_keys::ends_at.desc()))
        .load(connection)?;
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
pub(super) fn rotate(
    connection: &mut SqliteConnection,
    terms: KeyTerms,
    force: bool,
    now: Timestamp,
) -> Answer<Rotation> {
    let terms = know(connection, terms)?;
    let gone = signing_keys::ends_at.is_not_null().and(signing_keys::ends_at.le(now.as_millisecond()));
    diesel::delete(signing_keys::table.filter(gone)).execute(connection)?;
    if force {
        diesel::delete(signing_keys::table).execute(connection)?;
    }
    let live = all(connection)?;
    if let Some(until) = live.iter().find_map(|key| key.ends_at) {
        return Ok(Rotation::TooSoon { until });
    }
    let signs_from = if live.is_empty() { now } else { now + NOTICE + terms.lease };
    let former_ends = (!live.is_empty()).then(|| signs_from + terms.ticket);
    diesel::update(signing_keys::table)
        .set(signing_keys::ends_at.eq(former_ends.map(Timestamp::as_millisecond)))
        .execute(connection)?;
    Ok(Rotation::Made { id: insert(connection, now, signs_from)?, signs_from, former_ends })
}

/// Takes away keys that have ended.
pub(super) fn remove(connection: &mut SqliteConnection, ended: &[KeyId]) -> Answer<()> {
    let ids = ended.iter().map(KeyId::as_str);
    diesel::delete(signing_keys::table.filter(signing_keys::key_id.eq_any(ids))).execute(connection)?;
    Ok(())
}

/// What the directory goes by; `terms` where nothing is noted yet.
fn know(connection: &mut SqliteConnection, terms: KeyTerms) -> Answer<KeyTerms> {
    let row = DirectoryRow {
        id: ONLY,
        audience: HEXLOWER.encode(&rand::random::<[u8; 16]>()),
        lease: milliseconds(terms.lease),
        ticket: milliseconds(terms.ticket),
    };
    diesel::insert_into(directory::table).values(row).on_conflict_do_nothing().execute(connection)?;
    let (lease, ticket): (i64, i64) =
        directory::table.find(ONLY).select((directory::lease, directory::ticket)).first(connection)?;
    let duration = |milliseconds| Ok::<_, StoreError>(Duration::from_millis(rows::count(milliseconds)?));
    Ok(KeyTerms { lease: duration(lease)?, ticket: duration(ticket)? })
}

fn insert(connection: &mut SqliteConnection, now: Timestamp, signs_from: Timestamp) -> Answer<KeyId> {
    let (signer, secret) = Signer::generate().map_err(|_| StoreError::Failed("no key could be drawn".into()))?;
    let id = KeyId::of(&signer.public_key());
    let row = KeyRow {
        key_id: id.as_str(),
        secret: secret.as_slice(),
        created_at: now.as_millisecond(),
        signs_from: signs_from.as_millisecond(),
        ends_at: None,
    };
    diesel::insert_into(signing_keys::table).values(row).execute(connection)?;
    Ok(id)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::sqlite;

    const TERMS: KeyTerms = KeyTerms { lease: Duration::from_secs(30), ticket: Duration::from_mins(10) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn database() -> (tempfile::TempDir, SqliteConnection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.db");
        sqlite::migrate(&path).unwrap();
        let connection = sqlite::open(&path).unwrap();
        (folder, connection)
    }

    fn ids(connection: &mut SqliteConnection) -> Vec<KeyId> {
        all(connection).unwrap().into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn audience_and_first_key_are_drawn_once() {
        let (_folder, mut connection) = database();
        let audience = begin(&mut connection, TERMS, at(0)).unwrap();
        let keys = ids(&mut connection);
        assert_eq!((audience.len(), keys.len()), (32, 1));
        assert_eq!(begin(&mut connection, TERMS, at(9)).unwrap(), audience);
        assert_eq!(ids(&mut connection), keys);
    }

    #[test]
    fn the_former_key_lives_until_its_last_ticket_ended() {
        let (_folder, mut connection) = database();
        // What the last start noted counts, not what the command line of the rotation says.
        begin(&mut connection, TERMS, at(0)).unwrap();
        let other = KeyTerms { lease: Duration::from_secs(1), ticket: Duration::from_secs(1) };
        let first = ids(&mut connection);
        let Rotation::Made { id, signs_from, former_ends } = rotate(&mut connection, other, false, at(100)).unwrap()
        else {
            panic!("too soon")
        };
        assert_eq!((signs_from, former_ends), (at(132), Some(at(732))));
        assert_eq!(ids(&mut connection), [id.clone(), first[0].clone()]);
        assert_eq!(
            rotate(&mut connection, other, false, at(731)).unwrap(),
            Rotation::TooSoon { until: at(732) },
            "a third key"
        );
        assert!(matches!(rotate(&mut connection, other, false, at(732)).unwrap(), Rotation::Made { .. }));
        assert_eq!(ids(&mut connection)[1..], [id], "the first one is gone");
    }

    #[test]
    fn by_force_no_earlier_key_counts() {
        let (_folder, mut connection) = database();
        begin(&mut connection, TERMS, at(0)).unwrap();
        rotate(&mut connection, TERMS, false, at(1)).unwrap();
        let forced = rotate(&mut connection, TERMS, true, at(2)).unwrap();
        let Rotation::Made { id, signs_from, former_ends: None } = forced else { panic!("{forced:?}") };
        assert_eq!((signs_from, ids(&mut connection)), (at(2), vec![id]));
    }
}
