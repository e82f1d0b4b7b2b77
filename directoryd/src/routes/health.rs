//! How the directory is doing: outside the version of the interface, and without a login but for the numbers.

use std::sync::Arc;

use http::Method;
use warp::Filter;

use super::Routes;
use super::context::{self, Context};
use super::reply::{self, Outcome};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::status;

pub(super) fn routes(app: &Arc<App>) -> Routes {
    let cx = || context::of(app);
    let live = warp::path!("healthz").and(cx()).then(|cx| reply::run(cx, live));
    let ready = warp::path!("readyz").and(cx()).then(|cx| reply::run(cx, ready));
    let version = warp::path!("version").and(cx()).then(|cx| reply::run(cx, version));
    let summary = warp::path::end().and(cx()).then(|cx| reply::run(cx, summary));
    live.or(ready).unify().or(version).unify().or(summary).unify().boxed()
}

/// Those below the version: `/stats` and `/keys`.
pub(super) fn versioned(app: &Arc<App>) -> Routes {
    let keys = warp::path!("keys").and(context::of(app)).then(|cx| reply::run(cx, keys));
    let stats = warp::path!("stats").and(context::of(app)).then(|cx| reply::run(cx, numbers));
    keys.or(stats).unify().boxed()
}

async fn live(cx: &mut Context) -> Outcome {
    must_get(cx)?;
    Ok(reply::text("ok\n".to_owned()))
}

async fn ready(cx: &mut Context) -> Outcome {
    must_get(cx)?;
    status::ready(&cx.app).await?;
    Ok(reply::text("ready\n".to_owned()))
}

async fn version(cx: &mut Context) -> Outcome {
    must_get(cx)?;
    reply::ok(&status::version())
}

async fn summary(cx: &mut Context) -> Outcome {
    must_get(cx)?;
    let version = status::version().version;
    Ok(reply::text(format!(
        "Enjambre directory {version}\n\nThe interface is under /api/v1. Start a peer with: peerd --directory URL\n"
    )))
}

/// Public keys: whoever checks a ticket may read them.
async fn keys(cx: &mut Context) -> Outcome {
    must_get(cx)?;
    reply::ok(&status::keys(&cx.app))
}

async fn numbers(cx: &mut Context) -> Outcome {
    must_get(cx)?;
    cx.caller().await?;
    reply::ok(&status::stats(&cx.app).await?)
}

fn must_get(cx: &Context) -> Result<(), ApiError> {
    if cx.method == Method::GET { Ok(()) } else { Err(ApiError::method_not_allowed("GET")) }
}
