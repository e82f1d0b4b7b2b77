//! `version`: of this program, of the daemon it speaks to, and of the directory behind that one.

use clap::Args;
use proto::control;
use serde::Serialize;

use crate::error::Outcome;
use crate::render::{Fields, Record, opt};
use crate::runner::Context;

/// Show the versions of peerctl, of the daemon and of the directory
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        // A daemon that does not run is no fault here: our own version is known all the same.
        let (peerd, directory, problem) = match cx.ask(control::GetVersions {}).await {
            Ok(versions) => (Some(versions.peerd), versions.directory, versions.problem),
            Err(failure) => (None, None, Some(failure.message)),
        };
        let versions = Versions { peerctl: env!("CARGO_PKG_VERSION"), peerd, directory };
        let or_why = |version: Option<&String>| version.or(problem.as_ref()).cloned().unwrap_or_default();
        let human =
            Fields::default().with("peerctl", versions.peerctl).with("peerd", or_why(versions.peerd.as_ref())).with(
                "directoryd",
                if versions.peerd.is_some() { or_why(versions.directory.as_ref()) } else { "-".into() },
            );
        let plain = Fields::default()
            .with("peerctl", versions.peerctl)
            .with("peerd", opt(versions.peerd.as_ref()))
            .with("directoryd", opt(versions.directory.as_ref()));
        Ok(cx.out.detail(&versions, &human, &plain)?)
    }
}

#[derive(Serialize)]
struct Versions {
    peerctl: &'static str,
    peerd: Option<String>,
    #[serde(rename = "directoryd")]
    directory: Option<String>,
}

impl Record for Versions {
    fn json(&self) -> impl Serialize {
        self
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id(), opt(self.peerd.as_ref()), opt(self.directory.as_ref())]
    }

    fn id(&self) -> String {
        self.peerctl.to_owned()
    }
}
