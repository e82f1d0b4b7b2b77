//! `version`: of this program and of the daemon it speaks to.

use clap::Args;
use proto::control;
use serde::Serialize;

use crate::error::Outcome;
use crate::render::{Fields, Record, opt};
use crate::runner::Context;

/// Show the versions of peerctl and of the daemon
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        // A daemon that does not run is no fault here: our own version is known all the same.
        let asked = cx.ask(control::GetStatus {}).await;
        let (peerd, problem) = match asked {
            Ok(status) => (Some(status.version), None),
            Err(failure) => (None, Some(failure.message)),
        };
        let versions = Versions { peerctl: env!("CARGO_PKG_VERSION"), peerd };
        let human = Fields::default()
            .with("peerctl", versions.peerctl)
            .with("peerd", versions.peerd.clone().or(problem).unwrap_or_default());
        let plain = Fields::default().with("peerctl", versions.peerctl).with("peerd", opt(versions.peerd.as_ref()));
        Ok(cx.out.detail(&versions, &human, &plain)?)
    }
}

#[derive(Serialize)]
struct Versions {
    peerctl: &'static str,
    peerd: Option<String>,
}

impl Record for Versions {
    fn json(&self) -> impl Serialize {
        self
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id(), opt(self.peerd.as_ref())]
    }

    fn id(&self) -> String {
        self.peerctl.to_owned()
    }
}
