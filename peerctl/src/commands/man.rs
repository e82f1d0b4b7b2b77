//! `man`: manual pages, made from the same tree as the help.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};
use proto::control::Failure;

use super::help;
use crate::cli;
use crate::error::{Outcome, io};
use crate::runner::Context;

/// Write the manual page of peerctl, or a page for every command
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl man | man -l -
  peerctl man --dir ~/.local/share/man/man1\n")]
pub(crate) struct Man {
    /// Write a page for every command into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, cx: &Context<'_>) -> Outcome {
        let mut tree = cli::tree();
        tree.build();
        let Some(folder) = self.dir else {
            return Ok(cx.out.write(&main_page(tree))?);
        };
        let commands: Vec<clap::Command> = tree.get_subcommands().cloned().collect();
        for command in commands {
            let name = format!("peerctl-{}", command.get_name());
            write(&folder, &name, &rendered(&Page::new(command)))?;
        }
        Ok(write(&folder, "peerctl", &main_page(tree))?)
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, text).map_err(|error| io("cannot write", &path, &error))
}

/// The page of the program, followed by what `help` tells beside the commands.
fn main_page(tree: clap::Command) -> String {
    let mut text = rendered(&Page::new(tree));
    for (name, topic) in help::TOPICS {
        let mut roff = Roff::new();
        roff.control("SH", [name.to_uppercase().as_str()]).control("nf", []);
        roff.text(topic.lines().map(|line| roman(format!("{line}\n"))).collect::<Vec<_>>());
        roff.control("fi", []);
        text.push_str(&roff.to_roff());
    }
    text
}

fn rendered(page: &Page) -> String {
    let mut text = Vec::new();
    // Writing into memory does not fail.
    let _ = page.render(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
