//! Questions about whether all is well: the checks of `doctor`, a file against its id, the versions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::{ByteCount, FileId, FileName};

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examine {}

/// Answer to `examine`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// Every check, in an order in which a later one often follows from an earlier one.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What: one word, or several joined by `-`; programs branch on it.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do about it, where something is wrong.
    pub fix: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Ok, message: message.into(), fix: None }
    }

    /// It works, but not as well as it should, or not for long.
    pub fn warn(name: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Warn, message: message.into(), fix: Some(fix.into()) }
    }

    /// Something does not work.
    pub fn fail(name: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Fail, message: message.into(), fix: Some(fix.into()) }
    }
}

/// How something is that was looked at; the worst is the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Well.
    Ok,
    /// Not as well as it should be.
    Warn,
    /// It does not work.
    Fail,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// Parameters of `verify`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Id, unique prefix of at least 6 digits, or exact name of a file that this peer shares.
    pub file: String,
}

/// Answer to `verify`: the content is what the id says. Content that is not comes as
/// [`super::FailureCode::VerificationFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Id of the content, as shared and as hashed now.
    pub file_id: FileId,
    /// Shared under this name.
    pub name: FileName,
    /// Where it lies.
    pub path: PathBuf,
    /// Size of the content.
    pub size: ByteCount,
}

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetVersions {}

/// Answer to `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Of the daemon.
    pub peerd: String,
    /// Of the directory, where it answers.
    pub directory: Option<String>,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
