//! The program itself: its words, its exit codes, its single clear lines.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use proto::directory::ProblemCode;
use reqwest::StatusCode;

use crate::crash::Process;
use crate::support::{PASSWORD, code};

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

#[tokio::test]
async fn accounts_change_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let add = directoryd(folder.path(), &["user", "add", "ana", "--role", "admin", "--password-file", "-"], PASSWORD);
    assert!(add.status.success(), "{add:?}");
    let ana = process.api.session("ana").await;
    let list = directoryd(folder.path(), &["user", "list"], "");
    assert_eq!(String::from_utf8_lossy(&list.stdout), "ana\tadmin\tenabled\n");
    let words = ["user", "add", "ana", "--password-file", "-"];
    assert!(failure(&directoryd(folder.path(), &words, PASSWORD), 1).contains("there is a user `ana` already"));
    assert!(directoryd(folder.path(), &["user", "disable", "ana"], "").status.success());
    assert_eq!(code(process.api.log_in("ana", PASSWORD).await).await, ProblemCode::BadCredentials);
    assert!(directoryd(folder.path(), &["user", "enable", "ana"], "").status.success());
    assert!(directoryd(folder.path(), &["user", "passwd", "ana", "--password-file", "-"], "other").status.success());
    assert_eq!(process.api.log_in("ana", "other").await.status(), StatusCode::CREATED);
    assert!(directoryd(folder.path(), &["user", "remove", "ana"], "").status.success());
    assert!(failure(&directoryd(folder.path(), &["user", "remove", "ana"], ""), 1).contains("no user `ana`"));
    drop(ana);
    let health = directoryd(folder.path(), &["healthcheck", "--listen", &process.address], "");
    assert!(health.status.success(), "{health:?}");
    assert_eq!(process.terminate().await, Some(0));
    let health = directoryd(folder.path(), &["healthcheck", "--listen", "127.0.0.1:9"], "");
    failure(&health, 1);
}

#[tokio::test]
async fn what_hinders_a_start_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path()).await;
    let said = failure(&directoryd(other.path(), &["--listen", &process.address], ""), 1);
    assert!(said.contains("cannot listen on") && said.lines().count() == 1, "{said}");
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0, "nothing was begun");
    let said = failure(&directoryd(folder.path(), &["--listen", "127.0.0.1:0"], ""), 1);
    assert!(said.contains("another directoryd is serving"), "{said}");
    assert_eq!(process.api.request(reqwest::Method::GET, "//readyz").send().await.unwrap().status(), StatusCode::OK);
    let blocked = other.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let said = failure(&directoryd(&blocked.join("state"), &["--listen", "127.0.0.1:0"], ""), 1);
    assert!(said.contains("cannot use the state folder") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_bad_configuration_is_told_whole_and_exits_78() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directoryd.toml");
    std::fs::write(&file, "lease = \"soon\"\nlisten = 7\nlese = 1\n").unwrap();
    let file = file.to_str().unwrap();
    let said = failure(&directoryd(folder.path(), &["config", "check", "--config", file], ""), 78);
    for fault in [":1: `lease`", ":2: `listen`", ":3: `lese`"] {
        assert!(said.contains(fault), "{said}");
    }
    let said = failure(&directoryd(folder.path(), &["--listen", "0.0.0.0:0"], ""), 78);
    assert!(said.contains("insecure-http"), "{said}");
    let good = directoryd(folder.path(), &["config", "check"], "");
    assert!(good.status.success());
}

#[test]
fn migrate_makes_a_closed_database_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");
    let first = directoryd(&state, &["migrate"], "");
    assert!(String::from_utf8_lossy(&first.stdout).starts_with("applied "), "{first:?}");
    assert!(String::from_utf8_lossy(&directoryd(&state, &["migrate"], "").stdout).contains("up to date"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join("directory.db"))), (0o700, 0o600));
}
