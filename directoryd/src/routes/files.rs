//! `/files…`: files change through their holders only.

use http::StatusCode;
use proto::directory::{FileDetail, FileEntry, Holders};

use super::context::Context;
use super::endpoint::{Endpoint, endpoint};
use super::query;
use super::reply::{self, Outcome};
use crate::handlers::caller::Caller;
use crate::handlers::files;
use crate::listing::Told;
use crate::swarms::Wish;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(GET "/api/v1/files/{file_id}/holders" => list_holders)
            .does("Find peers to fetch a file from: a random sample, peers that are up first.")
            .asks::<query::Holders>()
            .gives::<Holders>(StatusCode::OK, "A sample, another one each time."),
        endpoint!(GET "/api/v1/files/{file_id}" => show_file)
            .does("Show a file.")
            .gives::<FileDetail>(StatusCode::OK, "The file.")
            .tagged(),
        endpoint!(GET "/api/v1/files" => list_files)
            .does("List files, in the order of names; a file with two names is listed under each.")
            .asks::<query::Files>()
            .lists::<FileEntry>()
            .tagged(),
    ]
}

async fn list_holders(cx: &mut Context, _: Caller) -> Outcome {
    let query: query::Holders = query::parse(&cx.query)?;
    let wish = Wish { partial: query.partial, limit: query.limit()? };
    Ok(reply::made(files::holders(&cx.app, cx.file()?, wish).await?))
}

async fn show_file(cx: &mut Context, _: Caller) -> Outcome {
    let file = cx.file()?;
    reply::unless_unchanged(cx, files::get(&cx.app, file)).await
}

async fn list_files(cx: &mut Context, _: Caller) -> Outcome {
    let query: query::Files = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    let filter = query.filter()?;
    match files::list_kept(&cx.app, &filter, cursor.as_ref(), limit, |tag| cx.has(tag)) {
        Some(Told { tag, page }) => Ok(reply::made_unless_unchanged(&tag, page)),
        None => reply::unless_unchanged(cx, files::list(&cx.app, filter, cursor, limit)).await,
    }
}
