//! Runs one command: gives it the daemon and the output, races it against Ctrl-C and `--timeout`, reports how it ended.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use proto::control::{Failure, FailureCode, Method, Progress};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::Instant;
use traces::Instrument;

use crate::cli::{self, Shared};
use crate::commands::Command;
use crate::connection::Daemon;
use crate::error::usage;
use crate::menu;
use crate::render::Output;
use crate::session::Session;

/// Longest wait for an answer that needs no work of its own. It is far beyond every deadline inside the daemon, and only
/// there so that a daemon that hangs does not hang its callers.
const SHORT_QUESTION: Duration = Duration::from_mins(1);

/// Where a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The program's arguments.
    OneShot,
    /// A line of standard input.
    Script,
    /// A line typed at the prompt.
    Session,
}

/// What goes on after a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next line, please.
    Next,
    /// `exit` was asked.
    Leave,
}

/// Runs commands of one origin.
pub(crate) struct Runner {
    pub(crate) daemon: Daemon,
    pub(crate) session: Session,
    shared: Shared,
    origin: Origin,
}

impl Runner {
    pub(crate) fn new(daemon: Daemon, shared: Shared, origin: Origin) -> Self {
        Self { daemon, session: Session::default(), shared, origin }
    }

    /// Runs a command and gives its exit status.
    pub(crate) async fn command(&self, command: Box<Command>) -> u8 {
        self.with_flags(&self.shared, command).await
    }

    /// Where its commands come from.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// Runs a line and gives its exit status.
    pub(crate) async fn single(&self, line: &str) -> u8 {
        self.line(line).await.err().unwrap_or(0)
    }

    /// Runs a line; a failure is told and comes back as its exit status.
    pub(crate) async fn line(&self, line: &str) -> Result<Flow, u8> {
        let Some(words) = shlex::split(line) else {
            let trouble = crate::error::Trouble::from(usage("a quote is not closed, or the line ends in `\\`"));
            trouble.report(&self.output());
            return Err(trouble.status());
        };
        self.words(&words).await
    }

    /// Runs the words of a line, likewise.
    pub(crate) async fn words(&self, words: &[String]) -> Result<Flow, u8> {
        // Hints and examples say `peerctl`, and people type what they read.
        let words = match words {
            [program, rest @ ..] if program == "peerctl" && !rest.is_empty() => rest,
            words => words,
        };
        // Blank lines and comments are part of every script.
        if words.is_empty() {
            return Ok(Flow::Next);
        }
        let (shared, command) = match cli::parse_line(words, &self.shared) {
            Ok(parsed) => parsed,
            Err(refused) => return as_flow(refused.report()),
        };
        if matches!(*command, Command::Exit) {
            return Ok(Flow::Leave);
        }
        as_flow(self.with_flags(&shared, command).await)
    }

    /// An output for what is said outside of commands.
    pub(crate) fn output(&self) -> Output {
        Output::new(&self.shared)
    }

    async fn with_flags(&self, shared: &Shared, command: Box<Command>) -> u8 {
        // It runs other commands, each with its own Ctrl-C.
        if matches!(*command, Command::Menu) {
            return menu::run(self).await;
        }
        let out = Output::new(shared);
        let context = Context {
            daemon: &self.daemon,
            session: &self.session,
            out: &out,
            origin: self.origin,
            timeout: shared.timeout,
            deadline: OnceCell::new(),
            goes_on: RefCell::new(None),
            interrupt: RefCell::new(None),
        };
        // Listens before the command starts: a password prompt turns Ctrl-C into a signal that would end the process.
        let mut interrupts = signal(SignalKind::interrupt()).ok();
        let span = traces::begin(command.word());
        let mut running = Box::pin(command.run(&context).instrument(span));
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut running => break ended,
                () = interrupt(interrupts.as_mut()) => if !context.takes_interrupt() {
                    break Err(context.left(FailureCode::Cancelled, "interrupted").into());
                },
            }
        };
        drop(running);
        match ended {
            Ok(()) => 0,
            Err(trouble) => {
                trouble.report(&out);
                trouble.status()
            }
        }
    }
}

fn as_flow(status: u8) -> Result<Flow, u8> {
    if status == 0 { Ok(Flow::Next) } else { Err(status) }
}

/// Ends when the user presses Ctrl-C. Where nobody could listen for it, it ends the process by itself.
async fn interrupt(interrupts: Option<&mut Signal>) {
    match interrupts {
        Some(interrupts) => drop(interrupts.recv().await),
        None => std::future::pending().await,
    }
}

/// What a command has at hand.
pub(crate) struct Context<'a> {
    daemon: &'a Daemon,
    pub(crate) session: &'a Session,
    pub(crate) out: &'a Output,
    pub(crate) origin: Origin,
    timeout: Option<Duration>,
    /// Set with the first question: a password is typed at leisure.
    deadline: OnceCell<Instant>,
    goes_on: RefCell<Option<String>>,
    /// A command that has something to say at Ctrl-C; the next one ends it.
    interrupt: RefCell<Option<oneshot::Sender<()>>>,
}

impl Context<'_> {
    /// Asks what the daemon can answer at once.
    pub(crate) async fn ask<M: Method>(&self, question: M) -> Result<M::Reply, Failure> {
        let asked = self.daemon.call(question, |_| ());
        match tokio::time::timeout(SHORT_QUESTION, self.in_time(asked)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(
                FailureCode::TimedOut,
                format!("the daemon has not answered for {} s", SHORT_QUESTION.as_secs()),
            )
            .hint("is it stopped or overloaded? its log says more")),
        }
    }

    /// Asks for something that takes as long as it takes.
    pub(crate) async fn follow<M: Method>(
        &self,
        question: M,
        progress: impl FnMut(Progress),
    ) -> Result<M::Reply, Failure> {
        self.in_time(self.daemon.call(question, progress)).await
    }

    /// Says what goes on in the daemon, and how to follow it, should the user leave now.
    pub(crate) fn goes_on(&self, hint: impl Into<String>) {
        *self.goes_on.borrow_mut() = Some(hint.into());
    }

    /// Ends at Ctrl-C, which then does not end the command. For those that have something to show by then.
    pub(crate) async fn interrupted(&self) {
        let (tell, told) = oneshot::channel();
        *self.interrupt.borrow_mut() = Some(tell);
        let _ = told.await;
    }

    /// Whether the command takes this interrupt itself.
    fn takes_interrupt(&self) -> bool {
        let waiting = self.interrupt.borrow_mut().take();
        waiting.is_some_and(|waiting| waiting.send(()).is_ok())
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let Some(timeout) = self.timeout else { return asked.await };
        let deadline = *self.deadline.get_or_init(|| Instant::now() + timeout);
        match tokio::time::timeout_at(deadline, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(self.left(FailureCode::TimedOut, &format!("not done within {timeout:?}"))),
        }
    }

    fn left(&self, code: FailureCode, message: &str) -> Failure {
        let failure = Failure::new(code, message);
        match self.goes_on.take() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
