//! `/sessions…`

use std::sync::Arc;

use http::{Method, StatusCode};
use proto::directory::LoginRequest;
use warp::Filter;

use super::Routes;
use super::context::{self, Context, SMALL};
use super::reply::{self, Outcome};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::sessions;

pub(super) fn routes(app: &Arc<App>) -> Routes {
    let current = warp::path!("sessions" / "current").and(context::of(app)).then(|cx| reply::run(cx, current_session));
    let all = warp::path!("sessions").and(context::of(app)).then(|cx| reply::run(cx, all_sessions));
    current.or(all).unify().boxed()
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

async fn all_sessions(cx: &mut Context) -> Outcome {
    if cx.method != Method::POST {
        return Err(ApiError::method_not_allowed("POST"));
    }
    let request: LoginRequest = cx.json(SMALL).await?;
    reply::json(StatusCode::CREATED, &sessions::log_in(&cx.app, request).await?)
}
