//! `show-file`: one file with its names and holders.

use clap::Args;
use proto::control::{self, FileShown};
use proto::directory::{FileDetail, Holder, HoldingState, PeerState};
use proto::ids::{PeerAddress, PeerId, PeerName, UserName};
use serde::Serialize;

use super::list_peers::{state_name, state_paint};
use crate::error::Outcome;
use crate::render::{Fields, Record, opt, plural};
use crate::runner::Context;

/// Show one file with its holders
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl show-file ubuntu.iso
  peerctl show-file af1349b9           a prefix of the id, 6 digits or more
  peerctl show-file alice/ubuntu.iso   the one that alice shares\n")]
pub(crate) struct ShowFile {
    /// Id, unique prefix of at least 6 digits, exact name, or USER/NAME
    #[arg(value_name = "FILE")]
    file: String,
}

impl ShowFile {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let shown = cx.ask(control::ShowFile { file: self.file }).await?;
        cx.out.detail(&Shown(&shown), &for_people(&shown), &in_full(&shown))?;
        if shown.file.entry.holders_up == 0 {
            cx.out.note("no holder is up: a download waits until one comes back");
        }
        Ok(())
    }
}

fn for_people(shown: &FileShown) -> Fields {
    let entry = &shown.file.entry;
    let mut fields = Fields::default().with("name", &entry.name);
    for other in shown.file.names.iter().filter(|name| **name != entry.name) {
        fields = fields.with("also", other);
    }
    fields = fields
        .with("id", entry.file_id)
        .with("size", format!("{} ({})", entry.size, plural(entry.size.as_u64(), "byte")))
        .with("holders", format!("{}, {} up", entry.holders, entry.holders_up));
    if let Some(url) = &entry.url {
        fields = fields.with("simulated", format!("without content, from {url}"));
    }
    shown.holders_list.iter().fold(fields, |fields, holder| {
        let part = if holder.holding == HoldingState::Partial { ", has a part" } else { "" };
        let line =
            format!("{} of {} at {}, {}{part}", holder.name, holder.user, holder.address, state_name(holder.state));
        fields.painted("holder", line, state_paint(holder.state))
    })
}

fn in_full(shown: &FileShown) -> Fields {
    let entry = &shown.file.entry;
    let fields = Fields::default()
        .with("file_id", entry.file_id)
        .with("name", &entry.name)
        .with("size", entry.size.as_u64())
        .with("holders", entry.holders)
        .with("holders_up", entry.holders_up)
        .with("simulated", entry.simulated)
        .with("url", opt(entry.url.as_ref()));
    shown.holders_list.iter().fold(fields, |fields, holder| {
        fields.with("holder", format!("{} {} {}", holder.peer_id, holder.name, state_name(holder.state)))
    })
}

struct Shown<'a>(&'a FileShown);

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    file: &'a FileDetail,
    holders_list: Vec<HolderJson<'a>>,
}

#[derive(Serialize)]
struct HolderJson<'a> {
    peer: &'a PeerName,
    state: PeerState,
    peer_id: PeerId,
    user: &'a UserName,
    address: &'a PeerAddress,
    holding: HoldingState,
}

impl<'a> From<&'a Holder> for HolderJson<'a> {
    fn from(holder: &'a Holder) -> Self {
        let Holder { peer_id, name, user, address, state, holding } = holder;
        Self { peer: name, state: *state, peer_id: *peer_id, user, address, holding: *holding }
    }
}

impl Record for Shown<'_> {
    fn json(&self) -> impl Serialize {
        Json { file: &self.0.file, holders_list: self.0.holders_list.iter().map(HolderJson::from).collect() }
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id()]
    }

    fn id(&self) -> String {
        self.0.file.entry.file_id.to_string()
    }
}
