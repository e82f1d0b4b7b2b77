//! `completions`: a script that completes commands and flags in a shell.

use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::error::Outcome;
use crate::runner::Context;

/// Write a completion script for a shell
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl completions bash > ~/.local/share/bash-completion/completions/peerctl
  peerctl completions zsh > ~/.zfunc/_peerctl
  peerctl completions fish > ~/.config/fish/completions/peerctl.fish\n")]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, cx: &Context<'_>) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli::tree(), "peerctl", &mut script);
        Ok(cx.out.write(&String::from_utf8_lossy(&script))?)
    }
}
