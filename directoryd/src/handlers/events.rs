//! The log of changes, as a stream and by asking again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use proto::directory::{Change, Event, Events, Role};
use proto::ids::FileId;
use tokio::sync::mpsc;

use super::caller::{self, Caller};
use crate::app::App;
use crate::error::ApiError;
use crate::events::{Subscription, reaches};

/// Events on their way into one answer.
const QUEUE: usize = 16;
/// How often it is looked whether who listens still may.
const LOOK: Duration = Duration::from_secs(5);

/// Everything behind `since` and from then on, until the directory stops, the caller may not listen any more, or the log
/// cannot be read: who asks again with the last number is told why, or goes on.
pub(crate) async fn subscribe(
    app: &Arc<App>,
    caller: Caller,
    files: Option<Vec<FileId>>,
    since: Option<u64>,
) -> Result<mpsc::Receiver<Arc<Event>>, ApiError> {
    let subscription = Subscription::begin(&app.store, &app.feed, files, since).await?;
    let listener = Listener { app: Arc::clone(app), caller, subscription, looked: Instant::now() };
    let (sender, events) = mpsc::channel(QUEUE);
    tokio::spawn(listener.tell(sender));
    Ok(events)
}

struct Listener {
    app: Arc<App>,
    caller: Caller,
    subscription: Subscription,
    looked: Instant,
}

impl Listener {
    /// Until it ends, or nobody listens any more.
    async fn tell(mut self, listener: mpsc::Sender<Arc<Event>>) {
        loop {
            tokio::select! {
                () = listener.closed() => return,
                event = self.next() => {
                    let Some(event) = event else { return };
                    if listener.send(event).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            let look = tokio::time::Instant::from_std(self.looked + LOOK);
            tokio::select! {
                () = self.app.stopping() => return None,
                () = tokio::time::sleep_until(look) => {
                    self.caller = caller::again(&self.app, &self.caller).await.ok()?;
                    self.looked = Instant::now();
                }
                event = self.subscription.next() => {
                    let event = event.ok()?;
                    if may_know(&self.caller, &event) {
                        return Some(event);
                    }
                }
            }
        }
    }
}

/// What is behind `since`; where there is nothing, what comes within `wait`. Without `since`, the latest.
pub(crate) async fn poll(
    app: &App,
    caller: &Caller,
    files: Option<Vec<FileId>>,
    since: Option<u64>,
    wait: Duration,
    limit: usize,
) -> Result<Events, ApiError> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let Some(since) = since else {
        let end = app.store.events_reach().await?.end;
        let items = app.store.latest_events(files, most).await?;
        return Ok(answer(caller, items, end));
    };
    let items = app.store.events_after(files.clone(), since, most).await?;
    reaches(&app.store, since).await?;
    let at_once = answer(caller, items, since);
    if !at_once.items.is_empty() || wait.is_zero() {
        return Ok(at_once);
    }
    let mut subscription = Subscription::begin(&app.store, &app.feed, files, Some(at_once.last)).await?;
    let first = async {
        tokio::select! {
            () = app.stopping() => Ok(None),
            event = subscription.next() => event.map(Some),
        }
    };
    let Ok(first) = tokio::time::timeout(wait, first).await else { return Ok(at_once) };
    let mut items: Vec<Event> = first?.map(Arc::unwrap_or_clone).into_iter().collect();
    // With the first one, those that came with it.
    while !items.is_empty() && items.len() < limit {
        let Some(Ok(event)) = subscription.next().now_or_never() else { break };
        items.push(Arc::unwrap_or_clone(event));
    }
    Ok(answer(caller, items, at_once.last))
}

fn answer(caller: &Caller, items: Vec<Event>, last: u64) -> Events {
    let last = items.last().map_or(last, |event| event.seq);
    Events { items: items.into_iter().filter(|event| may_know(caller, event)).collect(), last }
}

/// Who has an account is for admins to know.
fn may_know(caller: &Caller, event: &Event) -> bool {
    match &event.change {
        Change::UserChanged { user } => caller.role == Role::Admin || caller.user == *user,
        _ => true,
    }
}
