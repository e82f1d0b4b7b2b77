//! How a download is told: started, ended well, ended badly.

use std::path::Path;

use proto::control::{Failure, FailureCode, Started, Transfer, TransferState};
use proto::ids::{ByteCount, FileId, FileName, PeerName, TransferId};
use serde::Serialize;

use crate::render::{Record, duration, opt, rate, safe};
use crate::runner::Context;

/// Whether a transfer that has ended brought the file.
pub(super) fn verdict(transfer: Transfer) -> Result<Transfer, Failure> {
    let (code, what) = match transfer.state {
        TransferState::Done => return Ok(transfer),
        TransferState::Cancelled => (FailureCode::Cancelled, "was cancelled"),
        _ => (transfer.failure.unwrap_or(FailureCode::TransferFailed), "failed"),
    };
    let why = transfer.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Err(Failure { hint: after(code), ..Failure::new(code, format!("download of `{}` {what}{why}", transfer.name)) })
}

fn after(code: FailureCode) -> Option<String> {
    let hint = match code {
        FailureCode::TransferFailed => {
            "`peerctl show-file FILE` shows its holders; the same download goes on where it ended"
        }
        FailureCode::VerificationFailed => {
            "nothing was kept that is not what the id says; try `--from` with other peers"
        }
        FailureCode::OutOfSpace => "make room, or write elsewhere with `-o`; the same download goes on where it ended",
        FailureCode::Conflict => "write elsewhere with `-o`, or replace what is there with `--force`",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// How one ended well, as it is said to somebody who did not wait for it.
pub(crate) fn how_it_ended(transfer: &Transfer) -> String {
    sentence(transfer)
}

/// How one ended badly, likewise.
pub(crate) fn how_it_failed(transfer: Transfer) -> String {
    match verdict(transfer) {
        Ok(transfer) => sentence(&transfer),
        Err(failure) => {
            let hint = failure.hint.map(|hint| format!("; {}", safe(&hint))).unwrap_or_default();
            format!("{}{hint}", safe(&failure.message))
        }
    }
}

/// Writes a download that is done.
pub(super) fn show(cx: &Context<'_>, transfer: &Transfer) -> Result<(), Failure> {
    for source in &transfer.sources {
        if let Some(why) = &source.banned {
            cx.out.warn(&format!("peer {} was left out: {why}", source.peer));
        }
    }
    cx.out.result(&Done(transfer), || sentence(transfer))
}

fn sentence(transfer: &Transfer) -> String {
    let from: Vec<&str> = transfer
        .sources
        .iter()
        .filter(|source| source.bytes > ByteCount::ZERO)
        .map(|source| source.peer.as_str())
        .collect();
    let from = if from.is_empty() { String::new() } else { format!(" from {}", from.join(", ")) };
    let from = match transfer.size {
        // What was there already, under another name or from an earlier attempt, came from nobody.
        ByteCount::ZERO => from,
        _ if from.is_empty() && !transfer.simulated => " from what this peer had".to_owned(),
        _ => from,
    };
    if transfer.simulated {
        let (name, size) = (safe(transfer.name.as_str()), transfer.size);
        let took = duration(transfer.seconds);
        return format!("simulated {name}  {size} in {took}{from}; this peer is a holder now, without content");
    }
    let path = transfer.path.to_string_lossy();
    let checked = if transfer.verified { ", verified" } else { "" };
    format!(
        "saved {}  {} in {} ({}){from}{checked}",
        safe(&path),
        transfer.size,
        duration(transfer.seconds),
        rate(transfer.rate)
    )
}

/// What is said of a download that the daemon goes on with alone.
pub(super) fn detached(started: &Started) -> String {
    let (id, name) = (started.transfer_id, safe(started.name.as_str()));
    if started.simulated {
        return format!("transfer {id} simulates {name}");
    }
    format!("transfer {id} fetches {name} to {}", safe(&started.path.to_string_lossy()))
}

/// What a second Ctrl-C does, said at the first.
pub(super) fn what_the_next_does(started: &[Started]) -> String {
    let (them, id) = match started {
        [one] => ("it", one.transfer_id.to_string()),
        _ => ("them", "ID".to_owned()),
    };
    format!("still fetching: Ctrl-C again leaves {them} to the daemon; `peerctl cancel {id}` gives {them} up")
}

/// What to do when the user leaves before the end.
pub(super) fn how_to_follow(started: &[Started]) -> String {
    match started {
        [one] => {
            let name = shlex::try_quote(one.name.as_str()).unwrap_or_else(|_| one.file_id.to_string().into());
            let dashes = if name.starts_with('-') { "-- " } else { "" };
            format!(
                "the daemon goes on with it: `peerctl download --wait {dashes}{name}` follows it, `peerctl cancel {}` gives it up",
                one.transfer_id
            )
        }
        _ => "the daemon goes on with them: `peerctl transfers --watch` follows them, `peerctl cancel ID` gives one up"
            .to_owned(),
    }
}

/// A download that is done.
struct Done<'a>(&'a Transfer);

impl Record for Done<'_> {
    fn json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            transfer_id: TransferId,
            file_id: FileId,
            name: &'a FileName,
            /// None of a simulated one.
            path: Option<&'a Path>,
            bytes: ByteCount,
            seconds: f64,
            verified: bool,
            simulated: bool,
            sources: Vec<Source<'a>>,
        }
        #[derive(Serialize)]
        struct Source<'a> {
            peer: &'a PeerName,
            bytes: ByteCount,
        }
        let Transfer { transfer_id, file_id, name, path, bytes, seconds, verified, simulated, sources, .. } = self.0;
        Json {
            transfer_id: *transfer_id,
            file_id: *file_id,
            name,
            path: Some(path.as_path()).filter(|_| !simulated),
            bytes: *bytes,
            seconds: *seconds,
            verified: *verified,
            simulated: *simulated,
            sources: sources.iter().map(|source| Source { peer: &source.peer, bytes: source.bytes }).collect(),
        }
    }

    fn plain(&self) -> Vec<String> {
        let Transfer { transfer_id, file_id, name, path, bytes, seconds, verified, simulated, .. } = self.0;
        vec![
            transfer_id.to_string(),
            file_id.to_string(),
            name.to_string(),
            opt(Some(path.to_string_lossy()).filter(|_| !simulated)),
            bytes.as_u64().to_string(),
            format!("{seconds:.3}"),
            verified.to_string(),
            simulated.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.0.file_id.to_string()
    }
}

/// A download that has been started and is left alone.
pub(super) struct StartedRecord<'a>(pub(super) &'a Started);

impl Record for StartedRecord<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        let Started { transfer_id, file_id, name, size, path, joined, simulated } = self.0;
        vec![
            transfer_id.to_string(),
            file_id.to_string(),
            name.to_string(),
            size.as_u64().to_string(),
            opt(Some(path.to_string_lossy()).filter(|_| !simulated)),
            joined.to_string(),
            simulated.to_string(),
        ]
    }

    /// What `cancel` takes, unlike that of a finished one.
    fn id(&self) -> String {
        self.0.transfer_id.to_string()
    }
}
