//! `doctor`: everything that is often wrong, each with what to do about it.

use clap::Args;
use proto::control::{Check, Examine, Failure, FailureCode, GetVersions, Verdict};
use serde::Serialize;

use crate::error::{Outcome, Trouble};
use crate::render::{Column, Format, Listing, Paint, Record, Row, TableCell, json_line, opt, safe};
use crate::runner::Context;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Check socket, directory, login, clock, address, disk, descriptors and shares; exit status 1 where something fails
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl doctor
  peerctl doctor --plain | grep -v -w ok     what is not as it should be\n")]
pub(crate) struct Doctor {}

impl Doctor {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let checks = examine(cx).await;
        show(cx, &checks)?;
        let failed: Vec<&str> = named(&checks, Verdict::Fail);
        if failed.is_empty() {
            return Ok(());
        }
        let message = format!("{} of {} checks failed: {}", failed.len(), checks.len(), failed.join(", "));
        Err(Trouble::from(Failure::new(FailureCode::ChecksFailed, message)))
    }
}

async fn examine(cx: &Context<'_>) -> Vec<Check> {
    let versions = match cx.ask(GetVersions {}).await {
        Ok(versions) => versions,
        Err(failure) => return vec![unanswered("daemon", failure)],
    };
    let mut checks = vec![daemon(&versions.peerd)];
    match cx.ask(Examine {}).await {
        Ok(examination) => checks.extend(examination.checks),
        Err(failure) => checks.push(unanswered("examination", failure)),
    }
    checks
}

fn unanswered(name: &str, failure: Failure) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Fail, message: failure.message, fix: failure.hint }
}

fn daemon(version: &str) -> Check {
    let message = format!("peerd {version} answers");
    if version == VERSION {
        Check::ok("daemon", message)
    } else {
        let message = format!("{message}; peerctl is {VERSION}");
        Check::warn("daemon", message, "install the same version of both, and start peerd again")
    }
}

fn named(checks: &[Check], verdict: Verdict) -> Vec<&str> {
    checks.iter().filter(|check| check.verdict == verdict).map(|check| check.name.as_str()).collect()
}

fn show(cx: &Context<'_>, checks: &[Check]) -> Result<(), Failure> {
    if cx.out.format() == Format::Json {
        #[derive(Serialize)]
        struct Json<'a> {
            verdict: Verdict,
            checks: &'a [Check],
        }
        let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
        return cx.out.write(&json_line(&Json { verdict, checks }));
    }
    let rows: Vec<CheckRow<'_>> = checks.iter().map(CheckRow).collect();
    if cx.out.format() != Format::Human {
        let mut listing = Listing::new(cx.out);
        listing.page(&rows)?;
        return listing.end();
    }
    cx.out.write(&rows.iter().map(|row| row.told(cx)).collect::<String>())
}

struct CheckRow<'a>(&'a Check);

impl CheckRow<'_> {
    /// For people: what was found, and below it what to do. Not a table: sentences are read, not cut.
    fn told(&self, cx: &Context<'_>) -> String {
        let Check { name, verdict, message, fix } = self.0;
        let verdict_word = cx.out.paint(&format!("{verdict:4}"), paint(*verdict));
        let found = format!("{}: {}", safe(name), safe(message));
        let fix = fix.as_ref().map(|fix| format!("fix: {}", safe(fix)));
        let fix = fix.map(|fix| format!("      {}\n", cx.out.flow(&fix, 6))).unwrap_or_default();
        format!("{verdict_word}  {}\n{fix}", cx.out.flow(&found, 6))
    }
}

fn paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Ok => Paint::Green,
        Verdict::Warn => Paint::Yellow,
        Verdict::Fail => Paint::Red,
    }
}

impl Record for CheckRow<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        let Check { name, verdict, message, fix } = self.0;
        vec![name.clone(), verdict.to_string(), message.clone(), opt(fix.as_ref())]
    }

    fn id(&self) -> String {
        self.0.name.clone()
    }
}

impl Row for CheckRow<'_> {
    const COLUMNS: &'static [Column] = &[Column::text("CHECK"), Column::text("VERDICT"), Column::flexible("FOUND")];

    fn cells(&self) -> Vec<TableCell> {
        let Check { name, verdict, message, .. } = self.0;
        vec![TableCell::new(name), TableCell::painted(verdict.to_string(), paint(*verdict)), TableCell::new(message)]
    }
}
