//! `/files…`

use std::sync::Arc;

use http::Method;
use proto::ids::FileId;
use warp::Filter;

use super::context::{self, Context};
use super::reply::{self, Outcome};
use super::{Routes, query};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::files;

pub(super) fn routes(app: &Arc<App>) -> Routes {
    let cx = || context::of(app);
    let holders = warp::path!("files" / FileId / "holders")
        .and(cx())
        .then(|file, cx| reply::run(cx, async move |cx| holders(file, cx).await));
    let one = warp::path!("files" / FileId)
        .and(cx())
        .then(|file, cx| reply::run(cx, async move |cx| one_file(file, cx).await));
    let all = warp::path!("files").and(cx()).then(|cx| reply::run(cx, all_files));
    holders.or(one).unify().or(all).unify().boxed()
}

async fn holders(file: FileId, cx: &mut Context) -> Outcome {
    must_read(cx).await?;
    let query: query::Holders = query::parse(&cx.query)?;
    reply::ok(&files::holders(&cx.app, file, query.partial, query.limit()?).await?)
}

async fn one_file(file: FileId, cx: &mut Context) -> Outcome {
    must_read(cx).await?;
    reply::ok(&files::get(&cx.app, file).await?)
}

async fn all_files(cx: &mut Context) -> Outcome {
    must_read(cx).await?;
    let query: query::Files = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    reply::ok(&files::list(&cx.app, query.filter()?, cursor, limit).await?)
}

/// Files change through their holders only.
async fn must_read(cx: &Context) -> Result<(), ApiError> {
    if cx.method != Method::GET {
        return Err(ApiError::method_not_allowed("GET"));
    }
    cx.caller().await.map(drop)
}
