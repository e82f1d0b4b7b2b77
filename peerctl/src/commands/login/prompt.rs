//! Asking a person at the terminal.
//!
//! Ctrl-C has to be a key here, not a signal: as a signal it would not end the wait for a line.

use std::io::ErrorKind;

use proto::control::{Failure, FailureCode};
use proto::ids::UserName;
use proto::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::config::{Behavior, Config};
use rustyline::{DefaultEditor, error::ReadlineError};

use crate::error::{plain_error, usage};

/// Asks for an account; an empty line means the usual one.
pub(super) fn user(usual: Option<UserName>) -> Result<UserName, Failure> {
    let offered = usual.as_ref().map(|user| format!(" [{user}]")).unwrap_or_default();
    let line = line(&format!("User{offered}: "))?;
    match (line.trim(), usual) {
        ("", Some(usual)) => Ok(usual),
        (typed, _) => typed.parse().map_err(|error| usage(format!("{error}"))),
    }
}

/// Asks for a line.
pub(crate) fn line(prompt: &str) -> Result<String, Failure> {
    let config = Config::builder().behavior(Behavior::PreferTerm).build();
    DefaultEditor::with_config(config).and_then(|mut editor| editor.readline(prompt)).map_err(|error| match error {
        ReadlineError::Interrupted | ReadlineError::Eof => given_up(),
        error => Failure::new(FailureCode::Io, format!("cannot read the answer: {error}")),
    })
}

/// Asks for a password, which does not show.
pub(super) fn password(user: &UserName) -> Result<Secret, Failure> {
    let _unechoed = Unechoed::begin();
    rpassword::prompt_password(format!("Password of {user}: ")).map(Secret::new).map_err(|error| match error.kind() {
        ErrorKind::Interrupted | ErrorKind::UnexpectedEof => given_up(),
        _ => Failure::new(FailureCode::Io, format!("cannot read the password: {}", plain_error(&error))),
    })
}

fn given_up() -> Failure {
    Failure::new(FailureCode::Cancelled, "interrupted")
}

/// The terminal neither echoes nor turns keys into signals until this is dropped. `rpassword` does the same, but only
/// after the prompt is on the screen: what is typed in between would show, and a Ctrl-C would be lost.
struct Unechoed(Termios);

impl Unechoed {
    fn begin() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(std::io::stdin(), OptionalActions::Now, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Unechoed {
    fn drop(&mut self) {
        // The terminal has gone where this fails.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
