//! How a command ends badly, what is said about it, and the exit status that goes with it.
//!
//! There is one kind of failure, [`Failure`] of the control protocol: what the daemon says and what `peerctl` finds by
//! itself are told to people and programs in the same way.

use std::io::Write;
use std::path::Path;

use clap::error::{ContextKind, ErrorKind};
use proto::control::{Failure, FailureCode};
use serde::Serialize;

use crate::render::{self, Format, Output, Paint, safe};

/// What a command ends with.
pub(crate) type Outcome = Result<(), Trouble>;

/// Why a command did not do all that was asked: one failure, or several of a command with several objects. Never empty.
#[derive(Debug)]
pub(crate) struct Trouble(Vec<Failure>);

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self(vec![failure])
    }
}

impl Trouble {
    /// Well where nothing failed.
    pub(crate) fn unless_empty(failures: Vec<Failure>) -> Outcome {
        if failures.is_empty() { Ok(()) } else { Err(Self(failures)) }
    }

    /// That of the first failure: the others often follow from it.
    pub(crate) fn status(&self) -> u8 {
        self.0.first().map_or(FailureCode::Internal.exit_status(), |failure| failure.code.exit_status())
    }

    /// Tells it on standard error.
    pub(crate) fn report(&self, out: &Output) {
        for failure in &self.0 {
            let text = if out.format() == Format::Json { as_json(failure) } else { as_text(failure, out) };
            render::stderr(&text);
        }
    }
}

fn as_text(failure: &Failure, out: &Output) -> String {
    // The code is what to look for, in the manual and elsewhere.
    let code = format!("({})", failure.code);
    let what = format!("{} {code}", safe(&failure.message));
    let what = out.flow_message(&what, 9);
    let what = what.strip_suffix(&code).unwrap_or(&what);
    let what =
        format!("{} {what}{}\n", out.paint_message("peerctl:", Paint::Red), out.paint_message(&code, Paint::Dim));
    let candidates = failure.candidates.iter().map(|candidate| format!("  {}\n", safe(candidate)));
    let hint = failure.hint.as_deref().or_else(|| usual_hint(failure.code));
    let hint =
        hint.map(|hint| format!("{} {}\n", out.paint_message("hint:", Paint::Bold), out.flow_message(&safe(hint), 6)));
    std::iter::once(what).chain(candidates).chain(hint).collect()
}

/// The next step that a code alone tells.
fn usual_hint(code: FailureCode) -> Option<&'static str> {
    match code {
        FailureCode::NotLoggedIn => Some("log in: `peerctl login`"),
        FailureCode::Busy => Some("try again in a moment"),
        FailureCode::DirectoryUnreachable => Some("`peerctl status` says since when; the daemon keeps trying"),
        _ => None,
    }
}

fn as_json(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Told<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        code: FailureCode,
        message: &'a str,
        hint: Option<&'a str>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        candidates: &'a [String],
    }
    let hint = failure.hint.as_deref().or_else(|| usual_hint(failure.code));
    let error = Body { code: failure.code, message: &failure.message, hint, candidates: &failure.candidates };
    render::json_line(&Told { error })
}

/// What could not be parsed, and requests for help, which clap reports in the same way.
#[derive(Debug)]
pub(crate) struct Refused {
    error: Box<clap::Error>,
    json: bool,
}

impl Refused {
    pub(crate) fn new(error: clap::Error, json: bool) -> Self {
        Self { error: Box::new(error), json }
    }

    /// Tells it; help goes to standard output and is no failure.
    pub(crate) fn report(&self) -> u8 {
        if self.error.use_stderr() && self.json {
            render::stderr(&as_json(&self.as_failure()));
        } else {
            // Nobody is left to tell where this fails.
            let _ = self.error.print();
        }
        if self.error.use_stderr() { FailureCode::Usage.exit_status() } else { 0 }
    }

    fn as_failure(&self) -> Failure {
        let rendered = self.error.render().to_string();
        let first = rendered.lines().next().unwrap_or_default();
        let message = match self.error.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => "no command is given",
            _ => first.strip_prefix("error: ").unwrap_or(first),
        };
        let suggested = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg]
            .into_iter()
            .find_map(|kind| self.error.get(kind))
            .map(|word| format!("did you mean `{word}`?"));
        Failure::new(FailureCode::Usage, message).hint(suggested.unwrap_or_else(|| "`peerctl help` shows how".into()))
    }
}

/// A word of the user's that is not as it should be.
pub(crate) fn usage(message: impl Into<String>) -> Failure {
    Failure::new(FailureCode::Usage, message)
}

/// Something about a path of this machine that only `peerctl` has seen.
pub(crate) fn io(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => FailureCode::NotFound,
        std::io::ErrorKind::StorageFull => FailureCode::OutOfSpace,
        _ => FailureCode::Io,
    };
    Failure::new(code, format!("{what} `{}`: {}", path.display(), plain_error(error)))
}

/// An error of the system without its number.
pub(crate) fn plain_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.chars().next().map(char::to_lowercase).into_iter().flatten().chain(text.chars().skip(1)).collect()
}

/// Tells that not even a start was possible.
pub(crate) fn no_runtime(error: &std::io::Error) -> u8 {
    let _ = writeln!(std::io::stderr(), "peerctl: cannot start: {}", plain_error(error));
    FailureCode::Internal.exit_status()
}
