//! Pages of files and peers. Keyset paging: each page begins behind the last row of the one before, at any depth at the same
//! cost, and rows that come or go meanwhile neither repeat nor hide others.

use diesel::dsl::{exists, sql};
use diesel::sql_types::{Double, Nullable};
use diesel::{
    BoolExpressionMethods, EscapeExpressionMethods, ExpressionMethods, JoinOnDsl, OptionalExtension, QueryDsl,
    SelectableHelper, TextExpressionMethods,
};
use proto::directory::{FileDetail, FileEntry, Peer, PeerFile, PeerState, Stats};
use proto::ids::{ByteCount, FileId, FileName, PeerId};

use super::peers::PeerRow;
use super::{Connection, Db, RunQueryDsl};
use crate::db::schema::{files, holdings, names, peers, shares, users};
use crate::db::{After, Answer, FileFilter, PeerFilter, plan, rows, search};

type FileColumns =
    (names::name, files::file_id, files::size, files::holders, files::holders_up, files::simulated, files::url);
const FILE_COLUMNS: FileColumns =
    (names::name, files::file_id, files::size, files::holders, files::holders_up, files::simulated, files::url);
type FileRow = (String, Vec<u8>, i64, i64, i64, bool, Option<String>);

fn file_typed((name, file_id, size, holders, holders_up, simulated, url): FileRow) -> Answer<FileEntry> {
    Ok(FileEntry {
        file_id: rows::file_id(&file_id)?,
        name: rows::parsed(&name)?,
        size: ByteCount::new(rows::count(size)?),
        holders: rows::count(holders)?,
        holders_up: rows::count(holders_up)?,
        simulated,
        url,
    })
}

/// In order of name and id, or backwards.
pub(in crate::db) async fn files(
    connection: &mut Connection,
    filter: &FileFilter,
    after: Option<&After>,
    limit: i64,
) -> Answer<Vec<FileEntry>> {
    let mut query = names::table.inner_join(files::table).select(FILE_COLUMNS).limit(limit).into_boxed::<Db>();
    query = if filter.backwards {
        query.order((names::name.desc(), names::file_id.desc()))
    } else {
        query.order((names::name, names::file_id))
    };
    if let Some(start) = &filter.starts {
        query = query.filter(names::name.ge(start));
        if let Some(end) = search::behind(start) {
            query = query.filter(names::name.lt(end));
        }
    }
    if let Some(text) = &filter.search {
        query = query.filter(names::folded.like(search::like(text)).escape('\\'));
    }
    if let Some(name) = &filter.name {
        query = query.filter(names::name.eq(name.as_str()));
    }
    if let Some(ids) = &filter.ids {
        query =
            query.filter(names::file_id.between(ids.start().as_bytes().as_slice(), ids.end().as_bytes().as_slice()));
    }
    if let Some(user) = &filter.user {
        let shared = shares::table
            .inner_join(peers::table)
            .filter(shares::file_id.eq(names::file_id).and(shares::name.eq(names::name)))
            .filter(peers::user_name.eq(user.as_str()));
        query = query.filter(exists(shared));
    }
    if let Some(After { name, id }) = after {
        query = if filter.backwards {
            query.filter(names::name.le(name).and(names::name.lt(name).or(names::file_id.lt(id))))
        } else {
            query.filter(names::name.ge(name).and(names::name.gt(name).or(names::file_id.gt(id))))
        };
    }
    query.load::<FileRow>(connection).await?.into_iter().map(file_typed).collect()
}

/// These files, under each of their names, in no order.
pub(in crate::db) async fn of_ids(connection: &mut Connection, ids: &[FileId]) -> Answer<Vec<FileEntry>> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let query = names::table.inner_join(files::table).filter(names::file_id.eq_any(ids)).select(FILE_COLUMNS);
    query.load::<FileRow>(connection).await?.into_iter().map(file_typed).collect()
}

/// Complete holdings of a peer, in order.
pub(in crate::db) async fn held_by(
    connection: &mut Connection,
    peer: &PeerId,
    after: Option<&FileId>,
    limit: i64,
) -> Answer<Vec<FileId>> {
    // No id lies before none at all.
    let after = after.map_or(&[][..], |id| id.as_bytes());
    let ids: Vec<Vec<u8>> = holdings::table
        .filter(holdings::peer_id.eq(peer.as_bytes().as_slice()))
        .filter(holdings::complete.eq(true).and(holdings::file_id.gt(after)))
        .select(holdings::file_id)
        .order(holdings::file_id)
        .limit(limit)
        .load(connection)
        .await?;
    ids.iter().map(|id| rows::file_id(id)).collect()
}

