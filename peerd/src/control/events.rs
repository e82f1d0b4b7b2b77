//! The directory's log of changes, for whoever sits at the control socket: what there is, and then what comes, every event
//! once and in order, however often the stream breaks off in between.

use std::convert::Infallible;
use std::time::Duration;

use proto::control::{Done, Failure, WatchEvents};
use proto::directory::Event;
use proto::secret::Secret;

use super::connection::Watcher;
use super::dispatch::Desk;
use super::{failures, queries};
use crate::directory::ClientError;

/// Longest pause before a stream that was lost is opened again.
const PAUSE: Duration = Duration::from_secs(2);

pub(super) async fn watch(desk: &Desk, asked: WatchEvents, watcher: &Watcher) -> Result<Done, Failure> {
    let WatchEvents { since, follow } = asked;
    let failed = |error: ClientError| failures::directory(&error);
    let mut page = desk.client.past_events(&queries::token(desk)?, since).await.map_err(failed)?;
    if !follow {
        loop {
            tell(watcher, std::mem::take(&mut page.items)).await;
            // A page may be empty of what one may know, and not be the last.
            let last = page.last;
            page = match since {
                Some(_) => desk.client.past_events(&queries::token(desk)?, Some(last)).await.map_err(failed)?,
                None => return Ok(Done {}),
            };
            if page.last == last {
                return Ok(Done {});
            }
        }
    }
    // The page has shown that the directory is there and knows of that number. What is past comes by the stream as well: so
    // that a directory that goes away meanwhile ends nothing.
    let mut last = since.unwrap_or(page.last);
    loop {
        // Who is logged out meanwhile is told so.
        let token = queries::token(desk)?;
        match follow_on(desk, &token, watcher, &mut last).await {
            Err(ClientError::NoAnswer { .. }) => tokio::time::sleep(PAUSE.mul_f64(rand::random_range(0.1..1.0))).await,
            Err(error) => return Err(failed(error)),
            Ok(never) => match never {},
        }
    }
}

async fn follow_on(desk: &Desk, token: &Secret, watcher: &Watcher, last: &mut u64) -> Result<Infallible, ClientError> {
    let mut stream = desk.client.all_events(token, Some(*last)).await?;
    loop {
        let event = stream.next().await?;
        *last = event.seq;
        tell(watcher, vec![event]).await;
    }
}

async fn tell(watcher: &Watcher, events: Vec<Event>) {
    for event in events {
        watcher.event(event).await;
    }
}
