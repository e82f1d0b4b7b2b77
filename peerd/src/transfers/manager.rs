//! Numbers downloads, starts them, and remembers how they ended. Control connections cast wishes and follow the watch
//! channel of each download. After a restart, of the actor or of the daemon, it takes up every download that has a note.
//!
//! A download that fails, panics included, ends as a result that is shown; nothing else is touched by it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use proto::control::{Explanation, FailureCode, Limit, PieceCount, Transfer, TransferState};
use proto::ids::{ByteCount, TransferId};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{oneshot, watch};
use traces::Span;

use super::download::{self, Download, Tools};
use super::limit;
use super::simulation::{self, Simulation};
use crate::figures::Figures;
use crate::mailbox::Reply;
use crate::store::resume::{self, Note};

/// Ended downloads that are remembered.
const REMEMBERED: usize = 1000;

/// The transfers actor.
pub struct Transfers;

/// What it hears.
pub enum Msg {
    /// Fetch a file. The number in the note is ignored.
    Start {
        /// What.
        wish: Note,
        /// What it is a part of, for those who trace.
        within: Span,
        /// Who asked.
        reply: Reply<Result<Begun, io::Error>>,
    },
    /// A wish has its number and is noted on disk.
    Noted {
        /// What.
        note: Note,
        /// What it is a part of.
        within: Span,
        /// What the disk said.
        result: io::Result<()>,
        /// Who asked.
        reply: Reply<Result<Begun, io::Error>>,
    },
    /// How they all are.
    List {
        /// Who asked.
        reply: Reply<Vec<Transfer>>,
    },
    /// Where one can be followed.
    Follow {
        /// Which.
        id: TransferId,
        /// Who asked; nothing for a number that was never given, or is long forgotten.
        reply: Reply<Option<watch::Receiver<Transfer>>>,
    },
    /// What limits one.
    Explain {
        /// Which.
        id: TransferId,
        /// Who asked; as above.
        reply: Reply<Option<Explanation>>,
    },
    /// Pause one, or go on with it.
    SetPaused {
        /// Which.
        id: TransferId,
        /// Which of the two.
        paused: bool,
        /// Who asked.
        reply: Reply<Result<Transfer, NotSet>>,
    },
    /// Give one up.
    Cancel {
        /// Which.
        id: TransferId,
        /// Who asked; as above.
        reply: Reply<Option<watch::Receiver<Transfer>>>,
    },
    /// Make one panic, for tests of the supervision.
    CrashDownload(TransferId),
    /// Panic, for tests of the supervision.
    Crash,
}

/// Why a transfer is neither paused nor resumed.
#[derive(Debug, thiserror::Error)]
pub enum NotSet {
    /// There is none of that number.
    #[error("there is no such transfer")]
    Unknown,
    /// It has ended.
    #[error("it has ended")]
    Over(Box<Transfer>),
    /// It cannot be noted.
    #[error("the state folder cannot be written: {0}")]
    State(io::Error),
    /// It is just coming or going.
    #[error("it is just being started or ended")]
    Between,
}

/// A download runs.
#[derive(Debug)]
pub struct Begun {
    /// Its number.
    pub id: TransferId,
    /// Whether it ran before.
    pub joined: bool,
}

/// What it is started with.
pub struct Args {
    /// What every download works with.
    pub tools: Tools,
    /// What every simulated one works with.
    pub pretence: simulation::Tools,
    /// Number of downloads that run, for `status`.
    pub running: watch::Sender<u64>,
}

/// What it knows.
pub struct State {
    args: Args,
    last: TransferId,
    entries: BTreeMap<TransferId, Entry>,
}

struct Entry {
    view: watch::Sender<Transfer>,
    explained: watch::Sender<Option<Explanation>>,
    actor: Option<Child>,
}

/// Who carries a transfer out.
enum Child {
    Download(ActorRef<download::Msg>),
    Simulation(ActorRef<simulation::Msg>),
}

impl Child {
    fn id(&self) -> ActorId {
        match self {
            Self::Download(actor) => actor.get_id(),
            Self::Simulation(actor) => actor.get_id(),
        }
    }

    // One that has ended has nothing more to hear.

    fn cancel(&self) {
        match self {
            Self::Download(actor) => drop(actor.cast(download::Msg::Cancel)),
            Self::Simulation(actor) => drop(actor.cast(simulation::Msg::Cancel)),
        }
    }

    fn set_paused(&self, paused: bool, reply: Reply<io::Result<Transfer>>) {
        match self {
            Self::Download(actor) => drop(actor.cast(download::Msg::SetPaused { paused, reply })),
            Self::Simulation(actor) => drop(actor.cast(simulation::Msg::SetPaused { paused, reply })),
        }
    }

