//! The address of an actor that may be restarted.
//!
//! An actor's reference dies with it, so neighbours hold a [`Mailbox`]: the supervisor puts each new incarnation in, and
//! who casts reaches whoever is there now. A message to nobody is handed back as [`Away`], never queued: a part that has
//! lost its state must be told anew by whoever knows, not by a backlog that speaks of the old one.

use std::time::Duration;

use ractor::{ActorRef, ActorStatus, Message};
use tokio::sync::{oneshot, watch};

/// Where a question's answer goes.
pub type Reply<T> = oneshot::Sender<T>;

/// How long a question to an actor may take that is answered from its state alone.
pub const PROMPT: Duration = Duration::from_secs(5);

/// The actor is being restarted, or did not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of the daemon is being restarted")]
pub struct Away;

/// Address of an actor of message type `M`, across its restarts.
#[derive(Debug)]
pub struct Mailbox<M>(watch::Sender<Option<ActorRef<M>>>);

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Message> Mailbox<M> {
    /// An address where nobody lives yet.
    pub fn vacant() -> Self {
        Self(watch::Sender::new(None))
    }

    /// From now on messages go to this incarnation.
    pub fn assign(&self, actor: ActorRef<M>) {
        self.0.send_replace(Some(actor));
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Nobody is there; the message is dropped, and with it the reply port that it may carry.
    pub fn cast(&self, message: M) -> Result<(), Away> {
        let current = self.0.borrow().clone();
        current.ok_or(Away)?.cast(message).map_err(|_| Away)
    }

    /// Asks a question and waits for the answer, and for somebody to be there who can give it. Only for the edges (control
    /// connections, tasks); an actor that waited here would hold up its own mailbox.
    ///
    /// # Errors
    /// Nobody came, the actor failed on the way, or the time is up.
    pub async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> M, deadline: Duration) -> Result<T, Away> {
        let asking = async {
            let (reply, answer) = oneshot::channel();
            self.somebody().await?.cast(question(reply)).map_err(|_| Away)?;
            answer.await.map_err(|_| Away)
        };
        tokio::time::timeout(deadline, asking).await.map_err(|_| Away)?
    }

    async fn somebody(&self) -> Result<ActorRef<M>, Away> {
        let alive = |actor: &Option<ActorRef<M>>| {
            actor.as_ref().is_some_and(|actor| actor.get_status() <= ActorStatus::Running)
        };
        self.0.subscribe().wait_for(alive).await.map_err(|_| Away)?.clone().ok_or(Away)
    }
}
