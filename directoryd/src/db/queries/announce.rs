//! Files announced and withdrawn: reads what a batch meets, has it planned (`plan`), and carries the plan out.

use std::collections::BTreeSet;

use diesel::dsl::{exists, not};
use diesel::{BoolExpressionMethods, ExpressionMethods, Insertable, OptionalExtension, QueryDsl};
use proto::Timestamp;
use proto::directory::{PatchFiles, PatchedFiles, SharesDigest};
use proto::ids::{ByteCount, FileId, FileName, PeerId};

use super::presence::Presence;
use super::{Connection, RunQueryDsl, events};
use crate::db::plan::{self, Before, Facts, Holding, Plan};
use crate::db::schema::{files, holdings, names, peers, shares};
use crate::db::{Answer, rows, search};

#[derive(Insertable)]
#[diesel(table_name = files, treat_none_as_default_value = false)]
struct FileRow<'a> {
    file_id: &'a [u8],
    size: i64,
    simulated: bool,
    url: Option<&'a str>,
    holders: i64,
    holders_up: i64,
}

#[derive(Insertable)]
#[diesel(table_name = holdings, treat_none_as_default_value = false)]
struct HoldingRow<'a> {
    peer_id: &'a [u8],
    file_id: &'a [u8],
    complete: bool,
}

#[derive(Insertable)]
#[diesel(table_name = shares, treat_none_as_default_value = false)]
struct ShareRow<'a> {
    peer_id: &'a [u8],
    name: &'a str,
    file_id: &'a [u8],
}

#[derive(Insertable)]
#[diesel(table_name = names, treat_none_as_default_value = false)]
struct NameRow<'a> {
    name: &'a str,
    file_id: &'a [u8],
    folded: String,
}

/// Whether it is up, and to where that is counted; the digest of its shares.
type PeerRow = (bool, Option<Vec<u8>>, Option<Vec<u8>>);

/// A result per entry; `None` where no such peer is registered, or nobody speaks for it.
pub(in crate::db) async fn patch(
    connection: &mut Connection,
    peer: &PeerId,
    request: &PatchFiles,
    now: Timestamp,
) -> Answer<Option<PatchedFiles>> {
    let row = peers::table.find(peer.as_bytes().as_slice());
    let row =
        row.select((peers::up, peers::counted_to, peers::digest)).first::<PeerRow>(connection).await.optional()?;
    let Some((up, counted_to, digest)) = row else { return Ok(None) };
    let before = before(connection, peer, &plan::named(request)).await?;
    let plan = plan::plan(*peer, before, request);
    put(connection, peer, &plan).await?;
    take_away(connection, peer, &plan).await?;
    count(connection, &Presence::new(up, counted_to), &plan).await?;
    note(connection, peer, digest, &plan).await?;
    tidy(connection, &plan).await?;
    events::append(connection, now, &plan.events).await?;
    Ok(Some(plan.answer))
}

async fn before(connection: &mut Connection, peer: &PeerId, ids: &[FileId]) -> Answer<Before> {
    let (peer, ids) = (peer.as_bytes().as_slice(), bytes(ids));
    let mut before = Before::default();
    let facts: Vec<(Vec<u8>, i64, bool, Option<String>)> = files::table
        .filter(files::file_id.eq_any(&ids))
        .select((files::file_id, files::size, files::simulated, files::url))
        .load(connection)
        .await?;
    for (id, size, simulated, url) in facts {
        let size = ByteCount::new(rows::count(size)?);
        before.facts.insert(rows::file_id(&id)?, Facts { size, simulated, url });
    }
    let held: Vec<(Vec<u8>, bool)> = holdings::table
        .filter(holdings::peer_id.eq(peer).and(holdings::file_id.eq_any(&ids)))
        .select((holdings::file_id, holdings::complete))
        .load(connection)
        .await?;
    for (id, complete) in held {
        before.holdings.insert(rows::file_id(&id)?, Holding { complete, names: BTreeSet::new() });
    }
    let shared: Vec<(Vec<u8>, String)> = shares::table
        .filter(shares::peer_id.eq(peer).and(shares::file_id.eq_any(&ids)))
        .select((shares::file_id, shares::name))
        .load(connection)
        .await?;
    for (id, name) in shared {
        let name: FileName = rows::parsed(&name)?;
        if let Some(holding) = before.holdings.get_mut(&rows::file_id(&id)?) {
            holding.names.insert(name);
        }
    }
    Ok(before)
}

