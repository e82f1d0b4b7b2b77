//! Peers go up and down.
//!
//! That changes the kept counts of all files that the peer has, be it a hundred thousand. So a small transaction says that it
//! is so and counts the first files, and others like it count the rest ([`count_some`]), so that whatever else is written gets
//! in between. How far that has come is in the database: after a crash it goes on from there.

use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl};
use proto::Timestamp;
use proto::directory::Change;
use proto::ids::{FileId, PeerId};

use super::{Connection, RunQueryDsl, events};
use crate::db::schema::{files, holdings, peers};
use crate::db::{Answer, rows};

/// Files that one transaction counts: a few milliseconds.
const AT_ONCE: i64 = 1000;

/// Whether a peer is up, and which of its files count it as that.
pub(super) struct Presence {
    up: bool,
    /// Files beyond this id count it as what it was before; where absent, none does.
    counted_to: Option<Vec<u8>>,
}

impl Presence {
    pub(super) fn new(up: bool, counted_to: Option<Vec<u8>>) -> Self {
        Self { up, counted_to }
    }

    /// Whether a file that the peer has all of counts it among those that are up.
    pub(super) fn counts(&self, file: &FileId) -> bool {
        let counted = self.counted_to.as_ref().is_none_or(|to| file.as_bytes().as_slice() <= to.as_slice());
        if counted { self.up } else { !self.up }
    }
}

/// Whether it was down until now.
pub(in crate::db) async fn set_up(connection: &mut Connection, peer: &PeerId, now: Timestamp) -> Answer<bool> {
    let changed = set(connection, peer, true).await?;
    if changed {
        events::append(connection, now, &[Change::PeerUp { peer_id: *peer }]).await?;
    }
    Ok(changed)
}

/// Whether it was up until now.
pub(in crate::db) async fn set_down(
    connection: &mut Connection,
    peer: &PeerId,
    last_seen: Timestamp,
    now: Timestamp,
) -> Answer<bool> {
    let changed = set(connection, peer, false).await?;
    if changed {
        let row = peers::table.find(peer.as_bytes().as_slice());
        diesel::update(row).set(peers::last_seen.eq(last_seen.as_millisecond())).execute(connection).await?;
        events::append(connection, now, &[Change::PeerDown { peer_id: *peer }]).await?;
    }
    Ok(changed)
}

/// Down, and nobody speaks for it until it registers again.
pub(in crate::db) async fn log_out(connection: &mut Connection, peer: &PeerId, now: Timestamp) -> Answer<()> {
    set_down(connection, peer, now, now).await?;
    let row = peers::table.find(peer.as_bytes().as_slice());
    diesel::update(row).set(peers::instance.eq(None::<Vec<u8>>)).execute(connection).await?;
    Ok(())
}

/// Whether that is any different. Counts its first files.
async fn set(connection: &mut Connection, peer: &PeerId, up: bool) -> Answer<bool> {
    let row = peers::table.find(peer.as_bytes().as_slice());
    let other = row.filter(peers::up.ne(up)).select(peers::counted_to);
    let Some(counted_to) = other.first::<Option<Vec<u8>>>(connection).await.optional()? else { return Ok(false) };
    if counted_to.is_some() {
        // Back before all was counted, as after a crash: there is a word for one change that is under way, not for two.
        while count_some(connection, peer).await? {}
    }
    let none = Some(Vec::new());
    diesel::update(row).set((peers::up.eq(up), peers::counted_to.eq(none))).execute(connection).await?;
    count_some(connection, peer).await?;
    Ok(true)
}

/// Counts some more files of a peer that went up or down; whether there may be others.
pub(in crate::db) async fn count_some(connection: &mut Connection, peer: &PeerId) -> Answer<bool> {
    let id = peer.as_bytes().as_slice();
    let row = peers::table.find(id);
    let known: Option<(bool, Option<Vec<u8>>)> =
        row.select((peers::up, peers::counted_to)).first(connection).await.optional()?;
    let Some((up, Some(counted_to))) = known else { return Ok(false) };
    let held = holdings::table.filter(holdings::peer_id.eq(id).and(holdings::complete.eq(true)));
    let left = held.filter(holdings::file_id.gt(&counted_to)).select(holdings::file_id);
    let next: Option<Vec<u8>> =
        left.order(holdings::file_id).offset(AT_ONCE - 1).limit(1).first(connection).await.optional()?;
    let to = next.clone().unwrap_or_else(|| vec![u8::MAX; FileId::LEN]);
    diesel::update(files::table.filter(files::file_id.eq_any(left.filter(holdings::file_id.le(&to)))))
        .set(files::holders_up.eq(files::holders_up + if up { 1 } else { -1 }))
        .execute(connection)
        .await?;
    let more = next.is_some();
    diesel::update(row).set(peers::counted_to.eq(next)).execute(connection).await?;
    Ok(more)
}

/// Whether all files of a peer count it as what it is.
pub(in crate::db) async fn is_counted(connection: &mut Connection, peer: &PeerId) -> Answer<bool> {
    let row = peers::table.find(peer.as_bytes().as_slice()).select(peers::counted_to);
    Ok(row.first::<Option<Vec<u8>>>(connection).await.optional()?.flatten().is_none())
}

/// Peers of which some files do not.
pub(in crate::db) async fn uncounted(connection: &mut Connection) -> Answer<Vec<PeerId>> {
    let ids: Vec<Vec<u8>> =
        peers::table.filter(peers::counted_to.is_not_null()).select(peers::peer_id).load(connection).await?;
    ids.iter().map(|id| rows::peer_id(id)).collect()
}
