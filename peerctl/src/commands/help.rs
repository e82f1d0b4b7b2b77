//! `help`: examples first, then the commands; one topic in detail.

use clap::Args;
use proto::control::Failure;

use crate::cli;
use crate::error::{Outcome, usage};
use crate::runner::Context;

mod fitted;
mod topics;

use fitted::{fitted, wrapped};
use topics::EXAMPLES;

pub(crate) use topics::TOPICS;

/// Show examples and commands, or one command or topic in detail
#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command, or one of: names, output, json, exit-codes
    #[arg(value_name = "TOPIC")]
    topic: Option<String>,
}

/// Columns of the names of commands.
const INDENT: usize = 13;
/// Width where the text goes into a file.
const USUAL_WIDTH: usize = 80;

impl Help {
    pub(super) fn run(self, cx: &Context<'_>) -> Outcome {
        let columns = cx.out.columns().unwrap_or(USUAL_WIDTH);
        let text = match self.topic {
            None => general(columns),
            Some(topic) => one(&topic, columns)?,
        };
        Ok(cx.out.write(&text)?)
    }
}

fn general(columns: usize) -> String {
    let commands: String = cli::tree().get_subcommands().map(|command| summary(command, columns)).collect();
    let topics: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
    let more = format!("`help COMMAND` tells more, and so does `help` with {}.", topics.join(", "));
    let more = wrapped(&more, columns).join("\n");
    format!("{}\nCommands:\n{commands}\n{more}\n", fitted(EXAMPLES, columns))
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

fn one(topic: &str, columns: usize) -> Result<String, Failure> {
    if let Some((_, text)) = TOPICS.iter().find(|(name, _)| *name == topic) {
        return Ok(fitted(text, columns));
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
