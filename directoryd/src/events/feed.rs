//! Follows the log in the database, and hands what is new to those who wait for it.
//!
//! The log is the truth: a subscriber that begins, or was left behind, reads there up to the place from which on the feed
//! tells it everything. A write of this process wakes the feed at once; what other processes write it finds within [`LOOK`].
//! While nobody listens, it reads nothing.

use std::sync::Arc;
use std::time::Duration;

use monitor::{Gauge, Occupied, Page, figure};
use proto::ids::FileId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::fanout::{Fanout, Live};
use crate::db::{Store, StoreError};

/// How often to look for what others wrote.
const LOOK: Duration = Duration::from_millis(500);
/// How often to forget subscribers that have gone.
const SWEEP: Duration = Duration::from_secs(10);
/// Rows read at once.
const PAGE: i64 = 1000;
/// Subscribers that may wait to be taken in.
const QUEUE: usize = 1024;

/// Where to subscribe. A clone is another handle on the same feed.
#[derive(Clone)]
pub(crate) struct Feed {
    wishes: mpsc::Sender<Wish>,
    listeners: Gauge,
}

struct Wish {
    files: Option<Vec<FileId>>,
    reply: oneshot::Sender<Result<Begun, StoreError>>,
}

/// From behind this number on, everything is told.
pub(super) struct Begun {
    pub(super) position: u64,
    pub(super) live: Live,
    _counted: Occupied,
}

/// The other end of a [`Feed`]: whoever runs it.
pub(crate) struct Follower {
    store: Store,
    wishes: mpsc::Receiver<Wish>,
    fanout: Fanout,
    position: u64,
    listeners: Gauge,
}

impl Feed {
    pub(crate) fn new(store: Store) -> (Self, Follower) {
        let (sender, wishes) = mpsc::channel(QUEUE);
        let listeners =
            figure::gauge("directoryd_events_listeners", "Streams of changes and polls that wait for what comes next.");
        let follower = Follower { store, wishes, fanout: Fanout::default(), position: 0, listeners: listeners.clone() };
        (Self { wishes: sender, listeners }, follower)
    }

    pub(crate) fn show(&self, page: &Page) {
        page.show(self.listeners.clone());
    }

    /// Events of these files, or all.
    pub(super) async fn subscribe(&self, files: Option<Vec<FileId>>) -> Result<Begun, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.wishes.try_send(Wish { files, reply }).map_err(|_| StoreError::Busy)?;
        answer.await.unwrap_or(Err(StoreError::Busy))
    }
}

impl Follower {
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (mut look, mut sweep) = (tokio::time::interval(LOOK), tokio::time::interval(SWEEP));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let store = self.store.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                wish = self.wishes.recv() => match wish {
                    Some(wish) => self.take_in(wish).await,
                    None => return,
                },
                () = store.written() => self.forward().await,
                _ = look.tick() => self.forward().await,
                _ = sweep.tick() => self.fanout.sweep(),
            }
        }
    }

    async fn take_in(&mut self, wish: Wish) {
        let begun = self.begin(wish.files.as_deref()).await;
        // Who has gone meanwhile is swept away.
        let _ = wish.reply.send(begun);
    }

    async fn begin(&mut self, files: Option<&[FileId]>) -> Result<Begun, StoreError> {
        if self.fanout.is_empty() {
            self.position = self.store.events_reach().await?.end;
        }
        Ok(Begun {
            position: self.position,
            live: self.fanout.subscribe(files),
            _counted: Occupied::one(&self.listeners),
        })
    }

    async fn forward(&mut self) {
        if let Err(error) = self.try_forward().await {
            tracing::debug!(%error, "the log of changes cannot be read; trying again");
        }
    }

    async fn try_forward(&mut self) -> Result<(), StoreError> {
        while !self.fanout.is_empty() {
            let page = self.store.events_after(None, self.position, PAGE).await?;
            let last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for event in page {
                self.position = event.seq;
                self.fanout.deliver(&Arc::new(event));
            }
            if last {
                break;
            }
        }
        Ok(())
    }
}
