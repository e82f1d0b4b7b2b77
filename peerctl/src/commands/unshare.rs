//! `unshare`: stops sharing files; the files themselves stay.

use clap::Args;
use proto::control::{self, FailureCode, Unshared};
use serde::Serialize;

use crate::error::{Outcome, Trouble};
use crate::render::{Record, safe};
use crate::runner::Context;

/// Stop sharing files; the files themselves stay where they are
#[derive(Debug, Args)]
pub(crate) struct Unshare {
    /// Id, unique prefix of at least 6 digits, or exact name of a file that this peer shares
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

impl Unshare {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let mut failures = Vec::new();
        for file in self.files {
            match cx.ask(control::Unshare { file }).await {
                Ok(unshared) => cx.out.result(&UnsharedRecord(&unshared), || {
                    format!("no longer shared: {}  {}", safe(unshared.name.as_str()), unshared.file_id)
                })?,
                Err(failure) if failure.code == FailureCode::DaemonUnreachable => return Err(failure.into()),
                Err(failure) => failures.push(failure),
            }
        }
        Trouble::unless_empty(failures)
    }
}

struct UnsharedRecord<'a>(&'a Unshared);

impl Record for UnsharedRecord<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.file_id.to_string(), self.0.name.to_string()]
    }

    fn id(&self) -> String {
        self.0.file_id.to_string()
    }
}
