//! One download, from the wish to the file at its place: an actor around the core of the `swarm` crate. Its tasks locate
//! holders, prepare the part file, talk to peers and finish the file; each reports one fact back, and the latest state is
//! in the watch channel that everybody reads.
//!
//! ```text
//! locating ──manifest──▶ preparing ──part file──▶ swarming ──all stored──▶ finishing ──renamed──▶ over
//!     └── no holder: stalled, tried again           └── nobody left: stalled, tried again
//! ```
//! It is never restarted: a failure is a result. What is verified stays on disk, and the next start, or the next
//! `download` of the same file to the same place, goes on from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::control::{FailureCode, Transfer, TransferState};
use proto::directory::Holder;
use proto::ids::{ByteCount, PeerId};
use proto::manifest::Manifest;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use swarm::{Bitfield, Input, PeerKey};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub mod outcome;
mod prepare;
mod sources;
mod swarming;

use self::outcome::Failed;
use self::prepare::{Ground, Plan};
use self::sources::Sources;
use self::swarming::{Event, Swarming};
use super::link::{self, Fact};
use super::locate::{Locator, Search, Unlocated};
use super::progress::Meter;
use crate::mailbox::{Mailbox, PROMPT};
use crate::server::offers::{Offers, Registration};
use crate::shares::{self, Catalog, Share};
use crate::store::layout::StateDir;
use crate::store::manifests::Manifests;
use crate::store::part::{BadDestination, Part};
use crate::store::resume::Note;
use crate::throttle::Throttle;

/// Conversations at a time.
const MOST_LINKS: usize = 32;
/// How often holders are looked for while pieces come: often at first, when others begin with us, and then twice as long
/// each time up to the last; and while none can come.
const LOCATE_FIRST: Duration = Duration::from_millis(250);
const LOCATE_RUNNING: Duration = Duration::from_secs(10);
const LOCATE_STALLED: Duration = Duration::from_secs(2);
/// How often the view is brought up to date.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// How often a full disk is looked at again.
const ROOM_EVERY: Duration = Duration::from_secs(3);

/// The download actor.
pub struct Download;

/// What it hears.
pub enum Msg {
    /// Time to look for holders.
    Locate,
    /// Holders were looked for.
    Located(Result<Vec<Holder>, Unlocated>),
    /// Holders were asked for a manifest.
    Searched(Box<Search>),
    /// The part file is ready, or cannot be.
    Prepared(Result<Ground, BadDestination>),
    /// A link reports.
    Link(PeerKey, Fact),
    /// The core's timer.
    Due,
    /// Time to show how far it is.
    Show,
    /// Time to see whether the disk has room again.
    LookForRoom,
    /// The file is at its place, or cannot get there.
    Finished(Result<Share, BadDestination>),
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
    /// Sets the pace of all downloads together.
    pub downlink: Throttle,
}

/// What it is started with.
pub struct Args {
    /// What was asked for.
    pub note: Note,
    /// Whether it began before the daemon did.
    pub resumed: bool,
    /// What it works with.
    pub tools: Tools,
    /// Where it shows how far it is.
    pub view: watch::Sender<Transfer>,
}

/// What it knows.
pub struct State {
    me: ActorRef<Msg>,
    args: Args,
    phase: Phase,
    sources: Sources,
    meter: Meter,
    began: Instant,
    /// Why nothing moves, while nothing does.
    waiting: Option<(TransferState, String)>,
    locate: Option<AbortOnDropHandle<()>>,
    /// Others are served what is there, while this is here.
    offered: Option<Registration>,
    /// Pause before holders are looked for again while pieces come.
    locate_pause: Duration,
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
        let mut state = State {
            phase: Phase::Locating,
            sources: Sources::default(),
            meter: Meter::default(),
            began: Instant::now(),
            waiting: None,
            locate: None,
            offered: None,
            locate_pause: LOCATE_FIRST,
            _show: every(&me, SHOW_EVERY, || Msg::Show),
            me,
            args,
        };
        state.begin();
        Ok(state)
    }

    async fn handle(&self, _: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Locate => state.locate(),
            Msg::Located(result) => state.located(result),
            Msg::Searched(search) => state.searched(*search),
            Msg::Prepared(result) => state.prepared(result),
            Msg::Link(key, fact) => state.link(key, fact),
            Msg::Due => state.due(),
            Msg::Show => state.show(),
            Msg::LookForRoom => state.look_for_room(),
            Msg::Finished(result) => state.finished(result),
            Msg::Cancel => state.cancel(),
            Msg::Crash => panic!("crash was asked for"),
        }
        if matches!(state.phase, Phase::Over) {
            state.me.stop(None);
        }
        Ok(())
    }
}

