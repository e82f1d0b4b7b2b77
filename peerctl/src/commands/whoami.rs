//! `whoami`: the account and the peer.

use clap::Args;
use proto::control::{self, Identity};
use serde::Serialize;

use crate::error::Outcome;
use crate::render::{Fields, Record};
use crate::runner::Context;

/// Show who is logged in, and which peer this is
#[derive(Debug, Args)]
pub(crate) struct Whoami {}

impl Whoami {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let identity = cx.ask(control::WhoAmI {}).await?;
        let human = Fields::default()
            .with("user", format!("{} ({})", identity.user, identity.role))
            .with("peer", format!("{} ({})", identity.peer, identity.peer_id.grouped()))
            .with("until", format!("{:.0}", identity.expires_at));
        let plain = Fields::default()
            .with("user", &identity.user)
            .with("role", identity.role)
            .with("expires_at", identity.expires_at)
            .with("peer_id", identity.peer_id)
            .with("peer", &identity.peer);
        Ok(cx.out.detail(&IdentityRecord(&identity), &human, &plain)?)
    }
}

pub(super) struct IdentityRecord<'a>(pub(super) &'a Identity);

impl Record for IdentityRecord<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        let identity = self.0;
        vec![
            identity.user.to_string(),
            identity.role.to_string(),
            identity.expires_at.to_string(),
            identity.peer_id.to_string(),
            identity.peer.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.0.user.to_string()
    }
}
