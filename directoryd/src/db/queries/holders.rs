//! Who has a file: a random sample, cheap however popular the file is.
//!
//! Peer ids are hashes, so the holders of a file lie evenly on a ring. A sample is the stretch of that ring behind a point
//! drawn at random: an index scan of as many rows as are wanted, where `ORDER BY random()` would visit every holder. Who
//! asks draws a point of its own, so that the swarm does not huddle around the same few.

use std::collections::HashSet;

use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl};
use proto::directory::{Holder, HoldingState};
use proto::ids::{FileId, PeerId};

use super::{Connection, Db, RunQueryDsl, peers as peer_rows};
use crate::db::schema::{files, holdings, peers};
use crate::db::{Answer, plan, rows};

type Card = (Vec<u8>, String, String, String, bool);
type Row = (Vec<u8>, String, String, String, bool, bool);
type Columns = (peers::peer_id, peers::name, peers::user_name, peers::address, peers::up, holdings::complete);
const COLUMNS: Columns = (peers::peer_id, peers::name, peers::user_name, peers::address, peers::up, holdings::complete);

/// Up to `limit` holders, those that are up first, from `point` on; `None` where nobody announced such a file. With
/// `partial`, at least a quarter of the sample goes to complete holders while there are any: without one a swarm may lack pieces.
pub(in crate::db) async fn sample(
    connection: &mut Connection,
    file: &FileId,
    partial: bool,
    limit: usize,
    point: &PeerId,
) -> Answer<Option<Vec<Holder>>> {
    let known =
        files::table.find(file.as_bytes().as_slice()).select(files::size).first::<i64>(connection).await.optional()?;
    if known.is_none() {
        return Ok(None);
    }
    let mut sample = Sample { rows: Vec::new(), seen: HashSet::new() };
    for up in [true, false] {
        if partial {
            let reserved = (sample.rows.len() + limit.div_ceil(4)).min(limit);
            sample.fill(connection, file, up, Some(true), reserved, point).await?;
        }
        let complete = if partial { None } else { Some(true) };
        sample.fill(connection, file, up, complete, limit, point).await?;
    }
    sample.rows.into_iter().map(typed).collect::<Answer<Vec<Holder>>>().map(Some)
}

/// Who holds how much of a file, in order of id: from an index alone. Nobody where nobody announced such a file; where there
/// are more than `most`, one more than that.
pub(in crate::db) async fn all(
    connection: &mut Connection,
    file: &FileId,
    most: usize,
) -> Answer<Vec<(PeerId, HoldingState)>> {
    let rows: Vec<(Vec<u8>, bool)> = holdings::table
        .filter(holdings::file_id.eq(file.as_bytes().as_slice()))
        .select((holdings::peer_id, holdings::complete))
        .order(holdings::peer_id)
        .limit(rows::signed(most as u64 + 1))
        .load(connection)
        .await?;
    rows.into_iter().map(|(peer, complete)| Ok((rows::peer_id(&peer)?, plan::state(complete)))).collect()
}

/// These peers, as complete holders of something.
pub(in crate::db) async fn cards(connection: &mut Connection, ids: &[PeerId]) -> Answer<Vec<Holder>> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows: Vec<Card> = peers::table
        .filter(peers::peer_id.eq_any(ids))
        .select((peers::peer_id, peers::name, peers::user_name, peers::address, peers::up))
        .load(connection)
        .await?;
    rows.into_iter().map(|(id, name, user, address, up)| typed((id, name, user, address, up, true))).collect()
}

struct Sample {
    rows: Vec<Row>,
    seen: HashSet<Vec<u8>>,
}

impl Sample {
    /// Adds rows until there are `target`: first from `point` to the end of the ring, then from its beginning.
    async fn fill(
        &mut self,
        connection: &mut Connection,
        file: &FileId,
        up: bool,
        complete: Option<bool>,
        target: usize,
        point: &PeerId,
    ) -> Answer<()> {
        for behind in [true, false] {
            let wanted = target.saturating_sub(self.rows.len());
            if wanted == 0 {
                break;
            }
            // Rows that are in the sample already may come again; they must not push others out.
            let limit = rows::signed((wanted + self.rows.len()) as u64);
            for row in stretch(connection, file, up, complete, point, behind, limit).await? {
                if self.rows.len() < target && self.seen.insert(row.0.clone()) {
                    self.rows.push(row);
                }
            }
        }
        Ok(())
    }
}

async fn stretch(
    connection: &mut Connection,
    file: &FileId,
    up: bool,
    complete: Option<bool>,
    point: &PeerId,
    behind: bool,
    limit: i64,
) -> Answer<Vec<Row>> {
    let point = point.as_bytes().as_slice();
    let mut query = holdings::table
        .inner_join(peers::table)
        .filter(holdings::file_id.eq(file.as_bytes().as_slice()).and(peers::up.eq(up)))
        .select(COLUMNS)
        .order(holdings::peer_id)
        .limit(limit)
        .into_boxed::<Db>();
    if let Some(complete) = complete {
        query = query.filter(holdings::complete.eq(complete));
    }
    query = if behind { query.filter(holdings::peer_id.ge(point)) } else { query.filter(holdings::peer_id.lt(point)) };
    Ok(query.load(connection).await?)
}

fn typed((peer_id, name, user, address, up, complete): Row) -> Answer<Holder> {
    Ok(Holder {
        peer_id: rows::peer_id(&peer_id)?,
        name: rows::parsed(&name)?,
        user: rows::parsed(&user)?,
        address: rows::parsed(&address)?,
        state: peer_rows::state(up),
        holding: plan::state(complete),
    })
}
