//! The JSON-RPC 2.0 envelope.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Failure, FailureCode, Progress, Request};

/// Longest message in bytes, either way. Long answers come in pages.
pub const LONGEST_LINE: usize = 1 << 20;

/// The version member: always `"2.0"`.
#[derive(Debug, Clone, Copy, Default)]
struct Version;

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("2.0")
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match <std::borrow::Cow<'_, str>>::deserialize(deserializer)?.as_ref() {
            "2.0" => Ok(Self),
            other => Err(serde::de::Error::custom(format!("jsonrpc is `2.0`, not `{}`", other.escape_debug()))),
        }
    }
}

/// A request on its way to the daemon.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RequestFrame {
    jsonrpc: Version,
    /// Chosen by the caller; comes back in the answer.
    pub id: u64,
    /// The trace that this belongs to, where the caller traces: a W3C `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What is asked.
    #[serde(flatten)]
    pub request: Request,
}

impl RequestFrame {
    /// Wraps a request.
    pub fn new(id: u64, request: impl Into<Request>) -> Self {
        Self { jsonrpc: Version, id, traceparent: None, request: request.into() }
    }

    /// The same as a part of a trace.
    #[must_use]
    pub fn within(self, traceparent: Option<String>) -> Self {
        Self { traceparent, ..self }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// The answer that the caller gets for a line that is no request.
    pub fn parse(line: &str) -> Result<Self, Box<Response>> {
        serde_json::from_str(line).map_err(|error| {
            // The id is worth saving where the rest is wrong, or the caller waits for ever.
            let id = serde_json::from_str::<Value>(line).ok().and_then(|value| value.get("id")?.as_u64());
            Box::new(Response::failed(id, Failure::new(FailureCode::Usage, format!("not a request: {error}"))))
        })
    }
}

/// An answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    jsonrpc: Version,
    /// Of the request; nothing where the request could not be read that far.
    pub id: Option<u64>,
    /// Where it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

/// JSON-RPC's error member; ours rides in `data`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ErrorObject {
    code: i32,
    message: String,
    data: Failure,
}

impl Response {
    /// A success.
    pub fn done<T: Serialize>(id: u64, result: &T) -> Self {
        match serde_json::to_value(result) {
            Ok(value) => Self { jsonrpc: Version, id: Some(id), result: Some(value), error: None },
            Err(error) => Self::failed(Some(id), Failure::new(FailureCode::Internal, error.to_string())),
        }
    }

    /// A failure. The number is JSON-RPC's for an invalid request, else one of the range left to servers.
    pub fn failed(id: Option<u64>, failure: Failure) -> Self {
        let code = if failure.code == FailureCode::Usage { -32600 } else { -32000 };
        let error = ErrorObject { code, message: failure.message.clone(), data: failure };
        Self { jsonrpc: Version, id, result: None, error: Some(error) }
    }

    /// The result or the failure.
    ///
    /// # Errors
    /// The failure, or [`FailureCode::Internal`] for an answer that is neither.
    pub fn into_result<T: serde::de::DeserializeOwned>(self) -> Result<T, Failure> {
        match (self.error, self.result) {
            (Some(error), _) => Err(error.data),
            (None, result) => serde_json::from_value(result.unwrap_or(Value::Null)).map_err(|error| {
                Failure::new(FailureCode::Internal, format!("the daemon's answer is not understood: {error}"))
                    .hint("peerctl and peerd may be of different versions: compare `peerctl version`")
            }),
        }
    }
}

/// Something the daemon tells while a request runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notification {
    jsonrpc: Version,
    method: ProgressMethod,
    /// What and for whom.
    params: NotificationParams,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum ProgressMethod {
    #[serde(rename = "progress")]
    Progress,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct NotificationParams {
    id: u64,
    #[serde(flatten)]
    progress: Progress,
}

impl Notification {
    /// Progress of the request with that id.
    pub fn progress(id: u64, progress: Progress) -> Self {
        Self { jsonrpc: Version, method: ProgressMethod::Progress, params: NotificationParams { id, progress } }
    }

    /// Which request it belongs to, and how far that is.
    pub fn into_parts(self) -> (u64, Progress) {
        (self.params.id, self.params.progress)
    }
}

/// A line from the daemon.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Incoming {
    /// On the way.
    Notification(Notification),
    /// The end of a request.
    Response(Response),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Done, GetStatus, Unshare};

    #[test]
    fn requests_read_as_written() {
        let line = serde_json::to_string(&RequestFrame::new(7, Unshare { file: "a b".into() })).unwrap();
        assert_eq!(line, r#"{"jsonrpc":"2.0","id":7,"method":"unshare","params":{"file":"a b"}}"#);
        let frame = RequestFrame::parse(&line).unwrap();
        assert_eq!((frame.traceparent.as_deref(), frame.request.method()), (None, "unshare"));
        let traced = RequestFrame::new(7, GetStatus {}).within(Some("00-1-2-01".into()));
        let line = serde_json::to_string(&traced).unwrap();
        assert_eq!(RequestFrame::parse(&line).unwrap().traceparent.as_deref(), Some("00-1-2-01"), "{line}");
        assert!(matches!(frame.request, Request::Unshare(Unshare { file }) if file == "a b"));
        assert!(RequestFrame::parse(&serde_json::to_string(&RequestFrame::new(1, GetStatus {})).unwrap()).is_ok());
    }

    #[test]
    fn what_is_no_request_is_answered_under_its_id() {
        for (line, id) in [
            ("{", None),
            (r#"{"jsonrpc":"2.0","id":3,"method":"fly","params":{}}"#, Some(3)),
            (r#"{"jsonrpc":"1.0","id":4,"method":"status","params":{}}"#, Some(4)),
            (r#"{"jsonrpc":"2.0","id":5,"method":"unshare","params":{"file":"a","extra":1}}"#, Some(5)),
        ] {
            let response = RequestFrame::parse(line).unwrap_err();
            assert_eq!(response.id, id, "{line}");
            assert_eq!(response.into_result::<Done>().unwrap_err().code, FailureCode::Usage);
        }
    }

    #[test]
    fn answers_and_progress_are_told_apart() {
        let progress = Progress::Hashing { done: crate::ids::ByteCount::new(1), total: crate::ids::ByteCount::new(2) };
        let line = serde_json::to_string(&Notification::progress(9, progress.clone())).unwrap();
        let Incoming::Notification(read) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        assert_eq!(read.into_parts(), (9, progress));
        let line = serde_json::to_string(&Response::done(9, &Done {})).unwrap();
        let Incoming::Response(read) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        assert_eq!(read.into_result::<Done>(), Ok(Done {}));
    }
}
