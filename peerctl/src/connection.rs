//! The control socket as seen by a caller: typed questions, one answer each.
//!
//! A connection carries one question at a time and goes back to a small pool when its answer has come. A question that is
//! dropped (Ctrl-C, a deadline) takes its connection with it, so that no late answer is ever taken for another's. Two
//! questions at once take two connections: what the daemon does in what order on one is nothing we have to know.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{FutureExt, SinkExt, StreamExt};
use interprocess::local_socket::tokio::{Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ToFsName};
use proto::control::{Failure, FailureCode, Incoming, LONGEST_LINE, Method, Progress, RequestFrame, Response};
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

use crate::error::usage;

mod socket;

/// How long a daemon that is being started may take until it listens.
pub(crate) const STARTING: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The daemon behind a socket. Connects when it is first asked, and again when the daemon has gone and come back.
pub(crate) struct Daemon {
    given: Option<PathBuf>,
    idle: RefCell<Vec<Connection>>,
    /// Nothing was asked yet.
    patient: Cell<bool>,
}

impl Daemon {
    /// The daemon at a given socket, or at the usual places.
    pub(crate) fn new(given: Option<PathBuf>) -> Self {
        Self { given, idle: RefCell::new(Vec::new()), patient: Cell::new(true) }
    }

    /// The same daemon, by connections of its own.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.given.clone())
    }

    /// Asks and waits for the answer; `progress` hears what comes in between.
    ///
    /// # Errors
    /// What the daemon says, or [`FailureCode::DaemonUnreachable`] where it says nothing.
    pub(crate) async fn call<M: Method>(
        &self,
        question: M,
        mut progress: impl FnMut(Progress),
    ) -> Result<M::Reply, Failure> {
        let mut connection = match self.take_idle() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let response = connection.exchange(question, &mut progress).await?;
        self.idle.borrow_mut().push(connection);
        response.into_result()
    }

    /// A new connection. The first one waits a moment for a daemon that is just being started.
    async fn connect(&self) -> Result<Connection, Failure> {
        let patience = if self.patient.take() { STARTING } else { Duration::ZERO };
        let until = Instant::now() + patience;
        loop {
            let path = socket::find(self.given.as_deref())?;
            match Connection::open(&path).await {
                Err(error) if socket::may_come(&error) && Instant::now() < until => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                opened => return opened.map_err(|error| socket::unreachable(&path, &error)),
            }
        }
    }

    /// One that still lives: a daemon that has gone has closed its end.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find_map(Connection::if_alive)
    }
}

/// One connection.
struct Connection {
    lines: Framed<Stream, LinesCodec>,
    path: PathBuf,
    last_id: u64,
}

impl Connection {
    async fn open(path: &Path) -> std::io::Result<Self> {
        let stream = Stream::connect(path.to_fs_name::<GenericFilePath>()?).await?;
        let lines = Framed::new(stream, LinesCodec::new_with_max_length(LONGEST_LINE));
        Ok(Self { lines, path: path.to_owned(), last_id: 0 })
    }

    /// An idle connection has nothing to say; whatever it says, it is of no use any more.
    fn if_alive(mut self) -> Option<Self> {
        self.lines.next().now_or_never().is_none().then_some(self)
    }

    async fn exchange<M: Method>(
        &mut self,
        question: M,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Response, Failure> {
        self.last_id += 1;
        let frame = RequestFrame::new(self.last_id, question).within(traces::traceparent());
        let line = serde_json::to_string(&frame).map_err(|error| usage(format!("cannot be asked: {error}")))?;
        if line.len() >= LONGEST_LINE {
            return Err(usage("the question is longer than the daemon reads"));
        }
        self.lines.send(line).await.map_err(|error| self.lost(error))?;
        loop {
            match self.incoming().await? {
                Incoming::Notification(notification) => match notification.into_parts() {
                    (id, step) if id == self.last_id => progress(step),
                    _ => (),
                },
                Incoming::Response(response) if response.id.is_none_or(|id| id == self.last_id) => return Ok(response),
                Incoming::Response(_) => return Err(not_understood("it answers another question")),
            }
        }
    }

    async fn incoming(&mut self) -> Result<Incoming, Failure> {
        match self.lines.next().await {
            Some(Ok(line)) => serde_json::from_str(&line).map_err(|error| not_understood(&error.to_string())),
            Some(Err(LinesCodecError::MaxLineLengthExceeded)) => Err(not_understood("it is longer than 1 MiB")),
            Some(Err(error)) => Err(self.lost(error)),
            None => Err(self.lost(LinesCodecError::Io(std::io::ErrorKind::UnexpectedEof.into()))),
        }
    }

    /// The connection broke in the middle of a question.
    fn lost(&self, error: LinesCodecError) -> Failure {
        match error {
            // Also the daemon's way to refuse a caller: it accepts, sees who it is, and closes.
            LinesCodecError::Io(error) if is_gone(&error) => Failure::new(
                FailureCode::DaemonUnreachable,
                format!("the daemon at `{}` closed the connection without an answer", self.path.display()),
            )
            .hint("its log says why; `peerctl status` shows whether it is back"),
            LinesCodecError::Io(error) => socket::unreachable(&self.path, &error),
            LinesCodecError::MaxLineLengthExceeded => usage("the question is longer than the daemon reads"),
        }
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    matches!(error.kind(), Kind::UnexpectedEof | Kind::BrokenPipe | Kind::ConnectionReset | Kind::NotConnected)
}

fn not_understood(why: &str) -> Failure {
    Failure::new(FailureCode::Internal, format!("the daemon's answer is not understood: {why}"))
        .hint("peerctl and peerd may be of different versions: compare `peerctl version`")
}