    fn crash(&self) {
        match self {
            Self::Download(actor) => drop(actor.cast(download::Msg::Crash)),
            Self::Simulation(actor) => drop(actor.cast(simulation::Msg::Crash)),
        }
    }
}

impl Actor for Transfers {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let state_dir = Arc::clone(&args.tools.state_dir);
        let read = move || Ok::<_, io::Error>((resume::last_transfer(&state_dir), Note::all(&state_dir)?));
        let (last, notes) = tokio::task::spawn_blocking(read).await??;
        let last = notes.last().map_or(last, |note| note.transfer_id.max(last));
        let mut state = State { args, last, entries: BTreeMap::new() };
        for note in notes {
            tracing::info!(transfer = %note.transfer_id, file_id = %note.file_id, "going on with a download");
            state.entries.insert(note.transfer_id, Entry::new(&note));
            state.spawn(&me, note, Span::none(), true).await;
        }
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Start { wish, within, reply } => state.start(&me, wish, within, reply),
            Msg::Noted { note, within, result, reply } => state.noted(&me, note, within, result, reply).await,
            Msg::List { reply } => {
                drop(reply.send(state.entries.values().map(|entry| entry.view.borrow().clone()).collect()));
            }
            Msg::Follow { id, reply } => drop(reply.send(state.follow(id))),
            Msg::Explain { id, reply } => drop(reply.send(state.entries.get(&id).map(Entry::explanation))),
            Msg::SetPaused { id, paused, reply } => state.set_paused(id, paused, reply),
            Msg::Cancel { id, reply } => state.cancel(id, reply),
            Msg::CrashDownload(id) => state.tell(id, Child::crash),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => state.ended(who.get_id(), Some(error.to_string())),
            SupervisionEvent::ActorTerminated(who, _, _) => state.ended(who.get_id(), None),
            _ => {}
        }
        Ok(())
    }
}

impl Entry {
    fn new(note: &Note) -> Self {
        let first = Transfer {
            transfer_id: note.transfer_id,
            file_id: note.file_id,
            name: note.name.clone(),
            size: note.size,
            path: note.path.clone(),
            state: TransferState::Preparing,
            reason: None,
            failure: None,
            bytes: ByteCount::ZERO,
            rate: 0.0,
            seconds: 0.0,
            verified: false,
            simulated: note.simulated.is_some(),
            sources: Vec::new(),
        };
        Self { view: watch::Sender::new(first), explained: watch::Sender::new(None), actor: None }
    }

    /// The last one that the download gave, brought up to date where its state says all there is to say. One that only
    /// pretends gives none.
    fn explanation(&self) -> Explanation {
        let transfer = self.view.borrow().clone();
        let explained = self.explained.borrow().clone().unwrap_or_else(|| bare(&transfer));
        match limit::of_state(transfer.state, transfer.reason.as_deref(), explained.limit == Limit::Paused) {
            Some((limit, because)) if transfer.state.is_final() => {
                Explanation { limit, because, transfer, ..explained }
            }
            _ => Explanation { transfer, ..explained },
        }
    }

    fn is_over(&self) -> bool {
        self.view.borrow().state.is_final()
    }

    /// A fault of ours. The note stays, so the next start tries again.
    fn fail(&self, error: &str, figures: &Figures) {
        self.view.send_modify(|view| {
            if !view.state.is_final() {
                view.state = TransferState::Failed;
                view.failure = Some(FailureCode::Internal);
                let advice = "download it again to go on from what is stored";
                view.reason = Some(format!("a fault in the daemon: {error}; {advice}"));
                figures.ended(view.state, view.simulated);
            }
        });
    }
}

impl State {
    fn start(&mut self, me: &ActorRef<Msg>, wish: Note, within: Span, reply: Reply<Result<Begun, io::Error>>) {
        if let Some(id) = self.same(&wish) {
            let _ = reply.send(Ok(Begun { id, joined: true }));
            return;
        }
        let (last, state_dir, me) = (self.last, Arc::clone(&self.args.tools.state_dir), me.clone());
        self.last = TransferId(last.0 + 1);
        let note = Note { transfer_id: self.last, ..wish };
        self.entries.insert(note.transfer_id, Entry::new(&note));
        tokio::task::spawn_blocking(move || {
            let result = resume::next_transfer(&state_dir, last).and_then(|_| note.save(&state_dir));
            let _ = me.cast(Msg::Noted { note, within, result, reply });
        });
    }

