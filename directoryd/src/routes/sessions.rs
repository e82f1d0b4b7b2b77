//! `/sessions…`

use std::sync::Arc;

use http::{Method, StatusCode};
use proto::directory::{LoginRequest, SessionId};
use warp::Filter;

use super::context::{self, Context, SMALL};
use super::reply::{self, Outcome};
use super::{Routes, query};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::sessions;

pub(super) fn routes(app: &Arc<App>) -> Routes {
    let current = warp::path!("sessions" / "current").and(context::of(app)).then(|cx| reply::run(cx, current_session));
    let all = warp::path!("sessions").and(context::of(app)).then(|cx| reply::run(cx, all_sessions));
    let one = warp::path!("sessions" / SessionId)
        .and(context::of(app))
        .then(|id, cx| reply::run(cx, async move |cx| one_session(id, cx).await));
    current.or(all).unify().or(one).unify().boxed()
}

async fn current_session(cx: &mut Context) -> Outcome {
    match cx.method {
        Method::GET => reply::ok(&sessions::current(cx.caller().await?)),
        Method::DELETE => {
            let caller = cx.caller().await?;
            sessions::log_out(&cx.app, &caller).await?;
            Ok(reply::done())
        }
        _ => Err(ApiError::method_not_allowed("GET, DELETE")),
    }
}

async fn one_session(id: SessionId, cx: &mut Context) -> Outcome {
    if cx.method != Method::DELETE {
        return Err(ApiError::method_not_allowed("DELETE"));
    }
    let caller = cx.caller().await?;
    sessions::revoke(&cx.app, &caller, id).await?;
    Ok(reply::done())
}

async fn all_sessions(cx: &mut Context) -> Outcome {
    match cx.method {
        Method::GET => {
            let caller = cx.caller().await?;
            let query: query::Sessions = query::parse(&cx.query)?;
            let (cursor, limit) = query.page()?;
            let user = query.user.unwrap_or_else(|| caller.user.clone());
            caller.must_be_admin_or(&user)?;
            reply::ok(&sessions::list(&cx.app, &caller, user, cursor, limit).await?)
        }
        Method::POST => {
            let request: LoginRequest = cx.json(SMALL).await?;
            reply::json(StatusCode::CREATED, &sessions::log_in(&cx.app, request, cx.address).await?)
        }
        _ => Err(ApiError::method_not_allowed("GET, POST")),
    }
}
