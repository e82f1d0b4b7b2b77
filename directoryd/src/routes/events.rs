//! `/events`

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Method;
use proto::directory::Event;
use warp::{Filter, Reply, sse};

use super::context::{self, Context};
use super::reply::{self, Outcome};
use super::{Routes, query};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::events;

/// After this much silence a comment goes out: both ends, and whatever is between, see that the connection lives.
const KEEPALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes(app: &Arc<App>) -> Routes {
    warp::path!("events").and(context::of(app)).then(|cx| reply::run(cx, all_events)).boxed()
}

async fn all_events(cx: &mut Context) -> Outcome {
    if cx.method != Method::GET {
        return Err(ApiError::method_not_allowed("GET"));
    }
    let caller = cx.caller().await?;
    let query: query::Events = query::parse(&cx.query)?;
    let since = query.since(cx.header("last-event-id"))?;
    let files = query.files()?;
    if let Some(wait) = query.wait()? {
        return reply::ok(&events::poll(&cx.app, &caller, files, since, wait, query.limit()?).await?);
    }
    let mut told = events::subscribe(&cx.app, caller, files, since).await?;
    let told = stream::poll_fn(move |cx| told.poll_recv(cx)).map(|event| Ok::<_, Infallible>(framed(&event)));
    Ok(sse::reply(sse::keep_alive().interval(KEEPALIVE).stream(told)).into_response())
}

fn framed(event: &Event) -> sse::Event {
    let frame = sse::Event::default().id(event.seq.to_string()).event(event.change.kind());
    // An event is plain data: it always has a form in JSON.
    frame.data(serde_json::to_string(event).unwrap_or_default())
}
