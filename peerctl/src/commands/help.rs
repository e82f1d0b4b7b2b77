//! `help`: examples first, then the commands; one topic in detail.

use clap::Args;
use proto::control::Failure;

use crate::cli;
use crate::error::{Outcome, usage};
use crate::runner::Context;

/// Show examples and commands, or one command or topic in detail
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command, or one of: names, output, json, exit-codes
    #[arg(value_name = "TOPIC")]
    topic: Option<String>,
}

/// What is worth knowing beside the commands.
pub(crate) const TOPICS: [(&str, &str); 4] =
    [("names", NAMES), ("output", OUTPUT), ("json", JSON), ("exit-codes", EXIT_CODES)];

/// Columns of the names of commands.
const INDENT: usize = 13;
/// Width where the text goes into a file.
const USUAL_WIDTH: usize = 80;

const EXAMPLES: &str = "\
Examples:
  peerctl login alice              log in at the directory
  peerctl upload ubuntu.iso        share a file
  peerctl list-files ubuntu        find it from anywhere
  peerctl download ubuntu.iso      fetch it, every piece checked
  peerctl status                   how things are, and what to do next
  peerctl doctor                   what is wrong, and what to do about it
  peerctl                          the same words, in a session
  peerctl menu                     the same by bare digits

";

const NAMES: &str = "\
FILE is a file id (what `b3sum` prints), a unique prefix of it of at least 6 digits, an exact name, or USER/NAME.
PEER is the name of a peer, its id, or a unique prefix of the id.
A word that could mean several things is refused, and they are listed.

  peerctl download af1349b9
  peerctl download alice/ubuntu.iso
  peerctl download -- -odd-name        a name that begins with `-`
";

const OUTPUT: &str = "\
Data goes to standard output; messages, prompts and progress go to standard error.

  (nothing)   tables and sentences, fitted to the terminal
  --plain     tab-separated full values in the order of the JSON keys, `-` for none; lines of key and value for `status`,
              `whoami`, `version` and `show-…`
  --json      one object, one a line for commands with several results; every object has \"v\":1; an error is an object on
              standard error
  -q          ids only
";

const JSON: &str = "\
Every object has \"v\":1 first. Sizes are bytes, rates bytes per second, times RFC 3339 in UTC. Keys may be added; none is
renamed or dropped without a new version. A key that has nothing to say is null or missing.

  login, whoami   user, role, expires_at, peer_id, peer
  logout          (nothing but v)
  status          peer_id, name, user, directory {url, state, since, problem}, address, shares, transfers, version,
                  started_at, download_dir, actors [{name, restarts}]
  list-peers      items [{peer_id, name, user, address, state, files, last_seen}], next
  show-peer       an item of list-peers, and key, version
  list-files      items [{file_id, name, size, holders, holders_up, simulated, url}], next
  show-file       an item of list-files, and names, holders_list [{peer, state, peer_id, user, address, holding}]
  upload          file_id, name, size, simulated                                                  a line per file
  unshare         file_id, name                                                                   a line per file
  download        transfer_id, file_id, name, path, bytes, seconds, verified, simulated,
                  sources [{peer, bytes}]                                                         a line per file
  … --detach      transfer_id, file_id, name, size, path, joined, simulated                       a line per file
  transfers       items [{transfer_id, file_id, name, size, path, state, reason, failure, bytes, rate, seconds, verified,
                  simulated, sources [{peer, peer_id, bytes, banned}]}], next
  events          seq, at, kind, peer_id, file_id, user                                           a line per event
  pause, resume, cancel  an item of transfers
  explain         transfer_id, file_id, name, size, state, bytes, rate, limit, because, max_rate, pieces {stored, total},
                  in_flight, duplicates, sources [{peer, peer_id, state, bytes, rate, delay_s, pieces, in_flight, failures,
                  trouble}]
                  limit: over, paused, room, no-holders, preparing, finishing, transfer-rate, download-rate, peer-rate,
                  disk, turn, holders-uplink, downlink or pretence
  simulate        peers, size, seed, first_s, median_s, p99_s, last_s, bound_s, ratio, seed_copies, duplicates, limited_by,
                  elapsed_s, complete, finished, left, scenario {…}                               a line per scenario
  simulate calibrate  source, header_permille, request_bytes, service, verify_per_mib, handshake_trips, connect
  verify          file_id, name, path, size, verified
  doctor          verdict, checks [{name, verdict, message, fix}]       verdict: ok, warn or fail
  connect         peer_id, peer                                         null at the directory
  version         peerctl, peerd, directoryd
  errors          error {code, message, hint, candidates}               on standard error
";

const EXIT_CODES: &str = "\
  0    done
  1    any other failure
  2    usage, or an ambiguous word
  3    no such file, peer or transfer
  4    not logged in, or forbidden
  5    daemon or directory unreachable
  6    transfer or verification failed
  7    conflict: it is there already
  8    timed out
  130  interrupted, or cancelled
";

impl Help {
    pub(super) fn run(self, cx: &Context<'_>) -> Outcome {
        let text = match self.topic {
            None => general(cx.out.columns().unwrap_or(USUAL_WIDTH)),
            Some(topic) => one(&topic)?,
        };
        Ok(cx.out.write(&text)?)
    }
}

fn general(columns: usize) -> String {
    let commands: String = cli::tree().get_subcommands().map(|command| summary(command, columns)).collect();
    let topics: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
    let more = format!("`help COMMAND` tells more, and so does `help` with {}.", topics.join(", "));
    format!("{EXAMPLES}Commands:\n{commands}\n{more}\n")
}

/// A command and what it does, in lines that fit.
fn summary(command: &clap::Command, columns: usize) -> String {
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    let aliases = if aliases.is_empty() { String::new() } else { format!(" ({})", aliases.join(", ")) };
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let indent = INDENT + 2;
    let lines = wrapped(&format!("{about}{aliases}"), columns.saturating_sub(indent).max(20));
    let name = format!("  {:<INDENT$}", command.get_name());
    let between = format!("\n{}", " ".repeat(indent));
    format!("{name}{}\n", lines.join(&between))
}

/// A text cut between its words.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn one(topic: &str) -> Result<String, Failure> {
    if let Some((_, text)) = TOPICS.iter().find(|(name, _)| *name == topic) {
        return Ok((*text).to_owned());
    }
    let mut tree = cli::tree();
    tree.build();
    match tree.find_subcommand_mut(topic) {
        Some(command) => Ok(command.render_help().to_string()),
        None => Err(usage(format!("there is no help about `{topic}`")).hint("`peerctl help` lists what there is")),
    }
}

/// Everything that `help` takes.
pub(crate) fn topics() -> Vec<String> {
    let tree = cli::tree();
    let commands = tree.get_subcommands().map(|command| command.get_name().to_owned());
    commands.chain(TOPICS.iter().map(|(name, _)| (*name).to_owned())).collect()
}
