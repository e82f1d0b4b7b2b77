//! `/sessions…`

use http::StatusCode;
use proto::directory::ProblemCode::{BadCredentials, Forbidden, Internal, OutOfSpace, TooMany, Unavailable};
use proto::directory::{CurrentSession, ListedSession, LoginRequest, Session};

use super::context::{Context, SMALL};
use super::endpoint::{Endpoint, endpoint};
use super::query;
use super::reply::{self, Outcome};
use crate::handlers::caller::Caller;
use crate::handlers::sessions;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(GET "/api/v1/sessions/current" => current_session)
            .does("Show whose token this is.")
            .gives::<CurrentSession>(StatusCode::OK, "The session that asks."),
        endpoint!(DELETE "/api/v1/sessions/current" => log_out)
            .does("Log out: the token that asks ends.")
            .ends("It has ended."),
        endpoint!(GET "/api/v1/sessions" => list_sessions)
            .does("List one's own sessions, the newest first; for admins, anybody's.")
            .asks::<query::Sessions>()
            .lists::<ListedSession>()
            .refuses(&[Forbidden]),
        endpoint!(open POST "/api/v1/sessions" => log_in)
            .does("Log in.")
            .takes::<LoginRequest>()
            .gives::<Session>(StatusCode::CREATED, "A token for everything else.")
            .refuses(&[BadCredentials, TooMany, Internal, Unavailable, OutOfSpace]),
        endpoint!(DELETE "/api/v1/sessions/{session_id}" => end_session)
            .does("End one of one's own sessions; for admins, anybody's.")
            .ends("It has ended."),
    ]
}

async fn current_session(_: &mut Context, caller: Caller) -> Outcome {
    reply::ok(&sessions::current(caller))
}

async fn log_out(cx: &mut Context, caller: Caller) -> Outcome {
    sessions::log_out(&cx.app, &caller).await?;
    Ok(reply::done())
}

async fn list_sessions(cx: &mut Context, caller: Caller) -> Outcome {
    let query: query::Sessions = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    let user = query.user.unwrap_or_else(|| caller.user.clone());
    caller.must_be_admin_or(&user)?;
    reply::ok(&sessions::list(&cx.app, &caller, user, cursor, limit).await?)
}

async fn log_in(cx: &mut Context) -> Outcome {
    let request: LoginRequest = cx.json(SMALL).await?;
    reply::json(StatusCode::CREATED, &sessions::log_in(&cx.app, request, cx.address).await?)
}

async fn end_session(cx: &mut Context, caller: Caller) -> Outcome {
    sessions::revoke(&cx.app, &caller, cx.session()?).await?;
    Ok(reply::done())
}
