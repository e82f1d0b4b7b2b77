//! The session: a prompt, a line, its command, and so on until `exit` or Ctrl-D.
//!
//! The line editor blocks, so it lives on a thread of its own ([`editor`]). Two bounded channels join it to the one that
//! runs commands: prompts go there; lines, and questions for completion, come back. It reads only while no command runs.

use std::time::Duration;

use proto::control::{Failure, GetStatus, ListFiles, ListPeers, ListTransfers, Status};

use crate::render::{Format, safe, stderr};
use crate::runner::{Flow, Runner};

mod complete;
mod editor;
mod history;
mod words;

use complete::Wanted;
use editor::{Editor, Event};

/// How long the prompt waits to learn who is logged in, and a completion for names: a person is waiting.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most names offered for one completion.
const MOST_NAMES: u32 = 200;

pub(crate) async fn run(runner: Runner) -> u8 {
    let mut editor = match Editor::start() {
        Ok(editor) => editor,
        Err(failure) => {
            let trouble = crate::error::Trouble::from(failure);
            trouble.report(&runner.output());
            return trouble.status();
        }
    };
    if runner.output().format() == Format::Human {
        greet(&runner).await;
    }
    loop {
        editor.prompt(prompt(&runner).await).await;
        match next_block(&runner, &mut editor).await {
            Some(block) => {
                if run_block(&runner, &block).await == Flow::Leave {
                    return 0;
                }
            }
            None => return 0,
        }
    }
}

async fn greet(runner: &Runner) {
    stderr(&format!("peerctl {}. `help` shows examples, `exit` leaves.\n", env!("CARGO_PKG_VERSION")));
    match status(runner).await {
        Ok(status) if status.user.is_none() => stderr("Nobody is logged in: `login USER`.\n"),
        Ok(_) => (),
        Err(failure) => crate::error::Trouble::from(failure).report(&runner.output()),
    }
}

/// Who and where: `1@directory> `.
async fn prompt(runner: &Runner) -> String {
    match status(runner).await {
        Ok(Status { user: Some(user), .. }) => format!("{}@directory> ", safe(user.as_str())),
        _ => "peerctl> ".to_owned(),
    }
}

async fn status(runner: &Runner) -> Result<Status, Failure> {
    let asked = runner.daemon.call(GetStatus {}, |_| ());
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| {
        Err(Failure::new(proto::control::FailureCode::TimedOut, "the daemon takes its time to answer"))
    })
}

/// What the user entered, one line or several pasted ones; nothing when the session is over.
async fn next_block(runner: &Runner, editor: &mut Editor) -> Option<String> {
    loop {
        match editor.next().await {
            Event::Lines(block) => return Some(block),
            Event::Wanted(wanted, answer) => {
                let found = tokio::time::timeout(PATIENCE, names(runner, wanted)).await;
                // A name too late, or none because the daemon is away: there is just nothing to offer.
                let _ = answer.try_send(found.ok().and_then(Result::ok).unwrap_or_default());
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

/// Live names that begin as typed.
async fn names(runner: &Runner, wanted: Wanted) -> Result<Vec<String>, Failure> {
    let daemon = &runner.daemon;
    let limit = Some(MOST_NAMES);
    let names: Vec<String> = match wanted {
        Wanted::Files { start, mine } => {
            let pattern = Some(start).filter(|start| !start.is_empty());
            let question = ListFiles { pattern, mine, limit, ..ListFiles::default() };
            let files = daemon.call(question, |_| ()).await?.items;
            files.into_iter().map(|file| complete::typable(file.name.as_str(), &file.file_id)).collect()
        }
        Wanted::Peers => {
            let peers = daemon.call(ListPeers { limit, ..ListPeers::default() }, |_| ()).await?.items;
            peers.into_iter().map(|peer| peer.name.to_string()).collect()
        }
        Wanted::Transfers => {
            let transfers = daemon.call(ListTransfers {}, |_| ()).await?.items;
            let open = transfers.into_iter().filter(|transfer| !transfer.state.is_final());
            open.map(|transfer| transfer.transfer_id.to_string()).collect()
        }
    };
    Ok(names)
}
