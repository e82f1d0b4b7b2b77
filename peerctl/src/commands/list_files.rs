//! `list-files`: what is shared.

use clap::Args;
use proto::control;
use proto::directory::FileEntry;
use serde::Serialize;

use super::paging;
use crate::error::{Outcome, usage};
use crate::render::{Column, Paint, Record, Row, TableCell, opt};
use crate::runner::Context;

/// List the files that are shared
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl list-files                 everything
  peerctl list-files ubuntu          names with `ubuntu` in them
  peerctl list-files --peer 2        what peer 2 holds, as the directory knows
  peerctl list-files --via 2         everything, as peer 2 sees it
  peerctl list-files --via 2 --own   what peer 2 itself says that it shares
  peerctl list-files --mine -q       ids of what this peer shares\n")]
pub(crate) struct ListFiles {
    /// Part of the name, in either case
    pattern: Option<String>,
    /// Only what this peer holds
    #[arg(long, value_name = "PEER", conflicts_with = "mine")]
    peer: Option<String>,
    /// Everything as this peer sees it, asked of the peer itself
    #[arg(long, value_name = "PEER", conflicts_with_all = ["mine", "peer"])]
    via: Option<String>,
    /// With --via, or connected to a peer: only what that peer itself shares
    #[arg(long, conflicts_with_all = ["mine", "peer"])]
    own: bool,
    /// Only what this peer itself shares
    #[arg(long)]
    mine: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl ListFiles {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        // A peer that is named, or our own shares, are asked of the directory whatever the session is connected to.
        let elsewhere = self.peer.is_some() || self.mine;
        let via = self.via.clone().or_else(|| cx.session.via().filter(|_| !elsewhere));
        if self.own && via.is_none() {
            return Err(usage("--own goes with a peer").hint("name it: `list-files --own --via PEER`").into());
        }
        let question = |cursor, limit| control::ListFiles {
            pattern: self.pattern.clone(),
            peer: self.peer.clone(),
            mine: self.mine,
            via: via.clone(),
            own: self.own,
            cursor,
            limit: Some(limit),
        };
        let nothing = if self.pattern.is_some() {
            "no name matches"
        } else if via.is_some() {
            "that peer knows of no file"
        } else {
            "nothing is shared here yet; `peerctl upload PATH` shares a file"
        };
        paging::list(cx, self.limit, question, FileRow, nothing).await
    }
}

struct FileRow(FileEntry);

impl Record for FileRow {
    fn json(&self) -> impl Serialize {
        &self.0
    }

    fn plain(&self) -> Vec<String> {
        let file = &self.0;
        vec![
            file.file_id.to_string(),
            file.name.to_string(),
            file.size.as_u64().to_string(),
            file.holders.to_string(),
            file.holders_up.to_string(),
            file.simulated.to_string(),
            opt(file.url.as_ref()),
        ]
    }

    fn id(&self) -> String {
        self.0.file_id.to_string()
    }
}

impl Row for FileRow {
    const COLUMNS: &'static [Column] = &[
        Column::flexible("NAME"),
        Column::number("SIZE"),
        Column::number("HOLDERS").or_nothing(2),
        Column::text("ID").or_nothing(1),
        Column::note(),
    ];

    fn cells(&self) -> Vec<TableCell> {
        let file = &self.0;
        // A file that nobody can give is worth a look.
        let paint = if file.holders_up == 0 { Paint::Yellow } else { Paint::Plain };
        vec![
            TableCell::new(file.name.as_str()),
            TableCell::new(file.size.to_string()),
            TableCell::painted(format!("{}/{}", file.holders_up, file.holders), paint),
            TableCell::new(file.file_id.short()),
            TableCell::painted(
                file.url.as_ref().map_or_else(String::new, |url| format!("simulated, {url}")),
                Paint::Dim,
            ),
        ]
    }
}
