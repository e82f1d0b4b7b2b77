//! Answers: a body or a problem, as JSON.

use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use proto::directory::ProblemCode;
use serde::Serialize;
use warp::reply::Response;

use super::context::Context;
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

/// 204.
pub(super) fn done() -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

pub(super) fn text(text: String) -> Response {
    response(StatusCode::OK, "text/plain; charset=utf-8", text.into_bytes())
}

/// Runs what is behind a path; an early refusal first lets the client finish sending.
pub(super) async fn run(mut cx: Context, behind: impl AsyncFnOnce(&mut Context) -> Outcome) -> Response {
    let outcome = behind(&mut cx).await;
    let response = answer(&cx.request_id, outcome);
    if response.status().is_client_error() {
        cx.drain().await;
    }
    response
}

/// The answer that goes out.
pub(super) fn answer(request_id: &RequestId, outcome: Outcome) -> Response {
    outcome.unwrap_or_else(|error| problem(request_id, &error))
}

fn problem(request_id: &RequestId, error: &ApiError) -> Response {
    let body = serde_json::to_vec(&error.problem(request_id.to_string())).unwrap_or_default();
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(status, "application/problem+json", body);
    let headers = response.headers_mut();
    if let Some(wait) = error.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    if let Some(allow) = error.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
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

fn response(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // Answers depend on who asks and on the moment; some hold a token.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
