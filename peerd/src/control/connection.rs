//! One connection: lines in, lines out. Requests on it run side by side, each answered once; a line that is no request is
//! answered as such, and one that is too long ends the connection, for nobody knows where the next begins.

use futures_util::{SinkExt, StreamExt};
use interprocess::local_socket::tokio::Stream;
use proto::control::{Failure, FailureCode, LONGEST_LINE, News, Notification, Progress, RequestFrame, Response};
use proto::directory::Event;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};
use traces::Instrument;

use super::callers::Caller;
use super::dispatch::{self, Desk};

/// Answers that may wait for a slow reader.
const QUEUE: usize = 64;
/// Requests of one connection that run side by side.
const AT_ONCE: usize = 64;

/// Tells the caller of a request how far it is. Cheap to clone.
#[derive(Clone)]
pub struct Watcher {
    id: u64,
    lines: mpsc::Sender<String>,
}

impl Watcher {
    /// Sends a notification; one that finds no room is dropped, for the next one says more.
    pub fn tell(&self, progress: Progress) {
        if let Ok(line) = serde_json::to_string(&Notification::progress(self.id, progress)) {
            let _ = self.lines.try_send(line);
        }
    }

    /// Sends a piece of news; it waits for room, for the next one says something else.
    pub async fn news(&self, news: News) {
        self.wait_and_tell(Progress::News(news)).await;
    }

    /// Sends an event, likewise.
    pub async fn event(&self, event: Event) {
        self.wait_and_tell(Progress::Event(event)).await;
    }

    async fn wait_and_tell(&self, progress: Progress) {
        if let Ok(line) = serde_json::to_string(&Notification::progress(self.id, progress)) {
            let _ = self.lines.send(line).await;
        }
    }
}

/// Serves a connection to its end. What it has asked for goes on without it, where that is in the nature of the thing.
pub(super) async fn run(stream: Stream, desk: &Desk, caller: Caller) -> Result<(), LinesCodecError> {
    let mut framed = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE));
    let (lines, mut answers) = mpsc::channel(QUEUE);
    let mut requests = JoinSet::new();
    loop {
        tokio::select! {
            line = framed.next(), if requests.len() < AT_ONCE => match line {
                None => return Ok(()),
                Some(Ok(line)) if line.trim().is_empty() => {}
                Some(Ok(line)) => match RequestFrame::parse(&line) {
                    Ok(frame) => drop(requests.spawn(answer(desk.clone(), caller, frame, lines.clone()))),
                    Err(response) => framed.send(encode(&response)).await?,
                },
                Some(Err(error)) => {
                    let failure = Failure::new(FailureCode::Usage, format!("not a line of at most {LONGEST_LINE} bytes of UTF-8"));
                    framed.send(encode(&Response::failed(None, failure))).await?;
                    return Err(error);
                }
            },
            Some(line) = answers.recv() => framed.send(line).await?,
            Some(_) = requests.join_next() => {}
        }
    }
}

async fn answer(desk: Desk, caller: Caller, frame: RequestFrame, lines: mpsc::Sender<String>) {
    let watcher = Watcher { id: frame.id, lines: lines.clone() };
    let span = traces::serve(frame.traceparent.as_deref(), || format!("control {}", frame.request.method()));
    let response = dispatch::carry_out(&desk, caller, frame.id, frame.request, watcher).instrument(span).await;
    let _ = lines.send(encode(&response)).await;
}

/// An answer as a line; one that would not fit is replaced by the reason, so that the caller does not wait for ever.
fn encode(response: &Response) -> String {
    match serde_json::to_string(response) {
        Ok(line) if line.len() <= LONGEST_LINE => line,
        _ => {
            let failure = Failure::new(FailureCode::Internal, "the answer is too long for one line");
            let failure = failure.hint("ask for fewer at a time, with --limit");
            serde_json::to_string(&Response::failed(response.id, failure)).unwrap_or_default()
        }
    }
}
