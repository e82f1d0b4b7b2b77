//! The only place that turns what went wrong into a status.
//!
//! Handlers answer with an [`ApiError`]; its code fixes the status ([`ProblemCode::status`]). What concerns the request is
//! told to the caller; what concerns the directory itself goes to the log, and the caller gets the request id to ask for.

use std::borrow::Cow;
use std::time::Duration;

use proto::directory::{Problem, ProblemCode};

use crate::db::StoreError;

/// How long a caller should wait before it asks again, where nothing better is known.
const SOON: Duration = Duration::from_secs(1);
/// The same, where somebody has to make room or repair something first.
const LATER: Duration = Duration::from_secs(10);

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) code: ProblemCode,
    /// What happened, and what to do next.
    pub(crate) detail: Cow<'static, str>,
    /// Goes out as `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// Goes out as `Allow`.
    pub(crate) allow: Option<String>,
}

impl ApiError {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, allow: None }
    }

    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Malformed, detail)
    }

    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    pub(crate) fn gone(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Gone, detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            ProblemCode::Unauthenticated,
            "this needs the token of a running session: log in with POST /api/v1/sessions",
        )
    }

    pub(crate) fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Forbidden, detail)
    }

    pub(crate) fn not_registered() -> Self {
        Self::new(ProblemCode::NotRegistered, "no such peer is registered, or it has logged out: register it (again)")
    }

    pub(crate) fn superseded() -> Self {
        Self::new(
            ProblemCode::Superseded,
            "another start of a daemon with the same key has registered since: one state folder serves one machine",
        )
    }

    pub(crate) fn slowed(wait: Duration) -> Self {
        let detail =
            "too many wrong passwords for this account, or from this address: wait as long as Retry-After says";
        Self { retry_after: Some(wait), ..Self::new(ProblemCode::TooMany, detail) }
    }

    pub(crate) fn too_many_challenges(wait: Duration) -> Self {
        let detail = "this account has asked for too many challenges: each lasts a minute, used or not";
        Self { retry_after: Some(wait), ..Self::new(ProblemCode::TooMany, detail) }
    }

    pub(crate) fn too_fast(wait: Duration) -> Self {
        let detail = "this session asks more than it may: wait as long as Retry-After says (`max-requests` sets how much that is)";
        Self { retry_after: Some(wait), ..Self::new(ProblemCode::TooMany, detail) }
    }

    /// A fault of our own.
    pub(crate) fn fault(why: &impl std::fmt::Display) -> Self {
        tracing::error!(%why, "a request failed");
        Self::new(ProblemCode::Internal, "a fault of the directory: its log has it under the request id")
    }

    pub(crate) fn busy() -> Self {
        Self { retry_after: Some(SOON), ..Self::new(ProblemCode::Unavailable, "the directory is busy: try again soon") }
    }

    pub(crate) fn draining() -> Self {
        Self { retry_after: Some(SOON), ..Self::new(ProblemCode::Unavailable, "the directory is stopping") }
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("here only {allow} can be used");
        Self { allow: Some(allow), ..Self::new(ProblemCode::MethodNotAllowed, detail) }
    }

    /// As it goes out.
    pub(crate) fn problem(&self, request_id: String) -> Problem {
        Problem {
            kind: format!("urn:enjambre:problem:{}", self.code),
            title: self.code.title().to_owned(),
            status: self.code.status(),
            detail: printable(&self.detail),
            code: self.code,
            request_id,
        }
    }
}

/// A detail may repeat what was sent, and ends on somebody's terminal.
fn printable(detail: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    detail.chars().map(plain).collect()
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy | StoreError::Conflict => Self::busy(),
            // Who lost it has said so in the log, once.
            StoreError::Away(_) => Self {
                retry_after: Some(SOON),
                ..Self::new(ProblemCode::Unavailable, "the directory cannot reach its database: try again soon")
            },
            StoreError::Taken => Self {
                retry_after: Some(LATER),
                ..Self::new(ProblemCode::Unavailable, "another directory serves from this one's database")
            },
            StoreError::Full => Self {
                retry_after: Some(LATER),
                ..Self::new(ProblemCode::OutOfSpace, "the directory's disk is full: nothing was stored")
            },
            StoreError::Broken(why) => {
                tracing::error!(%why, "the database cannot be used");
                let detail = "the directory cannot use its database: its operator finds the reason in its log";
                Self { retry_after: Some(LATER), ..Self::new(ProblemCode::Unavailable, detail) }
            }
            StoreError::Failed(why) => Self::fault(&why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_the_store_has_its_status() {
        let status = |error: StoreError| {
            let error = ApiError::from(error);
            (error.code.status(), error.retry_after.is_some())
        };
        assert_eq!(status(StoreError::Busy), (503, true));
        assert_eq!(status(StoreError::Away("connection refused".into())), (503, true));
        assert_eq!(status(StoreError::Full), (507, true));
        assert_eq!(status(StoreError::Broken("disk I/O error".into())), (503, true));
        assert_eq!(status(StoreError::Failed("no such table".into())), (500, false));
    }

    #[test]
    fn what_is_repeated_steers_no_terminal() {
        let problem = ApiError::malformed("unknown field `\u{1b}[2J\n`").problem("7".into());
        assert_eq!(problem.detail, "unknown field `\\u{1b}[2J\\n`");
    }

    #[test]
    fn what_broke_inside_is_not_told_outside() {
        let problem = ApiError::from(StoreError::Failed("no such column: x".into())).problem("7".into());
        assert!(!problem.detail.contains("column"), "{problem:?}");
        assert_eq!((problem.kind.as_str(), problem.request_id.as_str()), ("urn:enjambre:problem:internal", "7"));
    }
}
