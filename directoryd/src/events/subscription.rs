//! One reader of the log: every event once, in order, first from the database, then as they happen.

use std::collections::VecDeque;
use std::sync::Arc;

use proto::directory::Event;
use proto::ids::FileId;

use super::feed::{Begun, Feed};
use crate::db::Store;
use crate::error::ApiError;

/// Rows read at once while catching up.
const PAGE: i64 = 500;

pub(crate) struct Subscription {
    store: Store,
    feed: Feed,
    files: Option<Vec<FileId>>,
    /// Everything up to here was told.
    last: u64,
    /// Read, and not told yet.
    read: VecDeque<Event>,
    begun: Option<Begun>,
}

impl Subscription {
    /// From behind `since`; without one, of what happens from now on.
    pub(crate) async fn begin(
        store: &Store,
        feed: &Feed,
        files: Option<Vec<FileId>>,
        since: Option<u64>,
    ) -> Result<Self, ApiError> {
        let (last, begun) = if let Some(since) = since {
            reaches(store, since).await?;
            (since, None)
        } else {
            let begun = feed.subscribe(files.clone()).await?;
            (begun.position, Some(begun))
        };
        Ok(Self { store: store.clone(), feed: feed.clone(), files, last, read: VecDeque::new(), begun })
    }

    /// The next one, whenever it happens. May be given up at any time: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, ApiError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.last = event.seq;
                return Ok(Arc::new(event));
            }
            let begun = match &mut self.begun {
                Some(begun) => begun,
                none => none.insert(self.feed.subscribe(self.files.clone()).await?),
            };
            if self.last < begun.position {
                let position = begun.position;
                self.read_on(position).await?;
                continue;
            }
            match begun.live.next().await {
                Some(event) if event.seq > self.last => {
                    self.last = event.seq;
                    return Ok(event);
                }
                Some(_) => {}
                None => self.begun = None,
            }
        }
    }

    async fn read_on(&mut self, position: u64) -> Result<(), ApiError> {
        let page = self.store.events_after(self.files.clone(), self.last, PAGE).await?;
        // Looked at after the reading: what the log forgot before it is missing from the page.
        reaches(&self.store, self.last).await?;
        if page.is_empty() {
            self.last = position;
        }
        self.read = page.into();
        Ok(())
    }
}

/// Whether nothing behind `since` is missing from the log.
pub(crate) async fn reaches(store: &Store, since: u64) -> Result<(), ApiError> {
    let reach = store.events_reach().await?;
    if since < reach.gone {
        return Err(ApiError::gone(format!(
            "the log no longer has what came right behind {since}: it begins behind {}; look at the state anew",
            reach.gone
        )));
    }
    if since > reach.end {
        return Err(ApiError::gone(format!(
            "the log ends at {}, and never came to {since}: the directory went back to a backup; look at the state anew",
            reach.end
        )));
    }
    Ok(())
}
