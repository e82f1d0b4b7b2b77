//! Answers: a body or a problem, as JSON.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use proto::directory::ProblemCode;
use serde::Serialize;
use warp::reply::Response;

use super::context::{self, Context};
use super::service::RequestId;
use crate::error::ApiError;

/// What a function behind a path gives back.
pub(super) type Outcome = Result<Response, ApiError>;

/// A body with a status.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Outcome {
    let text =
        serde_json::to_vec(body).map_err(|error| ApiError::from(crate::db::StoreError::Failed(error.to_string())))?;
    Ok(response(status, "application/json", text))
}

/// 200 with a body.
pub(super) fn ok(body: &impl Serialize) -> Outcome {
    json(StatusCode::OK, body)
}

/// 200 with a body that is JSON already.
pub(super) fn made(json: Vec<u8>) -> Response {
    response(StatusCode::OK, "application/json", json)
}

/// 204.
pub(super) fn done() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(super) fn text(text: String) -> Response {
    response(StatusCode::OK, "text/plain; charset=utf-8", text.into_bytes())
}

/// What a caller may keep and ask about again: it changes with what is stored.
///
/// The tag is read before what it stands for, so that it is never newer: at worst the caller asks once too often. Where the
/// caller has it already, nothing is read.
pub(super) async fn unless_unchanged<T: Serialize>(
    cx: &Context,
    read: impl Future<Output = Result<T, ApiError>>,
) -> Outcome {
    let tag = cx.app.state_tag();
    if cx.has(&tag) {
        return Ok(tagged(not_modified(), &tag));
    }
    Ok(tagged(ok(&read.await?)?, &tag))
}

/// The same of what is JSON already, or is known to the caller.
pub(super) fn made_unless_unchanged(tag: &str, json: Option<Vec<u8>>) -> Response {
    tagged(json.map_or_else(not_modified, made), tag)
}

/// An answer that is the same as long as the process runs.
pub(super) struct Constant {
    kind: &'static str,
    body: Bytes,
    tag: String,
    /// What a browser may do with it, where it is a page.
    policy: Option<&'static str>,
}

impl Constant {
    pub(super) fn new(kind: &'static str, body: String) -> Self {
        let tag = format!("\"{}\"", &blake3::hash(body.as_bytes()).to_hex()[..32]);
        Self { kind, body: body.into(), tag, policy: None }
    }

    pub(super) fn with_policy(self, policy: &'static str) -> Self {
        Self { policy: Some(policy), ..self }
    }
}

pub(super) fn constant(cx: &Context, constant: &LazyLock<Constant>) -> Response {
    if cx.has(&constant.tag) {
        return tagged(not_modified(), &constant.tag);
    }
    let mut response = tagged(response(StatusCode::OK, constant.kind, constant.body.clone()), &constant.tag);
    if let Some(policy) = constant.policy {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    response
}

fn not_modified() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn tagged(mut response: Response, tag: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
        // It may be kept by whoever asked, and is asked about each time.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    response
}

/// Finds what is behind a request and does it; an early refusal first lets the client finish sending.
pub(super) async fn run(mut cx: Context) -> Response {
    let outcome = match cx.route {
        None => Err(context::nothing_there()),
        Some(route) => match route.endpoint(&cx.method) {
            None => Err(ApiError::method_not_allowed(route.methods())),
            Some(endpoint) => endpoint.run(&mut cx).await,
        },
    };
    let response = answer(cx.request_id, outcome);
    if response.status().is_client_error() {
        cx.drain().await;
    }
    response
}

/// The answer that goes out.
pub(super) fn answer(request_id: RequestId, outcome: Outcome) -> Response {
    outcome.unwrap_or_else(|error| problem(request_id, &error))
}

fn problem(request_id: RequestId, error: &ApiError) -> Response {
    let body = serde_json::to_vec(&error.problem(request_id.to_string())).unwrap_or_default();
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(status, "application/problem+json", body);
    let headers = response.headers_mut();
    if let Some(wait) = error.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if let Some(allow) = error.allow.as_deref().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        headers.insert(ALLOW, allow);
    }
    if error.code == ProblemCode::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Rounded up: who comes back then must not be early.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn response(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // Answers depend on who asks and on the moment; some hold a token.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
