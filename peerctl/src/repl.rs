//! The session: a prompt, a line, its command, and so on until `exit` or Ctrl-D.
//!
//! The line editor blocks, so it lives on a thread of its own ([`editor`]). Two bounded channels join it to the one that
//! runs commands: prompts go there; lines, and questions for completion, come back. It reads only while no command runs.

use std::time::{Duration, Instant};

use proto::control::{Completable, Complete, Completion, Completions, Failure, GetStatus, Status};

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::commands::all_transfers;
use crate::connection::STARTING;
use crate::render::{Format, safe, stderr};
use crate::runner::{Flow, Runner};

mod complete;
mod editor;
mod history;
mod known;
mod news;
mod words;

use complete::{Kind, Names, Wanted};
use editor::{Editor, Event};
use known::Known;

/// How long the prompt waits to learn who is logged in, and a completion for names: a person is waiting.
const PATIENCE: Duration = Duration::from_millis(300);
pub(crate) async fn run(runner: Runner) -> u8 {
    LocalSet::new().run_until(session(&runner)).await
}

async fn session(runner: &Runner) -> u8 {
    let mut editor = match Editor::start() {
        Ok(editor) => editor,
        Err(failure) => {
            let trouble = crate::error::Trouble::from(failure);
            trouble.report(&runner.output());
            return trouble.status();
        }
    };
    if runner.output().format() == Format::Human {
        greet(runner).await;
    }
    let mut desk = NewsDesk {
        told: news::listen(runner.daemon.another()),
        reader: news::Reader::default(),
        known: Known::default(),
    };
    loop {
        editor.prompt(prompt(runner).await).await;
        match next_block(runner, &mut editor, &mut desk).await {
            Some(block) => {
                desk.known.forget();
                if run_block(runner, &block).await == Flow::Leave {
                    return 0;
                }
            }
            None => return 0,
        }
    }
}

async fn greet(runner: &Runner) {
    stderr(&format!("peerctl {}. `help` shows examples, `exit` leaves.\n", env!("CARGO_PKG_VERSION")));
    match status(runner, STARTING + PATIENCE).await {
        Ok(status) if status.user.is_none() => stderr("Nobody is logged in: `login USER`.\n"),
        Ok(_) => (),
        Err(failure) => crate::error::Trouble::from(failure).report(&runner.output()),
    }
}

/// Who and where: `1@directory> `, `1@peer 2> `.
async fn prompt(runner: &Runner) -> String {
    let place = runner.session.place();
    let place = place.map_or("directory".to_owned(), |place| format!("peer {}", safe(place.name.as_str())));
    match status(runner, PATIENCE).await {
        Ok(Status { user: Some(user), .. }) => format!("{}@{place}> ", safe(user.as_str())),
        _ => "peerctl> ".to_owned(),
    }
}

/// What comes in beside what is typed: news, what is remembered of them, and names for completions.
struct NewsDesk {
    told: mpsc::Receiver<news::Told>,
    reader: news::Reader,
    known: Known,
}

async fn status(runner: &Runner, patience: Duration) -> Result<Status, Failure> {
    let asked = runner.daemon.call(GetStatus {}, |_| ());
    tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| {
        Err(Failure::new(proto::control::FailureCode::TimedOut, "the daemon takes its time to answer"))
    })
}

/// What the user entered, one line or several pasted ones; nothing when the session is over.
async fn next_block(runner: &Runner, editor: &mut Editor, desk: &mut NewsDesk) -> Option<String> {
    loop {
        let event = tokio::select! {
            event = editor.next() => event,
            Some(told) = desk.told.recv() => {
                if let Some(line) = desk.reader.line(told, &runner.session) {
                    editor.print_above(line);
                }
                continue;
            }
        };
        match event {
            Event::Lines(block) => return Some(block),
            Event::Wanted(wanted, answer) => {
                // A name too late, or none because the daemon is away: there is just nothing to offer.
                let _ = answer.try_send(desk.known_or_asked(runner, wanted).await.unwrap_or_default());
            }
            Event::End => return None,
            Event::Broken(why) => {
                stderr(&format!("peerctl: the terminal cannot be read: {}\n", safe(&why)));
                return None;
            }
        }
    }
}

/// Runs each line. A failure is told and the next line runs, as in a shell; an interrupt drops the rest of what was pasted.
async fn run_block(runner: &Runner, block: &str) -> Flow {
    let lines: Vec<&str> = block.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in &lines {
        if lines.len() > 1 {
            stderr(&format!("> {}\n", safe(line)));
        }
        match runner.line(line).await {
            Ok(Flow::Leave) => return Flow::Leave,
            Err(status) if status == proto::control::FailureCode::Cancelled.exit_status() => break,
            Ok(Flow::Next) | Err(_) => (),
        }
    }
    Flow::Next
}

impl NewsDesk {
    async fn known_or_asked(&mut self, runner: &Runner, wanted: Wanted) -> Option<Names> {
        if let Some(names) = self.known.names(&wanted, Instant::now()) {
            return Some(names);
        }
        let names = tokio::time::timeout(PATIENCE, names(runner, &wanted)).await.ok()?.ok()?;
        self.known.keep(wanted, &names, Instant::now());
        Some(names)
    }
}

/// Live names.
async fn names(runner: &Runner, wanted: &Wanted) -> Result<Names, Failure> {
    let daemon = &runner.daemon;
    let kind = match wanted.kind {
        Kind::File => Completable::File,
        Kind::OwnFile => Completable::OwnFile,
        Kind::Peer => Completable::Peer,
        Kind::Transfer => {
            let transfers = all_transfers(async |question| daemon.call(question, |_| ()).await).await?;
            let open = transfers.into_iter().filter(|transfer| !transfer.state.is_final());
            return Ok(open.map(|transfer| transfer.transfer_id.to_string()).collect::<Vec<_>>().into());
        }
    };
    let Completions { words, more } = daemon.call(Complete { kind, start: wanted.start.clone() }, |_| ()).await?;
    let last = words.len().saturating_sub(1);
    let typable = |(at, Completion { word, id })| {
        if more && at == last { complete::typable_last(word, id) } else { complete::typable(word, id) }
    };
    Ok(Names { words: words.into_iter().enumerate().map(typable).collect(), more })
}
