//! Reads the log and feeds it to NATS, from where it stopped the last time.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use futures_util::FutureExt;
use proto::directory::{Change, Event, ProblemCode};
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Figures;
use super::link::{Link, Outgoing};
use crate::app::App;
use crate::config::Nats;
use crate::db::StoreError;
use crate::error::ApiError;
use crate::events::Subscription;

/// Most changes that are on their way at once.
const BATCH: usize = 500;
/// How often the place is saved: after a crash, so much is told twice.
const SAVE: Duration = Duration::from_secs(1);
/// How often it is looked whether a stream keeps the feed.
const LOOK: Duration = Duration::from_secs(30);
/// First and longest pause between two attempts to connect; a random part of it is waited.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Pause where the log cannot be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Feeds the log to NATS until `stop`, on a thread of its own: each connection has a runtime, and ends with it.
pub(crate) async fn run(app: Arc<App>, nats: Nats, figures: Figures, stop: CancellationToken) {
    let (done, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("nats".into()).spawn(move || {
        let mut feeder = Feeder { app, nats, figures, place: None, saved: None, told: None, gone: false };
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                if Box::pin(feeder.feed(&stop)).await {
                    pause = FIRST_PAUSE;
                }
                let wait = pause.mul_f64(rand::random::<f64>().max(0.1));
                stop.run_until_cancelled(tokio::time::sleep(wait)).await;
            });
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let _ = done.send(());
    });
    match thread {
        Ok(_) if ended.await.is_err() => tracing::error!("the thread that feeds NATS panicked"),
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "cannot start the thread that feeds NATS"),
    }
}

struct Feeder {
    app: Arc<App>,
    nats: Nats,
    figures: Figures,
    /// NATS has everything up to here.
    place: Option<u64>,
    /// As the database has it.
    saved: Option<u64>,
    /// The last change that was told; those that are not told lie behind it.
    told: Option<u64>,
    /// NATS was not there when it was last looked for; said once.
    gone: bool,
}

/// Why a connection was given up.
enum End {
    Nats(String),
    Log(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Log(error)
    }
}

impl Feeder {
    /// Over one connection, until that ends or the directory stops; whether there was one.
    async fn feed(&mut self, stop: &CancellationToken) -> bool {
        let Some(opened) = stop.run_until_cancelled(Link::open(&self.nats)).await else { return false };
        let mut link = match opened {
            Ok(link) => link,
            Err(why) => {
                self.say_gone(&why);
                return false;
            }
        };
        tracing::info!(servers = %self.nats.servers, "NATS is connected");
        self.gone = false;
        self.figures.connected.set(1);
        let ended = stop.run_until_cancelled(self.over(&mut link)).await;
        self.figures.connected.set(0);
        match ended {
            Some(Err(End::Nats(why))) => self.say_gone(&why),
            Some(Err(End::Log(error))) => {
                tracing::debug!(%error, "the log of changes cannot be read; trying again");
                stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            }
            Some(Ok(())) | None => {}
        }
        if let Err(error) = self.save().await {
            tracing::debug!(%error, "cannot note what NATS has; it will be told twice");
        }
        true
    }

    /// Once for each time that it goes.
    fn say_gone(&mut self, why: &str) {
        if !std::mem::replace(&mut self.gone, true) {
            tracing::warn!(servers = %self.nats.servers, why, "NATS cannot be used; changes wait in the log, trying again");
        }
    }

    async fn over(&mut self, link: &mut Link) -> Result<(), End> {
        let (mut save, mut look) = (tokio::time::interval(SAVE), tokio::time::interval(LOOK));
        save.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changes = None;
        loop {
            let log = match &mut changes {
                Some(log) => log,
                none => none.insert(self.log(link).await?),
            };
            tokio::select! {
                biased;
                rung = link.rung() => {
                    rung.map_err(End::Nats)?;
                    self.app.ring();
                    self.figures.rung.inc();
                }
                _ = look.tick() => link.look_for_streams(&self.subject("events.>")).await,
                _ = save.tick() => self.save().await?,
                first = log.next() => match first {
                    Ok(first) => {
                        let batch = together(first, log);
                        self.publish(link, &batch).await?;
                    }
                    Err(error) => {
                        if error.code != ProblemCode::Gone {
                            tokio::time::sleep(PAUSE).await;
                        }
                        changes = None;
                    }
                },
            }
        }
    }