    /// The download that has the same destination and content already.
    fn same(&self, wish: &Note) -> Option<TransferId> {
        let same = |view: &Transfer| {
            view.file_id == wish.file_id
                && view.path == wish.path
                && view.simulated == wish.simulated.is_some()
                && !view.state.is_final()
        };
        self.entries.iter().find(|(_, entry)| same(&entry.view.borrow())).map(|(id, _)| *id)
    }

    async fn noted(
        &mut self,
        me: &ActorRef<Msg>,
        note: Note,
        within: Span,
        result: io::Result<()>,
        reply: Reply<Result<Begun, io::Error>>,
    ) {
        let id = note.transfer_id;
        match result {
            Ok(()) => {
                self.spawn(me, note, within, false).await;
                let _ = reply.send(Ok(Begun { id, joined: false }));
            }
            Err(error) => {
                self.entries.remove(&id);
                let _ = reply.send(Err(error));
            }
        }
    }

    async fn spawn(&mut self, me: &ActorRef<Msg>, note: Note, within: Span, resumed: bool) {
        let Some(entry) = self.entries.get_mut(&note.transfer_id) else { return };
        let (view, supervisor) = (entry.view.clone(), me.get_cell());
        let spawned = if note.simulated.is_some() {
            let args = simulation::Args { note, within, tools: self.args.pretence.clone(), view };
            Actor::spawn_linked(None, Simulation, args, supervisor).await.map(|(actor, _)| Child::Simulation(actor))
        } else {
            let explained = entry.explained.clone();
            let args = download::Args { note, within, resumed, tools: self.args.tools.clone(), view, explained };
            Actor::spawn_linked(None, Download, args, supervisor).await.map(|(actor, _)| Child::Download(actor))
        };
        match spawned {
            Ok(child) => entry.actor = Some(child),
            Err(error) => entry.fail(&error.to_string(), &self.args.tools.figures),
        }
        self.count();
    }

    fn follow(&self, id: TransferId) -> Option<watch::Receiver<Transfer>> {
        self.entries.get(&id).map(|entry| entry.view.subscribe())
    }

    fn set_paused(&self, id: TransferId, paused: bool, reply: Reply<Result<Transfer, NotSet>>) {
        let (answer, saved) = oneshot::channel();
        let refused = match self.entries.get(&id) {
            None => NotSet::Unknown,
            Some(entry) if entry.is_over() => NotSet::Over(Box::new(entry.view.borrow().clone())),
            Some(Entry { actor: Some(child), .. }) => {
                child.set_paused(paused, answer);
                tokio::spawn(async move {
                    let saved = saved.await.map_err(|_| NotSet::Between);
                    let _ = reply.send(saved.and_then(|saved| saved.map_err(NotSet::State)));
                });
                return;
            }
            Some(_) => NotSet::Between,
        };
        let _ = reply.send(Err(refused));
    }

    fn cancel(&self, id: TransferId, reply: Reply<Option<watch::Receiver<Transfer>>>) {
        self.tell(id, Child::cancel);
        let _ = reply.send(self.follow(id));
    }

    fn tell(&self, id: TransferId, what: fn(&Child)) {
        if let Some(child) = self.entries.get(&id).and_then(|entry| entry.actor.as_ref()) {
            what(child);
        }
    }

    fn ended(&mut self, who: ActorId, error: Option<String>) {
        let entry = self.entries.values_mut().find(|entry| entry.actor.as_ref().is_some_and(|child| child.id() == who));
        if let Some(entry) = entry {
            entry.actor = None;
            if let Some(error) = error {
                tracing::error!(transfer = %entry.view.borrow().transfer_id, error, "a download failed by a fault of the daemon");
                entry.fail(&error, &self.args.tools.figures);
            }
        }
        self.count();
        self.forget_old();
    }

    fn count(&self) {
        let running = self.entries.values().filter(|entry| entry.actor.is_some()).count();
        self.args.running.send_replace(running as u64);
    }

    fn forget_old(&mut self) {
        let over: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.is_over()).map(|(id, _)| *id).collect();
        for id in over.iter().take(over.len().saturating_sub(REMEMBERED)) {
            self.entries.remove(id);
        }
    }
}

/// What there is to say of a transfer that does not explain itself.
fn bare(transfer: &Transfer) -> Explanation {
    let by_user = transfer.simulated;
    let told = limit::of_state(transfer.state, transfer.reason.as_deref(), by_user);
    let (limit, because) =
        told.unwrap_or_else(|| (Limit::Pretence, "the pace at which its holder pretends; no content moves".into()));
    Explanation {
        transfer: transfer.clone(),
        limit,
        because,
        max_rate: None,
        pieces: PieceCount::default(),
        in_flight: ByteCount::ZERO,
        duplicates: ByteCount::ZERO,
        sources: Vec::new(),
    }
}
