//! The program itself: its words, its exit codes, its single clear lines.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use proto::directory::ProblemCode;
use reqwest::StatusCode;

use crate::program::{Process, directoryd, failure};
use crate::support::{PASSWORD, TestPeer, code, eventually};

#[tokio::test]
async fn accounts_change_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]).await;
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
    let process = Process::start(folder.path(), &[]).await;
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

#[tokio::test]
async fn a_backup_is_whole_closed_and_takes_nobodys_place() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("co'py.db");
    let words = ["backup", copy.to_str().unwrap()];
    let state = folder.path().join("state");
    assert!(failure(&directoryd(&state, &words, ""), 1).contains("there is no database"));
    let process = Process::start(&state, &[]).await;
    crate::crash::add_ana(&state).await;
    let peer = TestPeer::new(process.api.session("ana").await, "a");
    peer.register().await;
    let end = AtomicBool::new(false);
    let (announced, backup) = tokio::join!(
        async {
            let mut announced = 0;
            while !end.load(Ordering::Relaxed) {
                peer.announce(&[&announced.to_string()]).await;
                announced += 1;
            }
            announced
        },
        async {
            let (state, copy) = (state.clone(), copy.clone());
            let asked = std::thread::spawn(move || directoryd(&state, &["backup", copy.to_str().unwrap()], ""));
            eventually("it is written", async || asked.is_finished().then_some(())).await;
            end.store(true, Ordering::Relaxed);
            asked.join().unwrap()
        }
    );
    assert!(backup.status.success(), "{backup:?}");
    assert!(announced > 0);
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing is left beside it: {names:?}");
    let before = std::fs::read(&copy).unwrap();
    assert!(failure(&directoryd(&state, &words, ""), 1).contains("is there already"));
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    assert_eq!(process.terminate().await, Some(0));
    // A directory serves from it, with all that was there at one moment.
    let restored = folder.path().join("restored");
    std::fs::create_dir(&restored).unwrap();
    std::fs::rename(&copy, restored.join("directory.db")).unwrap();
    let process = Process::start(&restored, &[]).await;
    let ana = process.api.session("ana").await;
    let files = ana.names("/files?limit=1000").await;
    let mut expected: Vec<String> = (0..files.len()).map(|number| number.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(files, expected);
    assert_eq!(process.terminate().await, Some(0));
}

#[test]
fn completions_and_manual_need_no_configuration() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = directoryd(folder.path(), &["completions", shell, "--config", "/nowhere"], "");
        assert!(script.status.success(), "{script:?}");
        assert!(String::from_utf8_lossy(&script.stdout).contains("healthcheck"), "{shell}");
    }
    let man = directoryd(folder.path(), &["man", "--config", "/nowhere"], "");
    assert!(man.status.success() && String::from_utf8_lossy(&man.stdout).contains("database\\-url"), "{man:?}");
}