async fn put(connection: &mut Connection, peer: &PeerId, plan: &Plan) -> Answer<()> {
    let peer = peer.as_bytes().as_slice();
    let new: Vec<FileRow<'_>> = plan.files_new.iter().map(|(id, facts)| file_row(id, facts)).collect();
    if !new.is_empty() {
        diesel::insert_into(files::table).values(new).execute(connection).await?;
    }
    let put = plan.holdings_put.iter();
    let put: Vec<_> =
        put.map(|(id, complete)| HoldingRow { peer_id: peer, file_id: id.as_bytes(), complete: *complete }).collect();
    if !put.is_empty() {
        diesel::insert_into(holdings::table)
            .values(put)
            .on_conflict((holdings::peer_id, holdings::file_id))
            .do_update()
            .set(holdings::complete.eq(diesel::upsert::excluded(holdings::complete)))
            .execute(connection)
            .await?;
    }
    let new = plan.shares_new.iter();
    let new: Vec<_> =
        new.map(|(id, name)| ShareRow { peer_id: peer, name: name.as_str(), file_id: id.as_bytes() }).collect();
    if !new.is_empty() {
        diesel::insert_into(shares::table).values(new).execute(connection).await?;
        let names: Vec<NameRow<'_>> = plan.shares_new.iter().map(|(id, name)| name_row(id, name)).collect();
        diesel::insert_into(names::table).values(names).on_conflict_do_nothing().execute(connection).await?;
    }
    Ok(())
}

async fn take_away(connection: &mut Connection, peer: &PeerId, plan: &Plan) -> Answer<()> {
    let peer = peer.as_bytes().as_slice();
    for (id, name) in &plan.shares_gone {
        diesel::delete(shares::table.find((peer, name.as_str(), id.as_bytes().as_slice()))).execute(connection).await?;
    }
    if !plan.holdings_gone.is_empty() {
        let gone = holdings::peer_id.eq(peer).and(holdings::file_id.eq_any(bytes(&plan.holdings_gone)));
        diesel::delete(holdings::table.filter(gone)).execute(connection).await?;
    }
    Ok(())
}

/// The kept counts follow what the plan changed.
async fn count(connection: &mut Connection, peer: &Presence, plan: &Plan) -> Answer<()> {
    for (changed, by) in [(&plan.completed, 1_i64), (&plan.uncompleted, -1)] {
        let (up, down): (Vec<FileId>, Vec<FileId>) = changed.iter().copied().partition(|file| peer.counts(file));
        for (changed, by_up) in [(up, by), (down, 0)] {
            if changed.is_empty() {
                continue;
            }
            diesel::update(files::table.filter(files::file_id.eq_any(bytes(&changed))))
                .set((files::holders.eq(files::holders + by), files::holders_up.eq(files::holders_up + by_up)))
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

/// The peer's own number of files, and the digest of its shares. One that was never counted stays so until somebody serves.
async fn note(connection: &mut Connection, peer: &PeerId, digest: Option<Vec<u8>>, plan: &Plan) -> Answer<()> {
    if plan.digest == SharesDigest::EMPTY {
        return Ok(());
    }
    let digest = match digest {
        Some(bytes) => {
            let mut digest = rows::digest(&bytes)?;
            digest += plan.digest;
            Some(digest.to_bytes().to_vec())
        }
        None => None,
    };
    let more = rows::signed(plan.completed.len() as u64) - rows::signed(plan.uncompleted.len() as u64);
    diesel::update(peers::table.find(peer.as_bytes().as_slice()))
        .set((peers::files.eq(peers::files + more), peers::digest.eq(digest)))
        .execute(connection)
        .await?;
    Ok(())
}

/// Names that no share has any more go, and so do files that nobody holds.
async fn tidy(connection: &mut Connection, plan: &Plan) -> Answer<()> {
    let renamed = plan.shares_gone.iter().map(|(id, _)| id);
    let touched: BTreeSet<FileId> = renamed.chain(&plan.holdings_gone).copied().collect();
    if touched.is_empty() {
        return Ok(());
    }
    let touched: Vec<FileId> = touched.into_iter().collect();
    let of_name = shares::table.filter(shares::file_id.eq(names::file_id).and(shares::name.eq(names::name)));
    diesel::delete(names::table.filter(names::file_id.eq_any(bytes(&touched)).and(not(exists(of_name)))))
        .execute(connection)
        .await?;
    let of_file = holdings::table.filter(holdings::file_id.eq(files::file_id));
    diesel::delete(files::table.filter(files::file_id.eq_any(bytes(&touched)).and(not(exists(of_file)))))
        .execute(connection)
        .await?;
    Ok(())
}

fn file_row<'a>(id: &'a FileId, facts: &'a Facts) -> FileRow<'a> {
    FileRow {
        file_id: id.as_bytes(),
        size: rows::signed(facts.size.as_u64()),
        simulated: facts.simulated,
        url: facts.url.as_deref(),
        holders: 0,
        holders_up: 0,
    }
}

fn name_row<'a>(id: &'a FileId, name: &'a FileName) -> NameRow<'a> {
    NameRow { name: name.as_str(), file_id: id.as_bytes(), folded: search::folded(name.as_str()) }
}

fn bytes(ids: &[FileId]) -> Vec<&[u8]> {
    ids.iter().map(|id| id.as_bytes().as_slice()).collect()
}
