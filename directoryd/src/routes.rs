//! The URL map. Here requests become plain arguments and answers become HTTP; decisions are in `handlers`.
//!
//! ```text
//! service (id, figures, log) ─▶ router (path ─▶ route) ─▶ context (warp: the rest of the request)
//!     ─▶ endpoint (method, token, rate) ─▶ the function behind the line, which reads the body last
//! ```
//! Each area lists its lines of the map, with all that is told about them, above the functions behind them. The router and
//! the OpenAPI document are both made of that list. So there is one answer to "no such path" and one to "not with this
//! method", and warp's rules for combining rejections never come into play.

use std::convert::Infallible;
use std::sync::Arc;

use warp::Filter;
use warp::reply::Response;

use crate::app::App;

mod context;
mod docs;
mod endpoint;
mod events;
mod files;
mod health;
mod openapi;
mod peers;
mod query;
mod reply;
mod router;
mod service;
mod sessions;
mod users;

pub use openapi::openapi;
pub(crate) use service::service;

use endpoint::Endpoint;

/// The whole map.
fn endpoints() -> Vec<Endpoint> {
    [
        peers::endpoints(),
        files::endpoints(),
        sessions::endpoints(),
        users::endpoints(),
        events::endpoints(),
        health::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Everything that is served.
fn all(app: &Arc<App>) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + use<> {
    context::of(app).then(reply::run).recover(context::unreachable).unify()
}
