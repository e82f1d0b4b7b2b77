//! `/users…`

use std::sync::Arc;

use http::{Method, StatusCode};
use proto::directory::{NewPassword, NewUser, PatchUser};
use proto::ids::UserName;
use warp::Filter;

use super::context::{self, Context, SMALL};
use super::reply::{self, Outcome};
use super::{Routes, query};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::users;

pub(super) fn routes(app: &Arc<App>) -> Routes {
    let cx = || context::of(app);
    let password = warp::path!("users" / UserName / "password")
        .and(cx())
        .then(|user, cx| reply::run(cx, async move |cx| password(user, cx).await));
    let one = warp::path!("users" / UserName)
        .and(cx())
        .then(|user, cx| reply::run(cx, async move |cx| one_user(user, cx).await));
    let all = warp::path!("users").and(cx()).then(|cx| reply::run(cx, all_users));
    password.or(one).unify().or(all).unify().boxed()
}

async fn password(user: UserName, cx: &mut Context) -> Outcome {
    if cx.method != Method::PUT {
        return Err(ApiError::method_not_allowed("PUT"));
    }
    let caller = cx.caller().await?;
    caller.must_be_admin_or(&user)?;
    let request: NewPassword = cx.json(SMALL).await?;
    users::set_password(&cx.app, &caller, user, request, cx.address).await?;
    Ok(reply::done())
}

async fn one_user(user: UserName, cx: &mut Context) -> Outcome {
    match cx.method {
        Method::GET => {
            cx.caller().await?.must_be_admin_or(&user)?;
            reply::ok(&users::get(&cx.app, user).await?)
        }
        Method::PATCH => {
            cx.caller().await?.must_be_admin()?;
            let request: PatchUser = cx.json(SMALL).await?;
            reply::ok(&users::patch(&cx.app, user, request).await?)
        }
        Method::DELETE => {
            cx.caller().await?.must_be_admin()?;
            users::remove(&cx.app, user).await?;
            Ok(reply::done())
        }
        _ => Err(ApiError::method_not_allowed("GET, PATCH, DELETE")),
    }
}

async fn all_users(cx: &mut Context) -> Outcome {
    match cx.method {
        Method::GET => {
            cx.caller().await?.must_be_admin()?;
            let query: query::Users = query::parse(&cx.query)?;
            let (cursor, limit) = query.page()?;
            reply::ok(&users::list(&cx.app, cursor, limit).await?)
        }
        Method::POST => {
            cx.caller().await?.must_be_admin()?;
            let request: NewUser = cx.json(SMALL).await?;
            reply::json(StatusCode::CREATED, &users::create(&cx.app, request).await?)
        }
        _ => Err(ApiError::method_not_allowed("GET, POST")),
    }
}
