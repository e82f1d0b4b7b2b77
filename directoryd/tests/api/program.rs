//! The program itself, run as people run it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command as TokioCommand};
use tokio::task::JoinHandle;

use crate::support::{Api, PATIENCE};

/// The real program, serving on a port of its own.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
    pub(crate) api: Api,
    said: JoinHandle<String>,
}

impl Process {
    pub(crate) async fn start(state: &Path, settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directoryd"));
        if !settings.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--state-dir").arg(state).args(settings);
        Self::spawn(command).await
    }

    pub(crate) async fn spawn(mut command: Command) -> Self {
        command.args(["--log-format", "json"]);
        let mut child =
            TokioCommand::from(command).env_clear().stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it says where it serves");
                said.push_str(&line);
                let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = line["fields"]["address"].as_str() {
                    return address.to_owned();
                }
            }
        })
        .await
        .unwrap();
        // Whoever does not read on would block it.
        let said = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said.push_str(&line);
                said.push('\n');
            }
            said
        });
        Self { child, api: Api::at(&address), address, said }
    }

    /// At once, as a loss of power would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; the exit code.
    pub(crate) async fn terminate(self) -> Option<i32> {
        self.last_words().await.0
    }

    /// SIGTERM; the exit code, and all that it ever said.
    pub(crate) async fn last_words(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_raw(self.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let code = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.unwrap().unwrap().code();
        (code, self.said.await.unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }
}

/// Runs it to its end with something on standard input.
pub(crate) fn directoryd(state: &Path, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_directoryd"))
        .args(words)
        .arg("--state-dir")
        .arg(state)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends without reading is no fault of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What it said when it failed: one line, with this exit code.
pub(crate) fn failure(output: &Output, exit: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{said}");
    said
}
