//! `login`: hands a user name and a password to the daemon, which logs in at the directory and remembers it.

use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use proto::control::{self, Failure, FailureCode};
use proto::ids::UserName;
use proto::secret::Secret;

use super::whoami::IdentityRecord;
use crate::error::{Outcome, plain_error, usage};
use crate::render::safe;
use crate::runner::{Context, Origin};

mod prompt;

pub(crate) use prompt::line as ask_line;

/// Log in at the directory; the daemon remembers it
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl login alice                          asks for the password
  peerctl login alice --password-file pw.txt
  pass show enjambre | peerctl login alice --password-file -\n")]
pub(crate) struct Login {
    /// Account; asked for where it is left out
    user: Option<UserName>,
    /// Take the first line of a file, or of standard input for `-`, instead of asking
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
}

impl Login {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        // For the moment in which the password is here; where the system refuses, it is no reason not to log in.
        let _ = proto::secret::keep_memory_private();
        let user = match self.user {
            Some(user) => user,
            None => ask_user(cx)?,
        };
        let password = match self.password_file {
            Some(path) => read_password(cx, &path)?,
            None => ask_password(cx, &user)?,
        };
        let identity = cx.ask(control::Login { user, password }).await?;
        cx.out.result(&IdentityRecord(&identity), || {
            format!("logged in as {}; this peer is {}", identity.user, identity.peer)
        })?;
        Ok(())
    }
}

/// Whether somebody is there to be asked.
fn has_person(cx: &Context<'_>) -> bool {
    cx.origin != Origin::Script && std::io::stdin().is_terminal()
}

fn ask_user(cx: &Context<'_>) -> Result<UserName, Failure> {
    let usual = std::env::var("USER").ok().and_then(|name| name.parse::<UserName>().ok());
    if has_person(cx) {
        return prompt::user(usual);
    }
    usual.ok_or_else(|| usage("who logs in? name the account: `peerctl login USER`"))
}

fn ask_password(cx: &Context<'_>, user: &UserName) -> Result<Secret, Failure> {
    if has_person(cx) {
        return prompt::password(user);
    }
    Err(usage("there is no terminal to ask for the password on")
        .hint(format!("`peerctl login {user} --password-file FILE`, or `-` for standard input")))
}

fn read_password(cx: &Context<'_>, path: &Path) -> Result<Secret, Failure> {
    if path == Path::new("-") && cx.origin != Origin::OneShot {
        return Err(usage("standard input is where the commands come from, it cannot hold the password as well")
            .hint("leave --password-file out to be asked, or name a file"));
    }
    Secret::read(path).map_err(|error| {
        let code = if error.kind() == ErrorKind::NotFound { FailureCode::NotFound } else { FailureCode::Io };
        Failure::new(code, format!("cannot take the password from {}", safe(&plain_error(&error))))
    })
}
