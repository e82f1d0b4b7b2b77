//! Peers: who they are, when they were last heard of, and what they share in sum.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, Insertable, JoinOnDsl, OptionalExtension, QueryDsl, Queryable,
    Selectable, SelectableHelper,
};
use proto::Timestamp;
use proto::directory::{PartDigests, Peer, PeerState, SharesDigest};
use proto::ids::{FileId, PeerId};

use super::{Connection, Db, RunQueryDsl, presence};
use crate::db::schema::{holdings, peers, shares};
use crate::db::{Answer, KnownPeer, Registered, Registration, plan, rows};

/// Shares that are read at once.
const READ_AT_ONCE: i64 = 10_000;

#[derive(Queryable, Selectable)]
#[diesel(table_name = peers)]
pub(super) struct PeerRow {
    pub(super) peer_id: Vec<u8>,
    pub(super) user_name: String,
    pub(super) key: Vec<u8>,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) version: String,
    pub(super) up: bool,
    pub(super) files: i64,
    pub(super) last_seen: i64,
}

impl PeerRow {
    pub(super) fn typed(self) -> Answer<Peer> {
        Ok(Peer {
            peer_id: rows::peer_id(&self.peer_id)?,
            name: rows::parsed(&self.name)?,
            user: rows::parsed(&self.user_name)?,
            address: rows::parsed(&self.address)?,
            state: state(self.up),
            files: rows::count(self.files)?,
            last_seen: rows::time(self.last_seen)?,
            key: rows::public_key(&self.key)?,
            version: self.version,
        })
    }
}

pub(super) fn state(up: bool) -> PeerState {
    if up { PeerState::Up } else { PeerState::Down }
}

#[derive(Insertable)]
#[diesel(table_name = peers, treat_none_as_default_value = false)]
struct NewPeerRow<'a> {
    peer_id: &'a [u8],
    user_name: &'a str,
    key: &'a [u8],
    name: &'a str,
    address: &'a str,
    instance: Option<&'a [u8]>,
    version: &'a str,
    up: bool,
    files: i64,
    last_seen: i64,
    created_at: i64,
    digest: &'a [u8],
}

/// Records the peer, makes this instance the one that speaks for it, and brings it up.
pub(in crate::db) async fn register(
    connection: &mut Connection,
    peer: &Registration,
    now: Timestamp,
) -> Answer<Registered> {
    match known(connection, &peer.peer_id).await? {
        None => {
            insert(connection, peer, now).await?;
            presence::set_up(connection, &peer.peer_id, now).await?;
            Ok(Registered::New)
        }
        Some(known) if known.user != peer.user => Ok(Registered::Taken),
        Some(_) => {
            let values = (
                peers::name.eq(peer.name.as_str()),
                peers::address.eq(peer.address.as_str()),
                peers::instance.eq(peer.instance.as_bytes().as_slice()),
                peers::version.eq(&peer.version),
                peers::last_seen.eq(now.as_millisecond()),
            );
            diesel::update(peers::table.find(peer.peer_id.as_bytes().as_slice()))
                .set(values)
                .execute(connection)
                .await?;
            let was_up = !presence::set_up(connection, &peer.peer_id, now).await?;
            Ok(Registered::Known { was_up })
        }
    }
}

async fn insert(connection: &mut Connection, peer: &Registration, now: Timestamp) -> Answer<()> {
    let digest = SharesDigest::EMPTY.to_bytes();
    let row = NewPeerRow {
        peer_id: peer.peer_id.as_bytes(),
        user_name: peer.user.as_str(),
        key: peer.key.as_bytes(),
        name: peer.name.as_str(),
        address: peer.address.as_str(),
        instance: Some(peer.instance.as_bytes()),
        version: &peer.version,
        up: false,
        files: 0,
        last_seen: now.as_millisecond(),
        created_at: now.as_millisecond(),
        digest: &digest,
    };
    diesel::insert_into(peers::table).values(row).execute(connection).await?;
    Ok(())
}

/// Notes when peers were last heard of; gives back those that are no longer there.
pub(in crate::db) async fn touch(connection: &mut Connection, seen: &[(PeerId, Timestamp)]) -> Answer<Vec<PeerId>> {
    let mut gone = Vec::new();
    for (peer, at) in seen {
        let row = peers::table.find(peer.as_bytes().as_slice());
        if diesel::update(row).set(peers::last_seen.eq(at.as_millisecond())).execute(connection).await? == 0 {
            gone.push(*peer);
        }
    }
    Ok(gone)
}

