//! The URL map. Here requests become plain arguments and answers become HTTP; decisions are in `handlers`.
//!
//! A path matches as a whole and leads to one function, which looks at the method. So there is one answer to "no such path"
//! and one to "not with this method", and warp's rules for combining rejections never come into play. warp tries paths in
//! turn: what peers call most stands first. Bodies are read last, after who may has been decided.

use std::convert::Infallible;
use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::app::App;
use crate::error::ApiError;

mod context;
mod events;
mod files;
mod health;
mod peers;
mod query;
mod reply;
mod service;
mod sessions;
mod template;
mod users;

pub(crate) use service::service;

use context::Context;

/// Everything that is served.
fn all(app: &Arc<App>) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + use<> {
    let v1 = peers::routes(app)
        .or(files::routes(app))
        .unify()
        .or(sessions::routes(app))
        .unify()
        .or(users::routes(app))
        .unify()
        .or(events::routes(app))
        .unify()
        .or(health::versioned(app))
        .unify();
    let versioned = warp::path("api").and(warp::path("v1")).and(v1);
    let nothing = context::of(app).then(nothing_there);
    versioned.or(health::routes(app)).unify().or(nothing).unify().recover(context::unreachable).unify()
}

async fn nothing_there(cx: Context) -> Response {
    reply::answer(&cx.request_id, Err(ApiError::not_found("there is nothing at this path")))
}

/// One area's routes: boxed once, so that types stay readable.
type Routes = BoxedFilter<(Response,)>;