/// What one peer shares, in order of name and id; what it is still fetching only where `partial`; of one `part` alone, files
/// whose id begins with that byte.
pub(in crate::db) async fn files_of(
    connection: &mut Connection,
    peer: &PeerId,
    partial: bool,
    part: Option<u8>,
    after: Option<&After>,
    limit: i64,
) -> Answer<Vec<PeerFile>> {
    let id = peer.as_bytes().as_slice();
    let held = holdings::peer_id.eq(shares::peer_id).and(holdings::file_id.eq(shares::file_id));
    let columns =
        (shares::name, files::file_id, files::size, files::holders, files::holders_up, files::simulated, files::url);
    let mut query = shares::table
        .inner_join(files::table)
        .inner_join(holdings::table.on(held))
        .filter(shares::peer_id.eq(id))
        .select((columns, holdings::complete))
        .order((shares::name, shares::file_id))
        .limit(limit)
        .into_boxed::<Db>();
    if !partial {
        query = query.filter(holdings::complete.eq(true));
    }
    if let Some(part) = part {
        query = query.filter(shares::file_id.ge(vec![part]));
        if let Some(next) = part.checked_add(1) {
            query = query.filter(shares::file_id.lt(vec![next]));
        }
    }
    if let Some(After { name, id }) = after {
        query = query.filter(shares::name.ge(name).and(shares::name.gt(name).or(shares::file_id.gt(id))));
    }
    let rows = query.load::<(FileRow, bool)>(connection).await?.into_iter();
    rows.map(|(file, complete)| Ok(PeerFile { entry: file_typed(file)?, state: plan::state(complete) })).collect()
}

/// One file with at most `most` of its names.
pub(in crate::db) async fn file(connection: &mut Connection, id: &FileId, most: i64) -> Answer<Option<FileDetail>> {
    let of_file = names::table.filter(names::file_id.eq(id.as_bytes().as_slice())).order(names::name);
    let first = of_file.inner_join(files::table).select(FILE_COLUMNS).first::<FileRow>(connection).await.optional()?;
    let Some(first) = first else { return Ok(None) };
    let all: Vec<String> = of_file.select(names::name).limit(most).load(connection).await?;
    let names = all.iter().map(|name| rows::parsed(name)).collect::<Answer<Vec<FileName>>>()?;
    Ok(Some(FileDetail { entry: file_typed(first)?, names }))
}

/// In order of name and id, or backwards.
pub(in crate::db) async fn peers(
    connection: &mut Connection,
    filter: &PeerFilter,
    after: Option<&After>,
    limit: i64,
) -> Answer<Vec<Peer>> {
    let mut query = peers::table.select(PeerRow::as_select()).limit(limit).into_boxed::<Db>();
    query = if filter.backwards {
        query.order((peers::name.desc(), peers::peer_id.desc()))
    } else {
        query.order((peers::name, peers::peer_id))
    };
    if let Some(start) = &filter.starts {
        query = query.filter(peers::name.ge(start));
        if let Some(end) = search::behind(start) {
            query = query.filter(peers::name.lt(end));
        }
    }
    if let Some(name) = &filter.name {
        query = query.filter(peers::name.eq(name.as_str()));
    }
    if let Some(ids) = &filter.ids {
        query =
            query.filter(peers::peer_id.between(ids.start().as_bytes().as_slice(), ids.end().as_bytes().as_slice()));
    }
    if let Some(state) = filter.state {
        query = query.filter(peers::up.eq(state == PeerState::Up));
    }
    if let Some(user) = &filter.user {
        query = query.filter(peers::user_name.eq(user.as_str()));
    }
    if let Some(After { name, id }) = after {
        query = if filter.backwards {
            query.filter(peers::name.le(name).and(peers::name.lt(name).or(peers::peer_id.lt(id))))
        } else {
            query.filter(peers::name.ge(name).and(peers::name.gt(name).or(peers::peer_id.gt(id))))
        };
    }
    query.load::<PeerRow>(connection).await?.into_iter().map(PeerRow::typed).collect()
}

pub(in crate::db) async fn stats(connection: &mut Connection) -> Answer<Stats> {
    // Summed as floating point: sizes are what peers say, and integers would overflow.
    let sizes = sql::<Nullable<Double>>("SUM(CAST(size AS DOUBLE PRECISION))");
    let bytes: Option<f64> = files::table.select(sizes).first(connection).await?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are not negative; casts saturate"
    )]
    let bytes = bytes.unwrap_or_default() as u64;
    Ok(Stats {
        users: rows::count(users::table.count().get_result(connection).await?)?,
        peers: rows::count(peers::table.count().get_result(connection).await?)?,
        peers_up: rows::count(peers::table.filter(peers::up.eq(true)).count().get_result(connection).await?)?,
        files: rows::count(files::table.count().get_result(connection).await?)?,
        bytes,
    })
}
