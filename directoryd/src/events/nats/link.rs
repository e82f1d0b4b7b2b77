//! One connection to NATS: publishes batches, and knows what has arrived.
//!
//! The client would connect anew by itself and go on with what is queued, behind what was lost with the old connection.
//! So a link ends with its connection: whoever drives it drops it, together with the runtime that the client's tasks are on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event as Happening, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use serde::Deserialize;
use tokio::sync::Notify;

use super::doorbell;
use crate::config::{Credentials, Nats};

/// Longest wait for a connection, and for the word that a batch has arrived.
const ANSWER: Duration = Duration::from_secs(5);
/// How soon a connection that has died in silence is noticed: two of these.
const PING: Duration = Duration::from_secs(10);
/// Longer than any process runs: the client's own attempts to connect anew never come.
const NEVER: Duration = Duration::from_hours(24 * 365 * 10);

/// A message to be published.
pub(super) struct Outgoing {
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An open connection.
pub(super) struct Link {
    client: Client,
    ended: Arc<Ended>,
    /// Comes back to us when everything before it has arrived.
    marks: (String, Subscriber),
    /// Where streams say that they have stored something: a word for each batch is behind this subject.
    stored: (String, Subscriber),
    batches: u64,
    doorbell: Subscriber,
    /// A stream keeps the feed: what counts is what it has stored.
    kept: bool,
}

/// Why a connection is not to be used any more.
#[derive(Default)]
struct Ended {
    why: Mutex<Option<String>>,
    told: Notify,
    /// We may not ask for streams, which is no end.
    no_streams: Notify,
}

impl Ended {
    fn because(&self, why: String) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.told.notify_one();
    }

    fn why(&self) -> Option<String> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn wait(&self) -> String {
        loop {
            if let Some(why) = self.why() {
                return why;
            }
            self.told.notified().await;
        }
    }
}

/// A client that is not told when its connection ends.
pub(super) async fn connect(nats: &Nats) -> Result<Client, String> {
    connect_with(nats, ConnectOptions::new()).await
}

