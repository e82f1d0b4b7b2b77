//! `connect`: what list and download speak to from now on, the directory or one peer.

use clap::{Args, Subcommand};
use proto::control::{Failure, ListFiles, ShowPeer};
use proto::directory::Peer;
use proto::ids::{PeerId, PeerName};
use serde::Serialize;

use crate::error::{Outcome, usage};
use crate::render::{Record, opt, safe};
use crate::runner::{Context, Origin};
use crate::session::Place;

/// Choose what list and download speak to: the directory, or one peer
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  connect peer 2           from now on, list-files shows the network as
                           peer 2 sees it, and download asks peer 2 who
                           holds a file
  list-files --own         what peer 2 itself shares
  connect directory        back to the directory

In a session or a script. `list-files --via PEER` does it for one command.\n")]
pub(crate) struct Connect {
    #[command(subcommand)]
    to: To,
}

#[derive(Debug, Subcommand)]
enum To {
    /// The directory, which knows everybody
    Directory,
    /// One peer, asked over gRPC
    Peer {
        /// Name, id or unique prefix of an id
        #[arg(value_name = "PEER")]
        peer: String,
    },
}

impl Connect {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        if cx.origin == Origin::OneShot && !cx.session.in_menu() {
            return Err(usage("`connect` holds for a session, and this command is one of its own")
                .hint("enter one with `peerctl`, or use `peerctl list-files --via PEER`")
                .into());
        }
        let place = match self.to {
            To::Directory => None,
            To::Peer { peer } => Some(reach(cx, peer).await?),
        };
        cx.session.connect(place.clone());
        Ok(cx.out.result(&Connected(place.as_ref()), || sentence(place.as_ref()))?)
    }
}

/// Looks a peer up and speaks with it once, so that a connection that cannot work is none.
async fn reach(cx: &Context<'_>, word: String) -> Result<Place, Failure> {
    let Peer { peer_id, name, .. } = cx.ask(ShowPeer { peer: word }).await?;
    let via = Some(peer_id.to_string());
    cx.ask(ListFiles { via, own: true, limit: Some(1), ..ListFiles::default() }).await?;
    Ok(Place { peer_id, name })
}

fn sentence(place: Option<&Place>) -> String {
    match place {
        None => "list and download speak to the directory".to_owned(),
        Some(place) => {
            let name = safe(place.name.as_str());
            format!("list and download speak through peer {name}; `list-files --own` shows what it shares itself")
        }
    }
}

struct Connected<'a>(Option<&'a Place>);

impl Record for Connected<'_> {
    fn json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            peer_id: Option<PeerId>,
            peer: Option<&'a PeerName>,
        }
        Json { peer_id: self.0.map(|place| place.peer_id), peer: self.0.map(|place| &place.name) }
    }

    fn plain(&self) -> Vec<String> {
        vec![opt(self.0.map(|place| place.peer_id)), opt(self.0.map(|place| &place.name))]
    }

    fn id(&self) -> String {
        opt(self.0.map(|place| place.peer_id))
    }
}
