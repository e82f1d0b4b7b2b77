//! Owns the simulated files of this peer: their list on disk, and their part of the catalog. Control connections ask it to
//! share and to unshare; simulated transfers that end share what they brought. Owns the constants of the simulator too, and
//! the turns of its runs, which compute on threads of their own.
//!
//! A change is on disk before it is in the catalog, and in the catalog before its asker hears of it. Changes that come
//! while one is being written are written together. A failure loses those that wait, whose askers are told.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::ids::FileId;
use proto::simulated::Simulated;
use proto::simulation::{Answer, Constants, Scenario};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{Semaphore, watch};

use super::files::{self, Files, MOST};
use super::question::usual_constants;
use super::run::{self, NoAnswer, Told};
use crate::mailbox::Reply;
use crate::shares::Catalog;
use crate::store::layout::{self, StateDir};

/// The simulation actor.
pub struct Simulation;

/// What it hears.
pub enum Msg {
    /// Share a file without content.
    Share {
        /// Which.
        file: Simulated,
        /// Who asked.
        reply: Asker,
    },
    /// Share it no more.
    Unshare {
        /// Which.
        file_id: FileId,
        /// Who asked.
        reply: Asker,
    },
    /// Changes are on disk, or could not be put there.
    Kept {
        /// What is shared with them.
        files: Files,
        /// Who asked for them.
        askers: Vec<Asker>,
        /// What the disk said.
        result: io::Result<()>,
    },
    /// Simulate a swarm.
    Run {
        /// Which.
        scenario: Box<Scenario>,
        /// Where the answer so far is told; the run ends when nobody listens any more.
        told: Told,
        /// Who asked.
        reply: Reply<Result<Answer, NoAnswer>>,
    },
    /// This machine was measured.
    Calibrated {
        /// What came of it.
        constants: Constants,
        /// Who asked.
        reply: Reply<io::Result<()>>,
    },
    /// Panic, for tests of the supervision.
    Crash,
}

/// Hears the version of the catalog that has the change.
pub type Asker = Reply<Result<u64, NotKept>>;

/// Why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotKept {
    /// The state folder.
    #[error("the state folder cannot be written: {0}")]
    State(Arc<io::Error>),
    /// There are enough of them.
    #[error("this peer shares {MOST} simulated files already, and keeps no more")]
    TooMany,
    /// It is not shared.
    #[error("it is not shared")]
    Unknown,
}

/// What it is started with.
pub struct Args {
    /// Where the list is kept.
    pub state_dir: Arc<StateDir>,
    /// Where snapshots are published. What is not simulated in them is the shares actor's.
    pub catalog: watch::Sender<Arc<Catalog>>,
}

/// What it knows.
pub struct State {
    catalog: watch::Sender<Arc<Catalog>>,
    path: PathBuf,
    files: Files,
    writing: bool,
    waiting: Vec<(Change, Asker)>,
    constants: Option<Constants>,
    constants_path: PathBuf,
    /// One run at a time: each takes a core, and memory.
    turn: Arc<Semaphore>,
}

enum Change {
    Share(Simulated),
    Unshare(FileId),
}

impl Change {
    fn make(self, files: &mut Files) -> Result<(), NotKept> {
        match self {
            Self::Share(file) if files.len() >= MOST && !files.contains_key(&file.id()) => Err(NotKept::TooMany),
            Self::Share(file) => {
                files.insert(file.id(), file);
                Ok(())
            }
            Self::Unshare(id) => files.remove(&id).map(drop).ok_or(NotKept::Unknown),
        }
    }
}

impl Actor for Simulation {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, _: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let path = args.state_dir.simulated();
        let constants_path = args.state_dir.constants();
        let from = (path.clone(), constants_path.clone());
        let read = move || (files::read(&from.0), read_constants(&from.1));
        let (files, constants) = tokio::task::spawn_blocking(read).await?;
        let (files, turn) = (files?, Arc::new(Semaphore::new(1)));
        let (catalog, waiting) = (args.catalog, Vec::new());
        let state = State { catalog, path, files, writing: false, waiting, constants, constants_path, turn };
        state.publish();
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Share { file, reply } => state.change(&me, Change::Share(file), reply),
            Msg::Unshare { file_id, reply } => state.change(&me, Change::Unshare(file_id), reply),
            Msg::Kept { files, askers, result } => state.kept(&me, files, askers, result),
            Msg::Run { scenario, told, reply } => state.run(*scenario, told, reply),
            Msg::Calibrated { constants, reply } => state.calibrated(constants, reply),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }
}

impl State {
    fn change(&mut self, me: &ActorRef<Msg>, change: Change, reply: Asker) {
        self.waiting.push((change, reply));
        self.write(me);
    }

    /// Puts what waits on disk, unless something is on its way there.
    fn write(&mut self, me: &ActorRef<Msg>) {
        if self.writing || self.waiting.is_empty() {
            return;
        }
        let (mut next, mut askers) = (self.files.clone(), Vec::new());
        for (change, asker) in self.waiting.drain(..) {
            match change.make(&mut next) {
                Ok(()) => askers.push(asker),
                Err(error) => drop(asker.send(Err(error))),
            }
        }
        if askers.is_empty() {
            return;
        }
        self.writing = true;
        let (me, path) = (me.clone(), self.path.clone());
        tokio::task::spawn_blocking(move || {
            let result = files::write(&path, &next);
            let _ = me.cast(Msg::Kept { files: next, askers, result });
        });
    }

    fn kept(&mut self, me: &ActorRef<Msg>, files: Files, askers: Vec<Asker>, result: io::Result<()>) {
        self.writing = false;
        let answer = match result {
            Ok(()) => {
                self.files = files;
                Ok(self.publish())
            }
            Err(error) => Err(NotKept::State(Arc::new(error))),
        };
        for asker in askers {
            let _ = asker.send(answer.clone());
        }
        self.write(me);
    }

    fn run(&self, mut scenario: Scenario, told: Told, reply: Reply<Result<Answer, NoAnswer>>) {
        if scenario.constants.is_none() {
            scenario.constants = Some(self.constants.clone().unwrap_or_else(usual_constants));
        }
        let turn = Arc::clone(&self.turn);
        tokio::spawn(async move {
            let _ = reply.send(run::run(turn, scenario, told).await);
        });
    }

    fn calibrated(&mut self, constants: Constants, reply: Reply<io::Result<()>>) {
        self.constants = Some(constants.clone());
        let path = self.constants_path.clone();
        tokio::task::spawn_blocking(move || {
            let written = serde_json::to_vec(&constants).map_err(Into::into);
            let _ = reply.send(written.and_then(|text| layout::replace(&path, &text)));
        });
    }

    /// Answers the version of the catalog that has what is shared now.
    fn publish(&self) -> u64 {
        let mut version = 0;
        self.catalog.send_modify(|current| {
            let next = current.with_simulated(self.files.values().map(Simulated::announce));
            version = next.version();
            *current = Arc::new(next);
        });
        version
    }
}

/// What was measured, if it was. Damage costs no more than a second of measuring.
fn read_constants(path: &Path) -> Option<Constants> {
    let constants = serde_json::from_slice(&std::fs::read(path).ok()?);
    constants
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "the measured constants cannot be read"))
        .ok()
}
