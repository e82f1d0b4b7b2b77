//! Killed at any moment, the directory has what it said that it has.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use directoryd::NewAccount;
use proto::Timestamp;
use proto::directory::{FileEntry, Page, Role};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::storage::count;
use crate::support::{Api, PASSWORD, PATIENCE, TestPeer, file, secret};

/// The real program, serving on a port of its own.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
    pub(crate) api: Api,
    said: JoinHandle<String>,
}

impl Process {
    pub(crate) async fn start(state: &Path) -> Self {
        Self::start_with(state, &[]).await
    }

    pub(crate) async fn start_with(state: &Path, settings: &[&str]) -> Self {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_directoryd"));
        if !settings.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.arg("--state-dir").arg(state).args(settings);
        Self::spawn(command).await
    }

    pub(crate) async fn spawn(mut command: std::process::Command) -> Self {
        command.args(["--log-format", "json"]);
        let mut child = Command::from(command).env_clear().stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
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

    async fn kill(mut self) {
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

#[tokio::test]
async fn acknowledged_announcements_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("directory.db");
    let mut acknowledged: Vec<String> = Vec::new();
    let mut process = Process::start(folder.path()).await;
    add_ana(folder.path()).await;
    let mut peer = TestPeer::new(process.api.session("ana").await, "a");
    peer.register().await;
    for round in 0..5 {
        let killer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150 + 70 * round)).await;
            process.kill().await;
        });
        acknowledged.extend(announce_until_dead(&peer, round).await);
        killer.await.unwrap();
        process = Process::start(folder.path()).await;
        peer.user.api = process.api.clone();
        let found = all_names(&peer).await;
        let lost: Vec<_> = acknowledged.iter().filter(|name| !found.contains(*name)).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    }
    assert!(acknowledged.len() > 20, "the kills came too early to tell: {}", acknowledged.len());
    assert_eq!(process.terminate().await, Some(0));
    let sound = "SELECT COUNT(*) AS n FROM pragma_integrity_check WHERE integrity_check = 'ok'";
    assert_eq!(count(&database, sound), 1);
    assert_eq!(count(&database, "SELECT COUNT(*) AS n FROM pragma_foreign_key_check"), 0);
}

/// Names whose announcement was answered with success before the directory died.
async fn announce_until_dead(peer: &TestPeer, round: u64) -> Vec<String> {
    let lanes = (0..8).map(async |lane| {
        let mut acknowledged = Vec::new();
        for number in 0.. {
            let name = format!("{round}-{lane}-{number}");
            let path = format!("/peers/{}/files", peer.id());
            let body = serde_json::json!({"add": [file(&name)]});
            match peer.user.request(reqwest::Method::PATCH, &path).json(&body).send().await {
                Ok(answer) if answer.status().is_success() => acknowledged.push(name),
                _ => break,
            }
        }
        acknowledged
    });
    futures_util::future::join_all(lanes).await.concat()
}

async fn all_names(peer: &TestPeer) -> std::collections::HashSet<String> {
    let (mut names, mut next) = (std::collections::HashSet::new(), Some("/files?limit=1000".to_owned()));
    while let Some(path) = next {
        let page: Page<FileEntry> = peer.user.get(&path).await;
        names.extend(page.items.iter().map(|entry| entry.name.to_string()));
        next = page.next.map(|cursor| format!("/files?limit=1000&cursor={cursor}"));
    }
    names
}

pub(crate) async fn add_ana(state: &Path) {
    let store = directoryd::Store::open(&state.join("directory.db")).unwrap();
    let password_hash = directoryd::hash_password(&secret(PASSWORD)).unwrap();
    let account = NewAccount { name: "ana".parse().unwrap(), password_hash, role: Role::User };
    store.add_user(account, Timestamp::now()).await.unwrap().unwrap();
}