    /// The log from where NATS has it; where that has been forgotten, NATS is told, and has it from where the log begins.
    async fn log(&mut self, link: &mut Link) -> Result<Subscription, End> {
        loop {
            let place = self.place().await?;
            match Subscription::begin(&self.app.store, &self.app.feed, None, Some(place)).await {
                Ok(log) => return Ok(log),
                Err(ApiError { code: ProblemCode::Gone, .. }) => self.skip(link, place).await?,
                Err(error) => return Err(End::Log(StoreError::Failed(error.detail.into_owned()))),
            }
        }
    }

    /// Where NATS comes in for the first time, it begins with what happens from now on.
    async fn place(&mut self) -> Result<u64, StoreError> {
        if let Some(place) = self.place {
            return Ok(place);
        }
        self.saved = self.app.store.events_fed().await?;
        let place = match self.saved {
            Some(place) => place,
            None => self.app.store.events_reach().await?.end,
        };
        self.place = Some(place);
        Ok(place)
    }

    async fn skip(&mut self, link: &mut Link, place: u64) -> Result<(), End> {
        let reach = self.app.store.events_reach().await?;
        let next = reach.gone.max(place.min(reach.end));
        tracing::warn!(after = place, upto = next, "the log has forgotten changes that NATS has never had");
        let body = serde_json::json!({ "kind": "gap", "after": place, "upto": next }).to_string().into();
        let gap = Outgoing { subject: self.subject("events.gap"), headers: HeaderMap::new(), body };
        link.publish(vec![gap]).await.map_err(End::Nats)?;
        (self.place, self.told) = (Some(next), Some(next));
        Ok(())
    }

    async fn publish(&mut self, link: &mut Link, batch: &[Arc<Event>]) -> Result<(), End> {
        let Some(last) = batch.last() else { return Ok(()) };
        let mut before = self.told.or(self.place).unwrap_or_default();
        let mut outgoing = Vec::with_capacity(batch.len());
        for event in batch.iter().filter(|event| is_public(&event.change)) {
            outgoing.push(self.outgoing(event, before).map_err(|error| End::Nats(error.to_string()))?);
            before = event.seq;
        }
        let published = outgoing.len() as u64;
        link.publish(outgoing).await.map_err(End::Nats)?;
        self.figures.published.inc_by(published);
        (self.place, self.told) = (Some(last.seq), Some(before));
        Ok(())
    }

    /// `before` is the number behind which nothing else was told: who has seen a smaller one last has missed something.
    fn outgoing(&self, event: &Event, before: u64) -> serde_json::Result<Outgoing> {
        let mut headers = HeaderMap::new();
        // By this a stream takes what it is told twice once. After a restore, numbers are given again: hence the time.
        let id = format!("{}-{}-{}", self.app.tickets.audience(), event.seq, event.at.as_millisecond());
        headers.insert("Nats-Msg-Id", id.as_str());
        headers.insert("Enjambre-After", before.to_string().as_str());
        let subject = self.subject(&format!("events.{}", event.change.kind()));
        Ok(Outgoing { subject, headers, body: serde_json::to_vec(event)?.into() })
    }

    async fn save(&mut self) -> Result<(), StoreError> {
        if let Some(place) = self.place.filter(|place| self.saved != Some(*place)) {
            self.app.store.set_events_fed(place).await?;
            self.saved = Some(place);
        }
        Ok(())
    }

    fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.nats.prefix.as_str())
    }
}

/// Who has an account is for admins to know.
fn is_public(change: &Change) -> bool {
    !matches!(change, Change::UserChanged { .. } | Change::Unknown)
}

/// What has come together.
fn together(first: Arc<Event>, log: &mut Subscription) -> Vec<Arc<Event>> {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        let Some(Ok(event)) = log.next().now_or_never() else { break };
        batch.push(event);
    }
    batch
}
