//! One simulated transfer: an actor around one task. The task finds a holder, hears from it how far a transfer would be by
//! now, and when all of it would be there the file, without content, is this peer's to share as well.
//!
//! It is never restarted: a failure is a result. After a restart of the daemon it begins anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::control::{FailureCode, Source, Transfer, TransferState};
use proto::directory::{Holder, HoldingState};
use proto::ids::{ByteCount, FileId};
use proto::peer::{SimulateTransferRequest, SimulatedProgress};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, Streaming};
use traces::{Instrument, Span};
use transport::DialOptions;

use super::locate::{Locator, is_usable};
use super::progress::Meter;
use crate::figures::Figures;
use crate::mailbox::{Mailbox, PROMPT, Reply};
use crate::shares::Catalog;
use crate::simulation;
use crate::store::layout::StateDir;
use crate::store::resume::{Keeper, Note};

/// Pause before holders are looked for again.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest silence of a holder.
const SILENCE: Duration = Duration::from_secs(10);

/// The simulated transfer.
pub struct Simulation;

/// What it hears.
pub enum Msg {
    /// The task reports.
    Fact(Fact),
    /// The file is shared by this peer as well, or cannot be.
    Shared(Result<(), String>),
    /// Hear nothing until told otherwise, or begin anew.
    SetPaused {
        /// Which of the two.
        paused: bool,
        /// Who asked; answered once it is on disk.
        reply: Reply<std::io::Result<Transfer>>,
    },
    /// Give it up.
    Cancel,
    /// Panic, for tests of the supervision.
    Crash,
}

/// What a task reports.
#[derive(Debug)]
pub enum Fact {
    /// Nobody to hear from at the moment.
    Waiting(String),
    /// A holder tells.
    Begun(Holder),
    /// So many bytes would be there.
    Moved(ByteCount),
    /// All of it would be.
    Arrived,
}

/// What every simulated transfer works with.
#[derive(Clone)]
pub struct Tools {
    /// Finds holders.
    pub locator: Locator,
    /// Shares what came.
    pub files: Mailbox<simulation::Msg>,
    /// What this peer has already.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// Notes on disk.
    pub state_dir: Arc<StateDir>,
    /// Counts what would come, and how transfers end.
    pub figures: Figures,
}

/// What it is started with.
pub struct Args {
    /// What was asked for.
    pub note: Note,
    /// What it is a part of, for those who trace.
    pub within: Span,
    /// What it works with.
    pub tools: Tools,
    /// Where it shows how far it is.
    pub view: watch::Sender<Transfer>,
}

/// What it knows.
pub struct State {
    args: Args,
    began: Instant,
    meter: Meter,
    /// Writes the note.
    keeper: Keeper,
    /// Dropped when it is paused or given up.
    task: Option<AbortOnDropHandle<()>>,
}

impl Actor for Simulation {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let keeper = Keeper::new(args.note.clone(), Arc::clone(&args.tools.state_dir));
        let mut state = State { args, began: Instant::now(), meter: Meter::default(), keeper, task: None };
        if state.args.note.paused {
            state.pause();
        } else {
            state.begin(&me);
        }
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Fact(Fact::Arrived) => state.arrived(&me),
            Msg::Fact(fact) => state.took(fact),
            Msg::Shared(result) => state.shared(&me, result),
            Msg::SetPaused { paused, reply } => state.set_paused(&me, paused, reply),
            Msg::Cancel => state.cancel(&me),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }
}

