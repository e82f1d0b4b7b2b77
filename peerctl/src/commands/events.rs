//! `events`: what has changed in the network, and what changes.

use std::cell::RefCell;

use clap::Args;
use proto::control::{Failure, Progress, WatchEvents};
use proto::directory::{Change, Event};
use serde::Serialize;
use tokio::sync::Notify;

use crate::error::Outcome;
use crate::render::{Record, opt};
use crate::runner::Context;

/// Show what has changed: peers that came and went, files that they announced
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl events                     the latest
  peerctl events --follow            what happens from now on, until Ctrl-C
  peerctl events --since 4711 -f     everything behind number 4711, each once\n")]
pub(crate) struct Events {
    /// Go on with what happens, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Everything behind this number
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
}

impl Events {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let Self { follow, since } = self;
        let (failed, over, shown) = (RefCell::new(None), Notify::new(), RefCell::new(0_u64));
        let show = |progress| {
            let Progress::Event(event) = progress else { return };
            *shown.borrow_mut() += 1;
            if let Err(failure) = show(cx, event) {
                failed.replace(Some(failure));
            }
            // Nobody reads on, or nobody can.
            if failed.borrow().is_some() || cx.out.is_closed() {
                over.notify_one();
            }
        };
        tokio::select! {
            answer = cx.follow(WatchEvents { since, follow }, show) => {
                answer?;
            }
            () = over.notified() => {}
        }
        if let Some(failure) = failed.take() {
            return Err(failure.into());
        }
        if *shown.borrow() == 0 {
            cx.out.note("nothing has changed");
        }
        Ok(())
    }
}

fn show(cx: &Context<'_>, event: Event) -> Result<(), Failure> {
    let sentence = format!("{}  {:.0}  {}", event.seq, event.at, what(&event.change));
    cx.out.result(&EventLine(event), || sentence)
}

/// In words; ids as far as a word needs them.
fn what(change: &Change) -> String {
    let peer = |id: &proto::ids::PeerId| id.to_string()[..8].to_owned();
    let file = |id: &proto::ids::FileId| id.to_string()[..8].to_owned();
    match change {
        Change::PeerUp { peer_id } => format!("peer {} is up", peer(peer_id)),
        Change::PeerDown { peer_id } => format!("peer {} is down", peer(peer_id)),
        Change::FileAnnounced { peer_id, file_id } => format!("peer {} shares file {}", peer(peer_id), file(file_id)),
        Change::FilePartial { peer_id, file_id } => format!("peer {} fetches file {}", peer(peer_id), file(file_id)),
        Change::FileWithdrawn { peer_id, file_id } => {
            format!("peer {} no longer has file {}", peer(peer_id), file(file_id))
        }
        Change::UserChanged { user } => format!("account {user} was made, changed or removed"),
        Change::Unknown => "something that this program is too old to know".to_owned(),
    }
}

struct EventLine(Event);

impl Record for EventLine {
    fn json(&self) -> impl Serialize {
        &self.0
    }

    fn plain(&self) -> Vec<String> {
        let Event { seq, at, change } = &self.0;
        let user = if let Change::UserChanged { user } = change { Some(user) } else { None };
        vec![
            seq.to_string(),
            at.to_string(),
            change.kind().to_owned(),
            opt(change.peer()),
            opt(change.file()),
            opt(user),
        ]
    }

    fn id(&self) -> String {
        self.0.seq.to_string()
    }
}
