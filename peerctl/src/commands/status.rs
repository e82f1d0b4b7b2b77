//! `status`: how the daemon is, how it is with the directory, and what to do about it.

use clap::Args;
use proto::Timestamp;
use proto::control::{self, DirectoryState};
use serde::Serialize;

use crate::error::Outcome;
use crate::render::{Fields, Paint, Record, ago, lasting, opt, plural};
use crate::runner::Context;

/// Show how the daemon is: directory, login, shares, transfers
#[derive(Debug, Args)]
pub(crate) struct Status {}

impl Status {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let status = cx.ask(control::GetStatus {}).await?;
        cx.out.detail(&StatusRecord(&status), &for_people(&status, Timestamp::now()), &in_full(&status))?;
        if let Some(next) = next_step(&status) {
            cx.out.note(next);
        }
        Ok(())
    }
}

fn for_people(status: &control::Status, now: Timestamp) -> Fields {
    let directory = &status.directory;
    let paint = match directory.state {
        DirectoryState::Connected => Paint::Green,
        DirectoryState::Unreachable => Paint::Red,
        DirectoryState::Connecting | DirectoryState::LoggedOut => Paint::Yellow,
    };
    let mut fields = Fields::default()
        .with("peer", format!("{} ({})", status.name, status.peer_id.grouped()))
        .with("user", status.user.as_ref().map_or("nobody is logged in".to_owned(), ToString::to_string))
        .with("directory", &directory.url)
        .painted("state", format!("{} for {}", directory.state, lasting(directory.since, now)), paint);
    if let Some(problem) = &directory.problem {
        fields = fields.with("problem", problem);
    }
    fields = fields
        .with("address", &status.address)
        .with("shares", plural(status.shares, "file"))
        .with("transfers", format!("{} running", status.transfers))
        .with("downloads", status.download_dir.display())
        .with("daemon", format!("peerd {}, started {}", status.version, ago(status.started_at, now)));
    for actor in status.actors.iter().filter(|actor| actor.restarts > 0) {
        let times = plural(actor.restarts.into(), "time");
        fields = fields.painted("restarted", format!("{}, {times} after a failure", actor.name), Paint::Yellow);
    }
    fields
}

fn in_full(status: &control::Status) -> Fields {
    let fields = Fields::default()
        .with("peer_id", status.peer_id)
        .with("name", &status.name)
        .with("user", opt(status.user.as_ref()))
        .with("directory", &status.directory.url)
        .with("state", status.directory.state)
        .with("since", status.directory.since)
        .with("problem", opt(status.directory.problem.as_ref()))
        .with("address", &status.address)
        .with("shares", status.shares)
        .with("transfers", status.transfers)
        .with("download_dir", status.download_dir.display())
        .with("version", &status.version)
        .with("started_at", status.started_at);
    let restarts = |fields: Fields, actor: &control::ActorStatus| {
        fields.with("restarts", format!("{} {}", actor.name, actor.restarts))
    };
    status.actors.iter().fold(fields, restarts)
}

fn next_step(status: &control::Status) -> Option<&'static str> {
    match status.directory.state {
        DirectoryState::LoggedOut => Some("next: log in with `peerctl login`"),
        DirectoryState::Unreachable => {
            Some("the daemon keeps trying; downloads under way go on with the peers they know")
        }
        DirectoryState::Connected if status.shares == 0 => {
            Some("next: `peerctl upload PATH` shares a file, `peerctl list-files` shows what others share")
        }
        DirectoryState::Connected | DirectoryState::Connecting => None,
    }
}

struct StatusRecord<'a>(&'a control::Status);

impl Record for StatusRecord<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id()]
    }

    fn id(&self) -> String {
        self.0.peer_id.to_string()
    }
}
