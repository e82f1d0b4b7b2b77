//! `/peers…`

use std::sync::Arc;

use http::{Method, StatusCode};
use proto::directory::{Heartbeat, PatchFiles, RegisterPeer};
use proto::ids::PeerId;
use warp::Filter;

use super::context::{self, Context, LARGE, SMALL};
use super::reply::{self, Outcome};
use super::{Routes, query};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::{files, peers};

pub(super) fn routes(app: &Arc<App>) -> Routes {
    let cx = || context::of(app);
    let heartbeat = warp::path!("peers" / PeerId / "heartbeat")
        .and(cx())
        .then(|peer, cx| reply::run(cx, async move |cx| heartbeat(peer, cx).await));
    let files = warp::path!("peers" / PeerId / "files")
        .and(cx())
        .then(|peer, cx| reply::run(cx, async move |cx| files_of_peer(peer, cx).await));
    let one = warp::path!("peers" / PeerId)
        .and(cx())
        .then(|peer, cx| reply::run(cx, async move |cx| one_peer(peer, cx).await));
    let challenge = warp::path!("peers" / "challenge").and(cx()).then(|cx| reply::run(cx, challenge));
    let all = warp::path!("peers").and(cx()).then(|cx| reply::run(cx, all_peers));
    heartbeat.or(files).unify().or(one).unify().or(challenge).unify().or(all).unify().boxed()
}

async fn heartbeat(peer: PeerId, cx: &mut Context) -> Outcome {
    if cx.method != Method::POST {
        return Err(ApiError::method_not_allowed("POST"));
    }
    let caller = cx.caller().await?;
    let beat: Heartbeat = cx.json(SMALL).await?;
    reply::ok(&peers::heartbeat(&cx.app, caller, peer, beat).await?)
}

async fn files_of_peer(peer: PeerId, cx: &mut Context) -> Outcome {
    match cx.method {
        Method::GET => {
            cx.caller().await?;
            let query: query::FilesOfPeer = query::parse(&cx.query)?;
            let (cursor, limit) = query.page()?;
            reply::ok(&files::list_of(&cx.app, peer, query.partial, query.part, cursor, limit).await?)
        }
        Method::PATCH => {
            let caller = cx.caller().await?;
            let query::Speaker { instance } = query::parse(&cx.query)?;
            files::may_announce(&cx.app, &caller, peer, instance).await?;
            let request: PatchFiles = cx.json(LARGE).await?;
            reply::ok(&files::patch(&cx.app, peer, request).await?)
        }
        _ => Err(ApiError::method_not_allowed("GET, PATCH")),
    }
}

async fn one_peer(peer: PeerId, cx: &mut Context) -> Outcome {
    match cx.method {
        Method::GET => {
            cx.caller().await?;
            reply::ok(&peers::get(&cx.app, peer).await?)
        }
        Method::PUT => {
            let caller = cx.caller().await?;
            let request: RegisterPeer = cx.json(SMALL).await?;
            let (new, lease) = peers::register(&cx.app, &caller, peer, request).await?;
            reply::json(if new { StatusCode::CREATED } else { StatusCode::OK }, &lease)
        }
        Method::DELETE => {
            let caller = cx.caller().await?;
            let query::Speaker { instance } = query::parse(&cx.query)?;
            peers::log_out(&cx.app, &caller, peer, instance).await?;
            Ok(reply::done())
        }
        _ => Err(ApiError::method_not_allowed("GET, PUT, DELETE")),
    }
}

async fn challenge(cx: &mut Context) -> Outcome {
    if cx.method != Method::POST {
        return Err(ApiError::method_not_allowed("POST"));
    }
    let caller = cx.caller().await?;
    reply::json(StatusCode::CREATED, &peers::challenge(&cx.app, &caller)?)
}

async fn all_peers(cx: &mut Context) -> Outcome {
    if cx.method != Method::GET {
        return Err(ApiError::method_not_allowed("GET"));
    }
    cx.caller().await?;
    let query: query::Peers = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    reply::ok(&peers::list(&cx.app, query.filter()?, cursor, limit).await?)
}
