//! What comes with a daemon beside the program: manual pages and completions, made from the tree of its command line, so that
//! they cannot say anything else than `--help`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, Subcommand, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;

/// Section of the manual that has system daemons (`man man`).
const SECTION: &str = "8";

/// The words of the command line that write them.
#[derive(Debug, Subcommand)]
pub enum Papers {
    /// Write a completion script for a shell
    #[command(after_help = "Where shells look, for a program called NAME:
  bash   ~/.local/share/bash-completion/completions/NAME
  zsh    _NAME in a folder of $fpath
  fish   ~/.config/fish/completions/NAME.fish")]
    Completions {
        /// Which
        shell: Shell,
    },
    /// Write the manual page, or a page for every command
    Man {
        /// Write a page for every command into this folder
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

impl Papers {
    /// Writes what is asked for, on standard output or into the folder.
    ///
    /// # Errors
    /// What writing gives, with the name of the file in it; a reader that has read enough is none.
    pub fn write(&self, mut program: Command) -> io::Result<()> {
        let mut text = Vec::new();
        match self {
            Self::Completions { shell } => {
                let name = program.get_name().to_owned();
                clap_complete::generate(*shell, &mut program, name, &mut text);
            }
            Self::Man { dir: None } => {
                program.build();
                Man::new(program).section(SECTION).render(&mut text)?;
            }
            Self::Man { dir: Some(folder) } => {
                program = program.disable_help_subcommand(true);
                program.build();
                return pages(&program, folder);
            }
        }
        match io::stdout().write_all(&text) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }
}

/// The page of a command, and those of the commands below it: `peerd.8`, `peerd-id.8`.
fn pages(command: &Command, folder: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below, folder)?;
    }
    let page = Man::new(command.clone()).section(SECTION);
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    std::fs::write(&path, text).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let below = Command::new("keys").subcommand(Command::new("rotate")).arg(Arg::new("file").long("key-file"));
        let program = Command::new("thing").subcommand(below).subcommand(Command::new("secret").hide(true));
        let man = Papers::Man { dir: Some(folder.path().to_owned()) };
        man.write(program.clone()).unwrap();
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["thing-keys-rotate.8", "thing-keys.8", "thing.8"]);
        let page = std::fs::read_to_string(folder.path().join("thing-keys.8")).unwrap();
        assert!(page.contains(".TH thing-keys 8") && page.contains("key\\-file"), "{page}");
        let nowhere = Papers::Man { dir: Some(folder.path().join("nowhere")) };
        assert!(nowhere.write(program).unwrap_err().to_string().contains("nowhere/thing-keys-rotate.8"));
    }
}