impl State {
    fn begin(&mut self, me: &ActorRef<Msg>) {
        let (me, note, locator) = (me.clone(), self.args.note.clone(), self.args.tools.locator.clone());
        let catalog = self.args.tools.catalog.borrow();
        let held = note.simulated.as_ref().is_some_and(|file| catalog.simulated(file.id()).is_some());
        drop(catalog);
        let span = traces::within(&self.args.within, || format!("simulated download {}", note.name));
        let task = async move {
            let report = move |fact| drop(me.cast(Msg::Fact(fact)));
            if held { report(Fact::Arrived) } else { pursue(locator, note, report).await }
        };
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(task.instrument(span))));
    }

    fn set_paused(&mut self, me: &ActorRef<Msg>, paused: bool, reply: Reply<std::io::Result<Transfer>>) {
        if self.args.note.paused != paused {
            self.args.note.paused = paused;
            self.keeper.update(&self.args.note);
            if paused {
                self.pause();
            } else {
                self.resume(me);
            }
        }
        let (keeper, view) = (self.keeper.clone(), self.args.view.subscribe());
        tokio::spawn(async move {
            let saved = keeper.save().await;
            let _ = reply.send(saved.map(|()| view.borrow().clone()));
        });
    }

    fn pause(&mut self) {
        self.task = None;
        let id = self.args.note.transfer_id;
        self.args.view.send_modify(|view| {
            (view.state, view.rate) = (TransferState::Paused, 0.0);
            view.reason = Some(format!("by the user; `peerctl resume {id}` begins it anew"));
        });
    }

    fn resume(&mut self, me: &ActorRef<Msg>) {
        self.args.view.send_modify(|view| (view.state, view.reason) = (TransferState::Preparing, None));
        self.begin(me);
    }

    fn took(&mut self, fact: Fact) {
        // What the task said last before it was stopped.
        if self.args.note.paused {
            return;
        }
        let elapsed = self.began.elapsed();
        self.args.view.send_modify(|view| {
            view.seconds = elapsed.as_secs_f64();
            match fact {
                Fact::Waiting(why) => (view.state, view.reason) = (TransferState::Stalled, Some(why)),
                Fact::Begun(holder) => {
                    (view.state, view.reason) = (TransferState::Running, None);
                    (view.bytes, view.sources) = (ByteCount::ZERO, vec![source(holder)]);
                }
                Fact::Moved(bytes) => {
                    self.args.tools.figures.pretended_received(bytes.as_u64().saturating_sub(view.bytes.as_u64()));
                    self.meter.note(elapsed, bytes);
                    (view.bytes, view.rate) = (bytes, self.meter.rate());
                    view.sources.iter_mut().for_each(|source| source.bytes = bytes);
                }
                Fact::Arrived => {}
            }
        });
    }

    /// This peer is a holder before the transfer is called done, so that whoever waits for it finds it among them.
    fn arrived(&mut self, me: &ActorRef<Msg>) {
        self.task = None;
        let Some(file) = self.args.note.simulated.clone() else { return };
        let (me, files) = (me.clone(), self.args.tools.files.clone());
        tokio::spawn(async move {
            let shared = files.ask(|reply| simulation::Msg::Share { file, reply }, PROMPT).await;
            let result =
                shared.map_err(|away| away.to_string()).and_then(|kept| kept.map_err(|error| error.to_string()));
            let _ = me.cast(Msg::Shared(result.map(drop)));
        });
    }

    fn shared(&mut self, me: &ActorRef<Msg>, result: Result<(), String>) {
        let mut last = self.args.view.borrow().clone();
        last.seconds = self.began.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
                let rate = last.size.as_u64() as f64 / last.seconds.max(1e-6);
                (last.state, last.reason, last.bytes, last.rate) = (TransferState::Done, None, last.size, rate);
                tracing::info!(transfer = %last.transfer_id, file_id = %last.file_id, "a simulated transfer is done");
            }
            Err(why) => {
                (last.state, last.failure) = (TransferState::Failed, Some(FailureCode::Io));
                last.reason = Some(format!("what it brought cannot be shared: {why}"));
            }
        }
        self.end(me, last);
    }

    fn cancel(&mut self, me: &ActorRef<Msg>) {
        self.task = None;
        let mut last = self.args.view.borrow().clone();
        (last.state, last.failure) = (TransferState::Cancelled, Some(FailureCode::Cancelled));
        last.reason = Some("given up by the user".into());
        self.end(me, last);
    }

    /// Says the last word once the note is gone.
    fn end(&self, me: &ActorRef<Msg>, last: Transfer) {
        let (me, view, keeper) = (me.clone(), self.args.view.clone(), self.keeper.clone());
        self.args.tools.figures.ended(last.state, true);
        tokio::spawn(async move {
            keeper.forget().await;
            view.send_replace(last);
            me.stop(None);
        });
    }
}

fn source(holder: Holder) -> Source {
    Source { peer: holder.name, peer_id: holder.peer_id, bytes: ByteCount::ZERO, banned: None }
}

/// Goes from holder to holder until one has told a whole transfer.
async fn pursue(locator: Locator, note: Note, report: impl Fn(Fact)) {
    loop {
        let why = match locator.holders(note.file_id, &note.from).await {
            Ok(holders) => match one_of(&locator, &note, holders, &report).await {
                Ok(()) => return report(Fact::Arrived),
                Err(why) => why,
            },
            Err(error) => error.to_string(),
        };
        report(Fact::Waiting(why));
        tokio::time::sleep(AGAIN).await;
    }
}

async fn one_of(locator: &Locator, note: &Note, holders: Vec<Holder>, report: &impl Fn(Fact)) -> Result<(), String> {
    let mut why = "no holders: nobody who has all of it is up".to_owned();
    for holder in holders.into_iter().filter(|holder| is_usable(holder) && holder.holding == HoldingState::Complete) {
        let name = holder.name.clone();
        match hear(locator, note, holder, report).await {
            Ok(()) => return Ok(()),
            Err(error) => why = format!("peer {name}: {error}"),
        }
    }
    Err(why)
}

/// Hears one transfer to its end.
async fn hear(locator: &Locator, note: &Note, holder: Holder, report: &impl Fn(Fact)) -> Result<(), String> {
    let said = |status: Status| status.message().to_owned();
    let channel = transport::dial(&holder.address, &locator.identity, holder.peer_id, DialOptions::default()).await;
    let mut client = locator.bearer().over(channel.map_err(|error| error.to_string())?);
    let file_id = Bytes::copy_from_slice(note.file_id.as_bytes());
    let mut steps = client.simulate_transfer(SimulateTransferRequest { file_id }).await.map_err(said)?.into_inner();
    let first = next(&mut steps).await?;
    check(note, first.and_then(|first| first.file).as_ref())?;
    report(Fact::Begun(holder));
    let mut moved = ByteCount::ZERO;
    while let Some(step) = next(&mut steps).await? {
        moved = ByteCount::new(step.bytes).min(note.size).max(moved);
        report(Fact::Moved(moved));
    }
    if moved == note.size { Ok(()) } else { Err("it ended in the middle".into()) }
}

async fn next(steps: &mut Streaming<SimulatedProgress>) -> Result<Option<SimulatedProgress>, String> {
    let step = tokio::time::timeout(SILENCE, steps.message()).await.map_err(|_| "no answer in time")?;
    step.map_err(|status| status.message().to_owned())
}

/// What a holder says of the file must be what the directory said.
fn check(note: &Note, file: Option<&proto::peer::FileInfo>) -> Result<(), String> {
    let file = file.ok_or("it did not say which file")?;
    let id = <[u8; FileId::LEN]>::try_from(file.file_id.as_ref()).map(FileId::from_bytes);
    if id.ok() != Some(note.file_id) || file.size != note.size.as_u64() {
        return Err("it speaks of another file".into());
    }
    Ok(())
}
