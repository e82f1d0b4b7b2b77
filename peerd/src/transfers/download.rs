//! One download, from the wish to the file at its place: an actor around the core of the `swarm` crate. Its tasks locate
//! holders, prepare the part file, talk to peers and finish the file; each reports one fact back, and the latest state is
//! in the watch channel that everybody reads.
//!
//! ```text
//! locating ──manifest──▶ preparing ──part file──▶ swarming ──all stored──▶ finishing ──renamed──▶ over
//!     └── no holder: stalled, tried again           └── nobody left: stalled, tried again
//! ```
//! Paused by the user it stays in its phase, talks to nobody, and still serves what it has.
//!
//! It is never restarted: a failure is a result. What is verified stays on disk, and the next start, or the next
//! `download` of the same file to the same place, goes on from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::control::{Explanation, Transfer, TransferState};
use proto::directory::Holder;
use proto::ids::PeerId;
use proto::manifest::Manifest;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use swarm::{Looks, PeerKey};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use traces::Span;

mod ending;
mod explaining;
mod finding;
mod opening;
pub mod outcome;
mod pausing;
mod prepare;
mod running;
mod showing;
mod sources;
mod swarming;

use self::prepare::Ground;
use self::sources::Sources;
use self::swarming::Swarming;
use super::link::{Downlink, Fact};
use super::locate::{Locator, Search, Unlocated};
use super::progress::Meter;
use crate::directory::Interests;
use crate::figures::Figures;
use crate::mailbox::{Mailbox, Reply};
use crate::server::offers::{Offers, Registration};
use crate::shares::{self, Catalog, Share};
use crate::store::layout::StateDir;
use crate::store::manifests::Manifests;
use crate::store::part::BadDestination;
use crate::store::resume::{Keeper, Note};
use crate::throttle::{Lane, Throttle};

/// How often the view is brought up to date, and others are told what is here.
const SHOW_EVERY: Duration = Duration::from_millis(200);

/// The download actor.
pub struct Download;

/// What it hears.
pub enum Msg {
    /// Time to look for holders.
    Locate,
    /// The directory has news of the file.
    News,
    /// Holders were looked for.
    Located(Result<Vec<Holder>, Unlocated>),
    /// A peer watches what is here, and so fetches the same file.
    Watched(PeerId),
    /// It was looked up.
    Met(Holder),
    /// Holders were asked for a manifest.
    Searched(Box<Search>),
    /// The part file is ready, or cannot be.
    Prepared(Result<Ground, BadDestination>),
    /// A link reports.
    Link(PeerKey, Fact),
    /// The core's timer.
    Due,
    /// Time to show how far it is, to people and to other peers.
    Show,
    /// Time to see whether the disk has room again.
    LookForRoom,
    /// The file is at its place, or cannot get there.
    Finished(Result<Share, BadDestination>),
    /// Fetch nothing until told otherwise, or go on.
    SetPaused {
        /// Which of the two.
        paused: bool,
        /// Who asked; answered once it is on disk.
        reply: Reply<std::io::Result<Transfer>>,
    },
    /// Give it up, and remove what there is.
    Cancel,
    /// Panic, for tests of the supervision.
    Crash,
}

/// What every download works with.
#[derive(Clone)]
pub struct Tools {
    /// Finds holders and manifests.
    pub locator: Locator,
    /// Piece hashes on disk.
    pub manifests: Arc<Manifests>,
    /// Notes on disk.
    pub state_dir: Arc<StateDir>,
    /// Adopts the finished file.
    pub shares: Mailbox<shares::Msg>,
    /// What this peer has already.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// Serves what is there to others.
    pub offers: Offers,
    /// Sets the pace of all downloads together, and of what comes from each peer.
    pub downlink: Downlink,
    /// Counts what comes, and how downloads end.
    pub figures: Figures,
    /// Says when somebody else may have the file.
    pub interests: Interests,
    /// What is asked of whom, and in which order.
    pub policy: swarm::Config,
}

