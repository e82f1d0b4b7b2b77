//! `/events`

use std::convert::Infallible;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::StatusCode;
use proto::directory::ProblemCode::Gone;
use proto::directory::{Event, Events};
use warp::{Reply, sse};

use super::context::Context;
use super::endpoint::{Endpoint, endpoint};
use super::query;
use super::reply::{self, Outcome};
use crate::handlers::caller::Caller;
use crate::handlers::events;

/// After this much silence a comment goes out: both ends, and whatever is between, see that the connection lives.
const KEEPALIVE: Duration = Duration::from_secs(15);

pub(super) fn endpoints() -> Vec<Endpoint> {
    let says =
        "With `wait`, what happened since; without, a stream of server-sent events, each with an `Event` as its data.";
    vec![
        endpoint!(GET "/api/v1/events" => listen)
            .does("Hear of every change, once and in order.")
            .asks::<query::Events>()
            .looks_at("Last-Event-ID", "As `since`, and before it: what whoever reconnects saw last.")
            .gives::<Events>(StatusCode::OK, says)
            .gives_as::<String>(StatusCode::OK, "text/event-stream", says)
            .refuses(&[Gone]),
    ]
}

async fn listen(cx: &mut Context, caller: Caller) -> Outcome {
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