type KnownRow = (Vec<u8>, String, Option<Vec<u8>>, i64, Option<Vec<u8>>);

fn known_typed((peer_id, user, instance, last_seen, digest): KnownRow) -> Answer<KnownPeer> {
    Ok(KnownPeer {
        peer_id: rows::peer_id(&peer_id)?,
        user: rows::parsed(&user)?,
        instance: instance.map(|bytes| rows::instance_id(&bytes)).transpose()?,
        last_seen: rows::time(last_seen)?,
        digest: digest.map(|bytes| rows::digest(&bytes)).transpose()?,
    })
}

pub(in crate::db) async fn known(connection: &mut Connection, peer: &PeerId) -> Answer<Option<KnownPeer>> {
    let row = peers::table
        .find(peer.as_bytes().as_slice())
        .select((peers::peer_id, peers::user_name, peers::instance, peers::last_seen, peers::digest))
        .first::<KnownRow>(connection)
        .await
        .optional()?;
    row.map(known_typed).transpose()
}

/// All that are up, as the database has it.
pub(in crate::db) async fn all_up(connection: &mut Connection) -> Answer<Vec<KnownPeer>> {
    let rows = peers::table
        .filter(peers::up.eq(true))
        .select((peers::peer_id, peers::user_name, peers::instance, peers::last_seen, peers::digest))
        .load::<KnownRow>(connection)
        .await?;
    rows.into_iter().map(known_typed).collect()
}

pub(in crate::db) async fn get(connection: &mut Connection, peer: &PeerId) -> Answer<Option<Peer>> {
    let row = peers::table
        .find(peer.as_bytes().as_slice())
        .select(PeerRow::as_select())
        .first(connection)
        .await
        .optional()?;
    row.map(PeerRow::typed).transpose()
}

/// Peers whose shares nobody has counted: those from before there were digests.
pub(in crate::db) async fn uncounted(connection: &mut Connection) -> Answer<Vec<PeerId>> {
    let rows: Vec<Vec<u8>> =
        peers::table.filter(peers::digest.is_null()).select(peers::peer_id).load(connection).await?;
    rows.iter().map(|id| rows::peer_id(id)).collect()
}

/// Makes the digest of a peer's shares from the shares themselves.
pub(in crate::db) async fn count_shares(connection: &mut Connection, peer: &PeerId) -> Answer<()> {
    let digest =
        all_shares(connection, peer).await?.into_iter().map(|(_, digest)| digest).sum::<SharesDigest>().to_bytes();
    let row = peers::table.find(peer.as_bytes().as_slice());
    diesel::update(row).set(peers::digest.eq(digest.as_slice())).execute(connection).await?;
    Ok(())
}

/// Digests of the parts of a peer's list.
pub(in crate::db) async fn part_digests(connection: &mut Connection, peer: &PeerId) -> Answer<PartDigests> {
    Ok(PartDigests::of(all_shares(connection, peer).await?.into_iter()))
}

/// Every share, as digests take it: 64 bytes each.
async fn all_shares(connection: &mut Connection, peer: &PeerId) -> Answer<Vec<(FileId, SharesDigest)>> {
    let (mut all, mut last) = (Vec::new(), None::<(String, Vec<u8>)>);
    loop {
        let same = holdings::peer_id.eq(shares::peer_id).and(holdings::file_id.eq(shares::file_id));
        let mut page = shares::table
            .inner_join(holdings::table.on(same))
            .filter(shares::peer_id.eq(peer.as_bytes().as_slice()))
            .select((shares::name, shares::file_id, holdings::complete))
            .order((shares::name, shares::file_id))
            .limit(READ_AT_ONCE)
            .into_boxed::<Db>();
        if let Some((name, file)) = &last {
            page = page.filter(shares::name.ge(name).and(shares::name.gt(name).or(shares::file_id.gt(file))));
        }
        let page: Vec<(String, Vec<u8>, bool)> = page.load(connection).await?;
        for (name, file, complete) in &page {
            let file = rows::file_id(file)?;
            all.push((file, SharesDigest::of(&file, &rows::parsed(name)?, plan::state(*complete))));
        }
        let Some((name, file, _)) = page.into_iter().next_back() else { return Ok(all) };
        last = Some((name, file));
    }
}
