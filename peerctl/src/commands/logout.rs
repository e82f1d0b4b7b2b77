//! `logout`: ends the session; the peer is down at once.

use clap::Args;
use proto::control;
use serde::Serialize;

use crate::error::Outcome;
use crate::render::Record;
use crate::runner::Context;

/// Log out: the peer is down at once, and the daemon forgets the session
#[derive(Debug, Args)]
pub(crate) struct Logout {}

impl Logout {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        cx.ask(control::Logout {}).await?;
        Ok(cx.out.result(&LoggedOut {}, || "logged out".to_owned())?)
    }
}

#[derive(Serialize)]
struct LoggedOut {}

impl Record for LoggedOut {
    fn json(&self) -> impl Serialize {
        self
    }

    fn plain(&self) -> Vec<String> {
        vec!["logged-out".to_owned()]
    }

    fn id(&self) -> String {
        "logged-out".to_owned()
    }
}
