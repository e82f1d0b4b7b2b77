//! Why a control request failed: a closed list of codes, a sentence, and the next step.

use serde::{Deserialize, Serialize};

/// An answer that says no. `message` says what happened and why; `hint` what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind; programs branch on it.
    pub code: FailureCode,
    /// What happened, and why.
    pub message: String,
    /// What to do next, where there is something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What an ambiguous word could mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, candidates: Vec::new() }
    }

    /// The same with a next step.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with what an ambiguous word could mean.
    #[must_use]
    pub fn candidates(self, candidates: Vec<String>) -> Self {
        Self { candidates, ..self }
    }
}

macro_rules! failure_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)+) => {
        /// The kinds of failures, each with the exit status of `peerctl` that goes with it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum FailureCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl FailureCode {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// As on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Exit status of a one-shot command that fails so.
            pub const fn exit_status(self) -> u8 {
                match self { $(Self::$name => $status,)+ }
            }
        }
    };
}

failure_codes! {
    /// A fault of the daemon or of its machine that no other code names.
    Internal = "internal", 1;
    /// `doctor` found something that fails.
    ChecksFailed = "checks-failed", 1;
    /// A part of the daemon is being restarted, or the directory has no time: try again.
    Busy = "busy", 1;
    /// A path cannot be read or written.
    Io = "io", 1;
    /// The disk has no room.
    OutOfSpace = "out-of-space", 1;
    /// The request is not one that the daemon takes.
    Usage = "usage", 2;
    /// A word names more than one thing.
    Ambiguous = "ambiguous", 2;
    /// No such file, peer or transfer.
    NotFound = "not-found", 3;
    /// Nobody is logged in, or the session has ended.
    NotLoggedIn = "not-logged-in", 4;
    /// User name or password is wrong.
    BadCredentials = "bad-credentials", 4;
    /// Logged in, but not allowed.
    Forbidden = "forbidden", 4;
    /// No daemon listens on the control socket.
    DaemonUnreachable = "daemon-unreachable", 5;
    /// The directory does not answer.
    DirectoryUnreachable = "directory-unreachable", 5;
    /// A transfer ended without the file.
    TransferFailed = "transfer-failed", 6;
    /// What came is not what was asked for.
    VerificationFailed = "verification-failed", 6;
    /// It is there already, or belongs to somebody else.
    Conflict = "conflict", 7;
    /// No answer in the time given.
    TimedOut = "timed-out", 8;
    /// The user gave it up.
    Cancelled = "cancelled", 130;
}

impl std::fmt::Display for FailureCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