/// What it is started with.
pub struct Args {
    /// What was asked for.
    pub note: Note,
    /// What it is a part of, for those who trace.
    pub within: Span,
    /// Whether it began before the daemon did.
    pub resumed: bool,
    /// What it works with.
    pub tools: Tools,
    /// Where it shows how far it is.
    pub view: watch::Sender<Transfer>,
    /// Where it explains itself; as long as nothing is there, there is nothing to explain.
    pub explained: watch::Sender<Option<Explanation>>,
}

/// What it knows.
pub struct State {
    me: ActorRef<Msg>,
    args: Args,
    /// Itself as a part of a trace; what it spawns runs within it.
    span: Span,
    phase: Phase,
    sources: Sources,
    meter: Meter,
    began: Instant,
    /// Why nothing moves, while nothing does.
    waiting: Option<(TransferState, String)>,
    /// Writes the note.
    keeper: Keeper,
    /// Its own rate, and its place among all downloads.
    own_rate: Lane,
    place: Lane,
    /// What the fetches were at in the last seconds.
    looks_back: explaining::Past,
    locate: Option<AbortOnDropHandle<()>>,
    /// Whether that only waits for the next look.
    pausing: bool,
    /// Whether there was news during a look.
    heard: bool,
    listening: Option<AbortOnDropHandle<()>>,
    /// Others are served what is there, while this is here.
    offered: Option<Registration>,
    /// Pauses before holders are looked for again while pieces come.
    looks: Looks,
    _show: AbortOnDropHandle<()>,
}

enum Phase {
    Locating,
    Preparing(Arc<Manifest>),
    Swarming(Box<Swarming>),
    Finishing,
    Over,
}

impl Actor for Download {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let span = traces::within(&args.within, || format!("download {}", args.note.name));
        let keeper = Keeper::new(args.note.clone(), Arc::clone(&args.tools.state_dir));
        let mut state = State {
            keeper,
            own_rate: Throttle::new(args.note.rate).lane(),
            place: args.tools.downlink.all.lane(),
            looks_back: explaining::Past::default(),
            phase: Phase::Locating,
            sources: Sources::default(),
            meter: Meter::default(),
            began: Instant::now(),
            waiting: None,
            locate: None,
            pausing: false,
            heard: false,
            listening: None,
            offered: None,
            looks: Looks::default(),
            _show: every(&me, SHOW_EVERY, || Msg::Show),
            me,
            args,
            span: span.clone(),
        };
        span.in_scope(|| state.begin());
        Ok(state)
    }

    async fn handle(&self, _: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        let _inside = state.span.clone().entered();
        match message {
            Msg::Locate => state.locate(),
            Msg::News => state.news(),
            Msg::Located(result) => state.located(result),
            Msg::Watched(peer) => state.watched(peer),
            Msg::Met(holder) => state.met(holder),
            Msg::Searched(search) => state.searched(*search),
            Msg::Prepared(result) => state.prepared(result),
            Msg::Link(key, fact) => state.link(key, fact),
            Msg::Due => state.due(),
            Msg::Show => state.show(),
            Msg::LookForRoom => state.look_for_room(),
            Msg::Finished(result) => state.finished(result),
            Msg::SetPaused { paused, reply } => state.set_paused(paused, reply),
            Msg::Cancel => state.cancel(),
            Msg::Crash => panic!("crash was asked for"),
        }
        if matches!(state.phase, Phase::Over) {
            state.me.stop(None);
        }
        Ok(())
    }
}

/// Casts a message at every beat, as long as the actor lives.
fn every(me: &ActorRef<Msg>, period: Duration, message: fn() -> Msg) -> AbortOnDropHandle<()> {
    let me = me.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut beat = tokio::time::interval(period);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while me.cast(message()).is_ok() {
            beat.tick().await;
        }
    }))
}
