//! What the directory answers when it does not do as asked: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};

/// An error body. Programs branch on [`Problem::code`]; people read [`Problem::detail`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A URI that names the kind: `urn:enjambre:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here, and what to do next.
    pub detail: String,
    /// The kind, stable.
    pub code: ProblemCode,
    /// Finds the request in the directory's log.
    pub request_id: String,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)+) => {
        /// The kinds of problems: a closed list, each with one status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
            /// One that this program is too old to know.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl ProblemCode {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ Self::Unknown => "unknown" }
            }

            /// HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ Self::Unknown => 500 }
            }

            /// In a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ Self::Unknown => "Unknown problem" }
            }
        }
    };
}

problem_codes! {
    /// The body, a parameter or a header is not what the interface takes.
    Malformed = "malformed", 400, "Malformed request";
    /// The registration's signature or key does not prove the peer id.
    BadProof = "bad-proof", 403, "Proof does not hold";
    /// No token, or one that is not or no longer known.
    Unauthenticated = "unauthenticated", 401, "Not logged in";
    /// User name or password is wrong; never which.
    BadCredentials = "bad-credentials", 401, "Wrong user name or password";
    /// Known, but not allowed.
    Forbidden = "forbidden", 403, "Not allowed";
    /// No such thing, or not for this caller.
    NotFound = "not-found", 404, "Not found";
    /// The peer is not registered (any more): register again.
    NotRegistered = "not-registered", 404, "Peer not registered";
    /// The path exists, the method does not.
    MethodNotAllowed = "method-not-allowed", 405, "Method not allowed";
    /// It exists already, or belongs to somebody else.
    Conflict = "conflict", 409, "Conflict";
    /// A newer instance with the same key has registered; this one must stop announcing.
    Superseded = "superseded", 409, "Superseded by a newer instance";
    /// The event log no longer reaches back that far.
    Gone = "gone", 410, "No longer there";
    /// The body has no length.
    LengthRequired = "length-required", 411, "Length required";
    /// The body is too large.
    TooLarge = "too-large", 413, "Body too large";
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported-media-type", 415, "Unsupported media type";
    /// Too many requests or attempts: wait as long as `Retry-After` says.
    TooMany = "too-many-requests", 429, "Too many requests";
    /// A fault of the directory itself; the log has it under the request id.
    Internal = "internal", 500, "Internal error";
    /// Busy, draining or without its database: wait as long as `Retry-After` says.
    Unavailable = "unavailable", 503, "Temporarily unavailable";
    /// The disk is full: nothing was stored.
    OutOfSpace = "out-of-space", 507, "Out of space";
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_future_are_read() {
        assert_eq!(serde_json::from_str::<ProblemCode>(r#""brand-new""#).unwrap(), ProblemCode::Unknown);
        for code in ProblemCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
    }
}
