//! How the directory is doing and how it is talked to: without a login but for the numbers, most of it outside the version of
//! the interface.

use http::StatusCode;
use proto::directory::ProblemCode::{Internal, Unavailable};
use proto::directory::{DirectoryKeys, Stats, Version};
use serde_json::Value;

use super::context::Context;
use super::endpoint::{Endpoint, endpoint};
use super::reply::{self, Outcome};
use super::{docs, openapi};
use crate::handlers::caller::Caller;
use crate::handlers::status;

const PLAIN: &str = "text/plain; charset=utf-8";

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(open GET "/api/v1/keys" => keys)
            .does("Read the public keys that tickets are checked with.")
            .gives::<DirectoryKeys>(StatusCode::OK, "The keys."),
        endpoint!(GET "/api/v1/stats" => stats)
            .does("Count what there is.")
            .gives::<Stats>(StatusCode::OK, "The numbers.")
            .tagged(),
        endpoint!(open GET "/healthz" => healthz).does("Ask whether the process answers.").gives_as::<String>(
            StatusCode::OK,
            PLAIN,
            "It does.",
        ),
        endpoint!(open GET "/readyz" => readyz)
            .does("Ask whether requests can be served: the database answers, and nobody is stopping the directory.")
            .gives_as::<String>(StatusCode::OK, PLAIN, "They can.")
            .refuses(&[Unavailable, Internal]),
        endpoint!(open GET "/version" => version)
            .does("Read which program this is.")
            .gives::<Version>(StatusCode::OK, "Name and version."),
        endpoint!(open GET "/openapi.json" => document)
            .does("Read this document.")
            .gives::<Value>(StatusCode::OK, "The interface in OpenAPI 3.1.")
            .tagged(),
        endpoint!(open GET "/docs" => page)
            .does("Read this document as a page.")
            .gives_as::<String>(StatusCode::OK, docs::KIND, "The page.")
            .tagged(),
        endpoint!(open GET "/" => summary).does("Find the way.").gives_as::<String>(
            StatusCode::OK,
            PLAIN,
            "Where everything is.",
        ),
    ]
}

/// Public keys: whoever checks a ticket may read them.
async fn keys(cx: &mut Context) -> Outcome {
    reply::ok(&status::keys(&cx.app))
}

async fn stats(cx: &mut Context, _: Caller) -> Outcome {
    reply::unless_unchanged(cx, status::stats(&cx.app)).await
}

async fn healthz(_: &mut Context) -> Outcome {
    Ok(reply::text("ok\n".to_owned()))
}

async fn readyz(cx: &mut Context) -> Outcome {
    status::ready(&cx.app).await?;
    Ok(reply::text("ready\n".to_owned()))
}

async fn version(_: &mut Context) -> Outcome {
    reply::ok(&status::version())
}

async fn document(cx: &mut Context) -> Outcome {
    Ok(reply::constant(cx, &openapi::SERVED))
}

async fn page(cx: &mut Context) -> Outcome {
    Ok(reply::constant(cx, &docs::SERVED))
}

async fn summary(_: &mut Context) -> Outcome {
    let version = status::version().version;
    Ok(reply::text(format!(
        "Enjambre directory {version}\n\nThe interface is under /api/v1; /docs describes it, and /openapi.json does for programs.\n\
         Start a peer with: peerd --directory URL\n"
    )))
}
