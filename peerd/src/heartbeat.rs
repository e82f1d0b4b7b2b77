//! Tells the directory that this peer is up, as often as the directory asks for it. It needs to know nothing but the
//! directory actor's view; what it hears goes to that actor, who decides what it means.
//!
//! A failure costs one beat: the next incarnation beats at once.

use std::time::Duration;

use proto::directory::{Heartbeat as Beat, Lease, SharesDigest};
use proto::ids::{InstanceId, PeerId};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::directory::{self, Client, ClientError, View};
use crate::mailbox::Mailbox;

/// Longest wait for the answer to a beat. Shorter than any sensible lease, so that a lost answer does not cost one.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest pause after a beat that failed; a random part of it is waited.
const PAUSE: Duration = Duration::from_secs(4);

/// The heartbeat actor.
pub struct Heartbeat;

/// What it hears.
pub enum Msg {
    /// Time for a beat.
    Due,
    /// A beat was answered, or not.
    Beaten {
        /// What it said that the directory lists.
        believed: Option<SharesDigest>,
        /// How.
        result: Result<Box<Lease>, ClientError>,
    },
    /// Panic, for tests of the supervision.
    Crash,
}

/// What it is started with.
pub struct Args {
    /// Which peer.
    pub peer_id: PeerId,
    /// Which start of it.
    pub instance: InstanceId,
    /// The REST calls.
    pub client: Client,
    /// Token and lease.
    pub view: watch::Receiver<View>,
    /// Who is told.
    pub directory: Mailbox<directory::Msg>,
}

/// What it knows.
pub struct State {
    args: Args,
    /// The one task that leads to the next message.
    next: Option<AbortOnDropHandle<()>>,
}

impl Actor for Heartbeat {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        me.cast(Msg::Due)?;
        Ok(State { args, next: None })
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Due => state.beat(me),
            Msg::Beaten { believed, result } => state.beaten(me, believed, result),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }
}

impl State {
    /// Beats as soon as the peer is registered.
    fn beat(&mut self, me: ActorRef<Msg>) {
        let (client, id, mut view) = (self.args.client.clone(), self.args.peer_id, self.args.view.clone());
        let instance = self.args.instance;
        self.next = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let Ok(view) = view.wait_for(|view| view.lease.is_some()).await.map(|view| view.clone()) else { return };
            let (Some(login), shares_digest) = (view.login, view.shares_digest) else { return };
            let body = Beat { instance, shares_digest };
            let answer = tokio::time::timeout(ANSWER, client.heartbeat(&login.token, id, &body)).await;
            let late = || ClientError::NoAnswer { why: "no answer to a heartbeat in time".into(), retry_after: None };
            let result = answer.unwrap_or_else(|_| Err(late())).map(Box::new);
            let _ = me.cast(Msg::Beaten { believed: shares_digest, result });
        })));
    }

    fn beaten(&mut self, me: ActorRef<Msg>, believed: Option<SharesDigest>, result: Result<Box<Lease>, ClientError>) {
        let pause = match &result {
            Ok(lease) => lease.next_in,
            Err(ClientError::NoAnswer { retry_after: Some(told), .. }) => *told,
            Err(_) => PAUSE.mul_f64(rand::random::<f64>().max(0.1)),
        };
        let result = result.map(|lease| *lease);
        let _ = self.args.directory.cast(directory::Msg::Beaten { believed, result });
        self.next = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = me.cast(Msg::Due);
        })));
    }
}