impl State {
    /// A manifest from an earlier attempt, or of a file that this peer shares, spares the search for one.
    fn begin(&mut self) {
        let note = &self.args.note;
        match self.args.tools.manifests.load(note.file_id, note.size) {
            Some(manifest) => self.prepare(manifest),
            None => self.locate(),
        }
    }

    fn locate(&mut self) {
        let (me, locator) = (self.me.clone(), self.args.tools.locator.clone());
        let (id, from) = (self.args.note.file_id, self.args.note.from.clone());
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = me.cast(Msg::Located(locator.holders(id, &from).await));
        })));
    }

    fn locate_after(&mut self, pause: Duration) {
        let (me, pause) = (self.me.clone(), pause.mul_f64(0.75 + rand::random::<f64>() / 2.0));
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = me.cast(Msg::Locate);
        })));
    }

    fn located(&mut self, result: Result<Vec<Holder>, Unlocated>) {
        match result {
            Ok(holders) => self.sources.located(holders),
            Err(error) => {
                tracing::debug!(transfer = %self.args.note.transfer_id, %error, "holders could not be looked for");
                self.sources.not_located(&error);
            }
        }
        match &mut self.phase {
            Phase::Locating => self.search(),
            Phase::Swarming(swarming) => {
                for holder in self.sources.worth_dialling(MOST_LINKS, |peer| swarming.is_linked(peer)) {
                    swarming.open(holder);
                }
                self.judge();
                let stalled = matches!(self.waiting, Some((TransferState::Stalled, _)));
                let pause = if stalled { LOCATE_STALLED.min(self.locate_pause) } else { self.locate_pause };
                self.locate_pause = (self.locate_pause * 2).min(LOCATE_RUNNING);
                self.locate_after(pause);
            }
            Phase::Preparing(_) | Phase::Finishing | Phase::Over => {}
        }
    }

    fn search(&mut self) {
        let holders = self.sources.worth_dialling(MOST_LINKS, |_| false);
        if holders.is_empty() {
            self.judge();
            return self.locate_after(LOCATE_STALLED);
        }
        let (me, locator, id) = (self.me.clone(), self.args.tools.locator.clone(), self.args.note.file_id);
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = me.cast(Msg::Searched(Box::new(locator.search(id, holders).await)));
        })));
    }

    fn searched(&mut self, search: Search) {
        search.liars.into_iter().for_each(|(peer, why)| self.banned(peer, why));
        search.silent.into_iter().for_each(|(peer, why)| self.sources.silent(peer, why));
        let Some(manifest) = search.found else {
            self.judge();
            if !matches!(self.phase, Phase::Over) {
                self.locate_after(LOCATE_STALLED);
            }
            return;
        };
        self.adopt_size(&manifest);
        self.prepare(Arc::new(manifest));
    }

    /// The proven size stands, whatever the directory said; a restart must find it in the note.
    fn adopt_size(&mut self, manifest: &Manifest) {
        let (note, size) = (&mut self.args.note, manifest.geometry().size());
        if note.size != size {
            tracing::info!(transfer = %note.transfer_id, listed = %note.size, proven = %size, "the listed size was wrong");
            note.size = size;
        }
    }

    fn prepare(&mut self, manifest: Arc<Manifest>) {
        let (me, note, tools) = (self.me.clone(), self.args.note.clone(), self.args.tools.clone());
        self.phase = Phase::Preparing(Arc::clone(&manifest));
        self.waiting = None;
        let local = tools.catalog.borrow().get(note.file_id).cloned();
        let plan = Plan {
            manifest: Arc::clone(&manifest),
            path: note.path.clone(),
            force: note.force,
            resumed: self.args.resumed,
            local,
        };
        tokio::spawn(async move {
            let kept = tokio::task::spawn_blocking(move || {
                tools.manifests.save(&manifest).and_then(|()| note.save(&tools.state_dir))
            });
            let result = match kept.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(()) => prepare::prepare(plan).await,
                Err(error) => Err(BadDestination::Io { path: plan.path, error }),
            };
            let _ = me.cast(Msg::Prepared(result));
        });
    }

    fn prepared(&mut self, result: Result<Ground, BadDestination>) {
        let Phase::Preparing(manifest) = &self.phase else { return };
        let manifest = Arc::clone(manifest);
        match result {
            Ok(Ground::Open { part, stored }) => {
                let locator = &self.args.tools.locator;
                let (identity, bearer) = (locator.identity.clone(), locator.bearer());
                let (part, downlink) = (Arc::new(part), self.args.tools.downlink.clone());
                self.offer(Arc::clone(&manifest), Arc::clone(&part), stored.clone());
                let shared = link::Shared { identity, bearer, downlink, manifest, part };
                let mut swarming = Swarming::new(shared, stored, self.me.clone());
                let events = swarming.drain();
                let total = ByteCount::new(swarming.progress().stored_bytes);
                self.meter.note(self.began.elapsed(), total);
                self.phase = Phase::Swarming(Box::new(swarming));
                self.locate();
                self.events(events);
            }
            Ok(Ground::AlreadyThere(share)) => self.adopt(share),
            Err(error) => self.fail(error.into()),
        }
        self.show();
    }

    /// Others may have what is there, and are told so before the first piece is asked for.
    fn offer(&mut self, manifest: Arc<Manifest>, part: Arc<Part>, stored: Bitfield) {
        let (tools, note) = (&self.args.tools, &self.args.note);
        self.offered = Some(tools.offers.register(manifest, part, stored));
        let (file_id, name, size) = (note.file_id, note.name.clone(), note.size);
        // A shares actor that is away costs the swarm this holder's help, and this download nothing.
        let _ = tools.shares.cast(shares::Msg::Fetching { file_id, name, size });
    }

    /// No more of it.
    fn offer_no_more(&mut self) {
        let file_id = self.args.note.file_id;
        self.offered = None;
        let _ = self.args.tools.shares.cast(shares::Msg::NotFetching { file_id });
    }

    fn link(&mut self, key: PeerKey, fact: Fact) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        if let Fact::Stored(piece) = fact {
            self.args.tools.offers.gained(self.args.note.file_id, piece);
        }
        if let Fact::NotWritten(_, error) = fact {
            return self.not_written(error);
        }
        let events = swarming.fact(key, fact);
        self.events(events);
    }

    fn due(&mut self) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let events = swarming.due();
        self.events(events);
    }

    fn events(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Gained(peer, bytes) => self.sources.gained(peer, bytes),
                Event::Banned(peer, why) => {
                    self.banned(peer, why);
                    self.judge();
                }
                Event::Left(peer, why) => {
                    self.sources.silent(peer, why);
                    self.judge();
                }
                Event::Stalled => {
                    self.waiting = Some((TransferState::Stalled, self.sources.why_stalled()));
                    self.locate();
                }
                Event::Unstalled => self.waiting = None,
                Event::Done => return self.finish(),
            }
        }
    }

    fn banned(&mut self, peer: PeerId, why: String) {
        let name = self.sources.name(peer);
        tracing::warn!(transfer = %self.args.note.transfer_id, peer = %peer, why, "peer {name} is not asked for this file any more");
        self.sources.banned(peer, why);
    }

    /// Whether there is still somebody to hope for: when every holder has lied, waiting would never end.
    fn judge(&mut self) {
        if let Some(reason) = self.sources.hopeless() {
            return self.fail(Failed::new(FailureCode::VerificationFailed, reason));
        }
        let idle = match &self.phase {
            Phase::Locating => true,
            Phase::Swarming(swarming) => swarming.links() == 0,
            _ => false,
        };
        match &self.waiting {
            Some((TransferState::Paused, _)) => {}
            _ if idle => self.waiting = Some((TransferState::Stalled, self.sources.why_stalled())),
            _ => {}
        }
    }

    /// A full disk is waited for; any other fault of it is final.
    fn not_written(&mut self, error: std::io::Error) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let part = Arc::clone(&swarming.shared().part);
        if !outcome::is_full(&error) {
            return self.fail(BadDestination::Io { path: self.args.note.path.clone(), error }.into());
        }
        if matches!(self.waiting, Some((TransferState::Paused, _))) {
            return;
        }
        let events = swarming.take(Input::Pause);
        let progress = swarming.progress();
        let needed = ByteCount::new(progress.total_bytes - progress.stored_bytes);
        let why = part.check_room(needed).err().map_or_else(|| error.to_string(), |error| error.to_string());
        tracing::warn!(transfer = %self.args.note.transfer_id, why, "a download waits for room on the disk");
        self.waiting = Some((TransferState::Paused, format!("{why}; it goes on when there is room")));
        self.events(events);
        self.me.send_after(ROOM_EVERY, || Msg::LookForRoom);
    }

    fn look_for_room(&mut self) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let progress = swarming.progress();
        let needed = ByteCount::new(progress.total_bytes - progress.stored_bytes);
        if swarming.shared().part.check_room(needed).is_err() {
            self.me.send_after(ROOM_EVERY, || Msg::LookForRoom);
            return;
        }
        self.waiting = None;
        let events = swarming.take(Input::Resume);
        self.events(events);
    }

    fn finish(&mut self) {
        let Phase::Swarming(swarming) = std::mem::replace(&mut self.phase, Phase::Finishing) else { return };
        self.waiting = None;
        self.locate = None;
        let part = Arc::clone(&swarming.shared().part);
        drop(swarming);
        let (me, note) = (self.me.clone(), self.args.note.clone());
        tokio::spawn(async move {
            let path = note.path.clone();
            let renamed = tokio::task::spawn_blocking(move || put_in_place(&part, &note));
            let failed = |error| BadDestination::Io { path, error: std::io::Error::other(error) };
            let _ = me.cast(Msg::Finished(renamed.await.unwrap_or_else(|error| Err(failed(error)))));
        });
    }

    fn finished(&mut self, result: Result<Share, BadDestination>) {
        match result {
            Ok(share) => self.adopt(share),
            Err(error) => self.fail(error.into()),
        }
    }

    /// The file is there. It becomes a share before the download is called done, so that whoever waits for it finds this
    /// peer among the holders.
    fn adopt(&mut self, share: Share) {
        self.phase = Phase::Over;
        let (tools, note) = (self.args.tools.clone(), self.args.note.clone());
        let mut last = self.view(TransferState::Done, None);
        last.bytes = last.size;
        last.verified = true;
        let (view, offered) = (self.args.view.clone(), self.offered.take());
        tokio::spawn(async move {
            let share = Share { name: note.name.clone(), ..share };
            let path = share.path.clone();
            let adopted = tools.shares.ask(|reply| shares::Msg::Adopt { share, reply: Some(reply) }, PROMPT).await;
            if let Err(error) =
                adopted.map_err(|away| away.to_string()).and_then(|done| done.map_err(|error| error.to_string()))
            {
                tracing::warn!(transfer = %note.transfer_id, error, "the finished file is in place, but not shared");
            }
            if let Some(offered) = offered {
                offered.finish(path);
            }
            outcome::forget(&tools.state_dir, &note).await;
            tracing::info!(transfer = %note.transfer_id, file_id = %note.file_id, path = %note.path.display(), "downloaded");
            view.send_replace(last);
        });
    }

    fn fail(&mut self, failed: Failed) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.phase = Phase::Over;
        tracing::warn!(transfer = %self.args.note.transfer_id, reason = failed.reason, "a download has failed");
        let mut last = self.view(TransferState::Failed, Some(failed.reason));
        last.failure = Some(failed.code);
        self.end(last, None);
    }

    fn cancel(&mut self) {
        let part = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Swarming(swarming) => Some(Arc::clone(&swarming.shared().part)),
            _ => None,
        };
        let mut last = self.view(TransferState::Cancelled, Some("given up by the user".into()));
        last.failure = Some(FailureCode::Cancelled);
        self.end(last, part);
    }

    /// Says the last word once the note, and the part file of a cancelled download, are gone.
    fn end(&mut self, last: Transfer, discard: Option<Arc<Part>>) {
        self.offer_no_more();
        let (tools, note, view) = (self.args.tools.clone(), self.args.note.clone(), self.args.view.clone());
        tokio::spawn(async move {
            outcome::forget(&tools.state_dir, &note).await;
            if let Some(part) = discard {
                outcome::discard(part).await;
            }
            view.send_replace(last);
        });
    }

    fn show(&mut self) {
        let (state, reason) = match (&self.waiting, &self.phase) {
            (_, Phase::Over) => return,
            (Some((state, why)), _) => (*state, Some(why.clone())),
            (None, Phase::Locating | Phase::Preparing(_)) => (TransferState::Preparing, None),
            (None, Phase::Swarming(_) | Phase::Finishing) => (TransferState::Running, None),
        };
        let view = self.view(state, reason);
        self.meter.note(self.began.elapsed(), view.bytes);
        self.args.view.send_if_modified(|current| {
            let changed = *current != view;
            *current = view;
            changed
        });
    }

    fn view(&self, state: TransferState, reason: Option<String>) -> Transfer {
        let note = &self.args.note;
        let before = self.args.view.borrow().bytes;
        let bytes = match &self.phase {
            Phase::Swarming(swarming) => ByteCount::new(swarming.progress().stored_bytes),
            Phase::Finishing => note.size,
            _ => before,
        };
        let seconds = self.began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let whole = note.size.as_u64() as f64 / seconds.max(1e-6);
        Transfer {
            transfer_id: note.transfer_id,
            file_id: note.file_id,
            name: note.name.clone(),
            size: note.size,
            path: note.path.clone(),
            state,
            reason,
            failure: None,
            bytes,
            rate: if state == TransferState::Done { whole } else { self.meter.rate() },
            seconds,
            verified: false,
            simulated: false,
            sources: self.sources.list(),
        }
    }
}

/// Syncs and renames, and looks at the result as the shares actor will.
fn put_in_place(part: &Part, note: &Note) -> Result<Share, BadDestination> {
    part.finish(note.force)?;
    let failed = |error| BadDestination::Io { path: note.path.clone(), error };
    let path = note.path.canonicalize().map_err(failed)?;
    Ok(Share { file_id: note.file_id, name: note.name.clone(), path, stamp: part.stamp().map_err(failed)? })
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
