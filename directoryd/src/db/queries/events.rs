//! The log of changes. A row gets its number inside the transaction of the change, and one writer commits in order, so that a
//! reader who has seen a number has seen every smaller one.

use diesel::dsl::max;
use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl};
use proto::Timestamp;
use proto::directory::{Change, Event};
use proto::ids::FileId;

use super::{Connection, Db, RunQueryDsl};
use crate::db::schema::{directory, events};
use crate::db::{Answer, Reach, rows};

/// [`Change::kind`] of a change of an account.
const USER_CHANGED: &str = "user.changed";
/// Rows per statement: five columns each, under SQLite's limit of 32,766 variables.
const PER_STATEMENT: usize = 2000;
/// Rows that are forgotten at once, so that other writes get in between.
const FORGOTTEN_AT_ONCE: i64 = 10_000;

#[derive(Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
struct EventRow<'a> {
    at: i64,
    kind: &'static str,
    peer_id: Option<&'a [u8]>,
    file_id: Option<&'a [u8]>,
    user_name: Option<&'a str>,
}

pub(in crate::db) async fn append(connection: &mut Connection, at: Timestamp, happened: &[Change]) -> Answer<()> {
    let at = at.as_millisecond();
    for part in happened.chunks(PER_STATEMENT) {
        let rows: Vec<EventRow<'_>> = part.iter().map(|change| row(at, change)).collect();
        diesel::insert_into(events::table).values(rows).execute(connection).await?;
    }
    Ok(())
}

fn row(at: i64, change: &Change) -> EventRow<'_> {
    let none = EventRow { at, kind: change.kind(), peer_id: None, file_id: None, user_name: None };
    match change {
        Change::PeerUp { peer_id } | Change::PeerDown { peer_id } => {
            EventRow { peer_id: Some(peer_id.as_bytes()), ..none }
        }
        Change::FileAnnounced { peer_id, file_id }
        | Change::FilePartial { peer_id, file_id }
        | Change::FileWithdrawn { peer_id, file_id } => {
            EventRow { peer_id: Some(peer_id.as_bytes()), file_id: Some(file_id.as_bytes()), ..none }
        }
        Change::UserChanged { user } => EventRow { user_name: Some(user.as_str()), ..none },
        Change::Unknown => none,
    }
}

type Row = (i64, i64, String, Option<Vec<u8>>, Option<Vec<u8>>, Option<String>);

fn typed((seq, at, kind, peer, file, user): Row) -> Answer<Event> {
    let peer_id = peer.map(|bytes| rows::peer_id(&bytes)).transpose()?;
    let file_id = file.map(|bytes| rows::file_id(&bytes)).transpose()?;
    let change = match (kind.as_str(), peer_id, file_id, user) {
        ("peer.up", Some(peer_id), ..) => Change::PeerUp { peer_id },
        ("peer.down", Some(peer_id), ..) => Change::PeerDown { peer_id },
        ("file.announced", Some(peer_id), Some(file_id), _) => Change::FileAnnounced { peer_id, file_id },
        ("file.partial", Some(peer_id), Some(file_id), _) => Change::FilePartial { peer_id, file_id },
        ("file.withdrawn", Some(peer_id), Some(file_id), _) => Change::FileWithdrawn { peer_id, file_id },
        (USER_CHANGED, _, _, Some(user)) => Change::UserChanged { user: rows::parsed(&user)? },
        _ => Change::Unknown,
    };
    Ok(Event { seq: rows::count(seq)?, at: rows::time(at)?, change })
}

/// What is behind a number, of some files or of all, in order.
pub(in crate::db) async fn after(
    connection: &mut Connection,
    files: Option<&[FileId]>,
    since: u64,
    limit: i64,
) -> Answer<Vec<Event>> {
    let query = events::table.filter(events::seq.gt(rows::signed(since))).order(events::seq).limit(limit);
    let mut query = query.into_boxed::<Db>();
    if let Some(files) = files {
        query = query.filter(events::file_id.eq_any(bytes(files)));
    }
    query.load::<Row>(connection).await?.into_iter().map(typed).collect()
}

/// The last ones, in order.
pub(in crate::db) async fn latest(
    connection: &mut Connection,
    files: Option<&[FileId]>,
    limit: i64,
) -> Answer<Vec<Event>> {
    let mut query = events::table.order(events::seq.desc()).limit(limit).into_boxed::<Db>();
    if let Some(files) = files {
        query = query.filter(events::file_id.eq_any(bytes(files)));
    }
    query.load::<Row>(connection).await?.into_iter().rev().map(typed).collect()
}

fn bytes(files: &[FileId]) -> Vec<&[u8]> {
    files.iter().map(|id| id.as_bytes().as_slice()).collect()
}

/// From where to where the log goes.
pub(in crate::db) async fn reach(connection: &mut Connection) -> Answer<Reach> {
    // A directory that has never served has forgotten nothing.
    let gone: Option<i64> = directory::table.select(directory::events_gone).first(connection).await.optional()?;
    let end: Option<i64> = events::table.select(max(events::seq)).first(connection).await?;
    let gone = rows::count(gone.unwrap_or_default())?;
    Ok(Reach { gone, end: rows::count(end.unwrap_or_default())?.max(gone) })
}

/// Up to which number NATS has them all; `None` before it has had any.
pub(in crate::db) async fn fed(connection: &mut Connection) -> Answer<Option<u64>> {
    let fed: Option<i64> = directory::table.select(directory::events_fed).first(connection).await?;
    fed.map(rows::count).transpose()
}

pub(in crate::db) async fn set_fed(connection: &mut Connection, upto: u64) -> Answer<()> {
    let fed = directory::events_fed.eq(Some(rows::signed(upto)));
    diesel::update(directory::table).set(fed).execute(connection).await?;
    Ok(())
}

/// The last change of an account behind a number: the only one that other processes make of what is shared.
pub(in crate::db) async fn users_changed(connection: &mut Connection, since: u64) -> Answer<Option<u64>> {
    let behind = events::table.filter(events::seq.gt(rows::signed(since)).and(events::kind.eq(USER_CHANGED)));
    let last: Option<i64> = behind.select(max(events::seq)).first(connection).await?;
    last.map(rows::count).transpose()
}

/// Forgets the oldest rows: all but `keep`, and those from before `before`; never the last one, which has the number that
/// the next one goes on from. At most ten thousand at once; how many.
pub(in crate::db) async fn forget(connection: &mut Connection, keep: u64, before: Timestamp) -> Answer<usize> {
    let Reach { gone, end } = reach(connection).await?;
    let (gone, end) = (rows::signed(gone), rows::signed(end));
    let most = (gone + FORGOTTEN_AT_ONCE).min(end - 1);
    let old = events::table.filter(events::seq.le(most)).filter(events::at.lt(before.as_millisecond()));
    let old: Option<i64> = old.select(max(events::seq)).first(connection).await?;
    let upto = old.unwrap_or_default().max(end.saturating_sub(rows::signed(keep))).min(most);
    if upto <= gone {
        return Ok(0);
    }
    diesel::update(directory::table).set(directory::events_gone.eq(upto)).execute(connection).await?;
    Ok(diesel::delete(events::table.filter(events::seq.le(upto))).execute(connection).await?)
}
