//! `peerctl` in a real terminal.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use expectrl::process::unix::WaitStatus;
use expectrl::session::OsSession;
use expectrl::{ControlCode, Eof, Expect, Session};

use crate::daemon::House;

/// A terminal with `peerctl` in it.
pub(crate) struct Terminal(OsSession);

impl Terminal {
    /// Starts it in a terminal of so many columns.
    pub(crate) fn start(house: &House, columns: u16, args: &str) -> Self {
        Self::in_home(house.folder.path(), &house.folder.path().join("peerd.sock"), columns, args)
    }

    pub(crate) fn in_home(home: &Path, socket: &Path, columns: u16, args: &str) -> Self {
        let mut command = Command::new("sh");
        // The size is set before the program starts, or its first table is laid out for another; and after the terminal has
        // been given its usual size from outside, which is not before a first line is sent.
        let program = env!("CARGO_BIN_EXE_peerctl");
        command.arg("-c").arg(format!("read -r go; stty cols {columns} rows 30; exec '{program}' {args}"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", home).env("PEERCTL_SOCKET", socket).env("TERM", "xterm").current_dir(home);
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(10)));
        session.send_line("").unwrap();
        Self(session)
    }

    /// Waits for a text; what came before it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> String {
        match self.0.expect(text) {
            Ok(found) => String::from_utf8_lossy(found.before()).into_owned(),
            Err(error) => {
                let mut rest = [0; 4096];
                let read = self.0.try_read(&mut rest).unwrap_or(0);
                panic!("no `{text}`: {error}; there is {:?}", String::from_utf8_lossy(&rest[..read]))
            }
        }
    }

    pub(crate) fn type_in(&mut self, text: &str) {
        self.0.send(text).unwrap();
    }

    pub(crate) fn enter(&mut self, line: &str) {
        self.type_in(&format!("{line}\r"));
    }

    /// Makes it as wide as that.
    pub(crate) fn resize(&mut self, columns: u16) {
        self.0.get_process_mut().set_window_size(columns, 30).unwrap();
    }

    pub(crate) fn interrupt(&mut self) {
        self.0.send(ControlCode::EndOfText).unwrap();
    }

    pub(crate) fn end_of_input(&mut self) {
        self.0.send(ControlCode::EndOfTransmission).unwrap();
    }

    /// Waits for the end; everything that came before it, and the exit status.
    #[track_caller]
    pub(crate) fn ended(mut self) -> (String, i32) {
        let rest = self.0.expect(Eof).expect("the program ends");
        let text = String::from_utf8_lossy(rest.as_bytes()).into_owned();
        let WaitStatus::Exited(_, status) = self.0.get_process().wait().unwrap() else { panic!("killed; {text}") };
        (text, status)
    }
}