async fn connect_with(nats: &Nats, options: ConnectOptions) -> Result<Client, String> {
    let connected = Arc::new(AtomicBool::new(false));
    let was_connected = Arc::clone(&connected);
    let pause = move |_| if was_connected.load(Ordering::Relaxed) { NEVER } else { Duration::ZERO };
    let options = options
        .name(concat!("directoryd ", env!("CARGO_PKG_VERSION")))
        .connection_timeout(ANSWER)
        .ping_interval(PING)
        .reconnect_delay_callback(pause)
        .require_tls(nats.servers.tls);
    let options = match &nats.credentials {
        None => options,
        Some(Credentials::Jwt(text)) => options.credentials(text.expose()).map_err(|error| error.to_string())?,
        Some(Credentials::Seed(seed)) => options.nkey(seed.expose().to_owned()),
        Some(Credentials::Login(user, password)) => {
            options.user_and_password(user.clone(), password.expose().to_owned())
        }
        Some(Credentials::Token(token)) => options.token(token.expose().to_owned()),
    };
    let options = match &nats.root_certificates {
        Some(file) => options.add_root_certificates(file.clone()),
        None => options,
    };
    let client = options.connect(nats.servers.addresses.clone()).await.map_err(|error| whole(&error))?;
    connected.store(true, Ordering::Relaxed);
    Ok(client)
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

impl Link {
    pub(super) async fn open(nats: &Nats) -> Result<Self, String> {
        let ended = Arc::new(Ended::default());
        let heard = Arc::clone(&ended);
        let options = ConnectOptions::new().event_callback(move |happening| {
            match happening {
                Happening::Disconnected | Happening::Closed => heard.because("the connection has ended".to_owned()),
                Happening::ServerError(error) if error.to_string().contains("$JS.API") => heard.no_streams.notify_one(),
                // Whatever else it refuses, a publication may be among it.
                Happening::ServerError(error) => heard.because(format!("it says: {error}")),
                Happening::LameDuckMode => heard.because("the server is stopping".to_owned()),
                _ => {}
            }
            std::future::ready(())
        });
        let client = connect_with(nats, options).await?;
        let (marked, acknowledged) = (client.new_inbox(), client.new_inbox());
        let marks = client.subscribe(marked.clone()).await.map_err(|error| error.to_string())?;
        let stored = client.subscribe(format!("{acknowledged}.*")).await.map_err(|error| error.to_string())?;
        let doorbell = client.subscribe(doorbell(nats)).await.map_err(|error| error.to_string())?;
        let mut link = Self {
            client,
            ended,
            marks: (marked, marks),
            stored: (acknowledged, stored),
            batches: 0,
            doorbell,
            kept: false,
        };
        link.arrived().await?;
        Ok(link)
    }

    /// Waits until the doorbell rings; several rings that come together are one. An error is the end of the connection.
    pub(super) async fn rung(&mut self) -> Result<(), String> {
        tokio::select! {
            biased;
            why = self.ended.wait() => return Err(why),
            ring = self.doorbell.next() => ring.ok_or("the connection has ended")?,
        };
        while self.doorbell.next().now_or_never().flatten().is_some() {}
        Ok(())
    }

    /// Asks whether a stream of `JetStream` keeps what is published under these subjects.
    pub(super) async fn look_for_streams(&mut self, subjects: &str) {
        #[derive(Deserialize)]
        struct Names {
            #[serde(default)]
            streams: Option<Vec<String>>,
        }
        let question = serde_json::json!({ "subject": subjects }).to_string();
        let answer = self.client.request("$JS.API.STREAM.NAMES", question.into());
        // Where there is no `JetStream`, NATS says so at once.
        let answer = tokio::select! {
            answer = tokio::time::timeout(ANSWER, answer) => answer.ok().and_then(Result::ok),
            () = self.ended.no_streams.notified() => None,
        };
        let names = answer.and_then(|Message { payload, .. }| serde_json::from_slice::<Names>(&payload).ok());
        self.kept = names.and_then(|names| names.streams).is_some_and(|streams| !streams.is_empty());
    }

    /// Publishes in this order, and waits until all of it has arrived: at the server, and in the stream that keeps it, if one
    /// does.
    pub(super) async fn publish(&mut self, batch: Vec<Outgoing>) -> Result<(), String> {
        let expected = batch.len();
        self.batches += 1;
        let reply = format!("{}.{}", self.stored.0, self.batches);
        for Outgoing { subject, headers, body } in batch {
            let sent = self.client.publish_with_reply_and_headers(subject, reply.clone(), headers, body).await;
            sent.map_err(|error| error.to_string())?;
        }
        self.arrived().await?;
        if self.kept {
            return self.stored(&reply, expected).await;
        }
        self.forget_what_is_stored();
        Ok(())
    }

    /// A server takes what comes over one connection in order: when the mark is back, everything before it is there.
    async fn arrived(&mut self) -> Result<(), String> {
        let (subject, marks) = &mut self.marks;
        self.client.publish(subject.clone(), Bytes::new()).await.map_err(|error| error.to_string())?;
        let back = tokio::select! {
            why = self.ended.wait() => return Err(why),
            back = tokio::time::timeout(ANSWER, marks.next()) => back,
        };
        if !matches!(back, Ok(Some(_))) {
            return Err("it does not answer".to_owned());
        }
        // What was refused was said before the mark came back; the task that hears of it was woken before this one.
        tokio::task::yield_now().await;
        self.ended.why().map_or(Ok(()), Err)
    }

    /// A stream that came only lately tells of what nobody waited for.
    fn forget_what_is_stored(&mut self) {
        while self.stored.1.next().now_or_never().flatten().is_some() {}
    }

    async fn stored(&mut self, reply: &str, mut expected: usize) -> Result<(), String> {
        #[derive(Deserialize)]
        struct Acknowledged {
            error: Option<serde_json::Value>,
        }
        while expected > 0 {
            let answer = tokio::select! {
                why = self.ended.wait() => return Err(why),
                answer = tokio::time::timeout(ANSWER, self.stored.1.next()) => answer,
            };
            let Ok(Some(answer)) = answer else { return Err("its stream does not answer".to_owned()) };
            let acknowledged: Acknowledged = serde_json::from_slice(&answer.payload)
                .map_err(|_| "its stream answers something unknown".to_owned())?;
            if let Some(error) = acknowledged.error {
                return Err(format!("its stream refuses: {error}"));
            }
            expected -= usize::from(answer.subject.as_str() == reply);
        }
        Ok(())
    }
}
